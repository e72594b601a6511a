"""What a tokenizer consists of beside its tokens: `tokenizer_config.json`, and the chat template."""

from __future__ import annotations

import json
from dataclasses import dataclass

from specc.catalog.chat import CHAT_TEMPLATES
from specc.catalog.tokenizer import Trained
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.resources import templates_root
from specc.spec.schema import package_of


@dataclass(frozen=True, slots=True)
class TokenizerFilesView:
    """What `package/tokenizer.py.j2` says."""

    header: str
    imports: str
    definitions: tuple[str, ...]


def tokenizer_module(resolved: Resolved) -> dict[str, str]:
    """Return the module that finds the files of a tokenizer, by its path; none for a spec without one."""
    if resolved.spec.tokenizer is None:
        return {}
    partials = (resolved.spec.tokenizer.parts().files,)
    view = TokenizerFilesView(HEADER, imports(partials), definitions(partials))
    return {f"{package_of(resolved.spec.name)}/tokenizer.py": render("package/tokenizer.py.j2", view)}


def tokenizer_assets(resolved: Resolved) -> dict[str, str]:
    """Return the files of a tokenizer that the spec alone decides, by path, as Hugging Face names them."""
    tokenizer = resolved.spec.tokenizer
    if not isinstance(tokenizer, Trained):
        return {}
    folder = f"{package_of(resolved.spec.name)}/assets"
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": tokenizer.special_tokens.eos,
        "pad_token": tokenizer.special_tokens.pad,
        "model_max_length": resolved.network.dims.max_seq_len,
        # It would remove spaces before punctuation from what the model writes.
        "clean_up_tokenization_spaces": False,
    }
    files = {f"{folder}/tokenizer_config.json": json.dumps(config, indent=2, ensure_ascii=False) + "\n"}
    if tokenizer.chat_template is not None:
        template = templates_root() / CHAT_TEMPLATES[tokenizer.chat_template].path
        files[f"{folder}/chat_template.jinja"] = template.read_text(encoding="utf-8")
    return files
