"""The emitted tests of fine-tuning: token masks, packing, adapters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from specc.catalog.align import Sft
from specc.catalog.base import NoView, Partial
from specc.catalog.chat import BEGIN, CHAT_TEMPLATES, END, EXAMPLE, ChatTemplate
from specc.catalog.tokenizer import AnyTokenizer, Trained
from specc.emit.generation import python_string
from specc.emit.imports import script_imports
from specc.emit.proof import BESIDE
from specc.emit.render import definitions, render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.resources import templates_root
from specc.spec.schema import package_of

CHAT = (
    "from dataclasses import replace",
    "from functools import cache",
    "import numpy as np",
    "import reference",
    "import torch",
    "from cases import configs, decided",
    "from hypothesis import given, settings",
    "from hypothesis import strategies as st",
    "from tokenizers import Tokenizer, decoders, models, pre_tokenizers",
    "from torch.testing import assert_close",
    "from transformers import PreTrainedTokenizerFast",
    "from {package}.chat import Conversations, Row, checked, encode, pack",
    "from {package}.model import IGNORED, Model",
    "from {package}.training import Objective, accumulate",
)
LORA = (
    "import copy",
    "import torch",
    "from cases import Case, cases",
    "from hypothesis import given",
    "from peft import LoraConfig",
    "from torch import nn",
    "from torch.testing import assert_close",
    "from {package}.data import Batch",
    "from {package}.lora import LoraEngine, add_adapters, learning",
    "from {package}.model import Model",
    "from {package}.ranks import ALONE",
    "from {package}.training import Objective, make_optimizer",
)


@dataclass(frozen=True, slots=True)
class ChatTestView:
    """What `tests/test_chat.py.j2` says; the tokens are Python literals.

    Attributes:
        constants: `TEMPLATE`, the chat template, and others.
        definitions: Tests of how what is learned is found.
    """

    header: str
    imports: str
    special_tokens: str
    end_of_turn: str
    constants: tuple[str, ...]
    definitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyTemplateView:
    """What `tests/chat/any.py.j2` says: the lines of two chat templates, as Python literals."""

    plain: tuple[str, ...]
    marked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoraTestView:
    """What `tests/test_lora.py.j2` says; `layers` is a Python list."""

    header: str
    imports: str
    layers: str


def align_proof(resolved: Resolved, stages: Sequence[Sft]) -> dict[str, str]:
    """Return the test modules about these stages, by path, not yet formatted."""
    package, tokenizer = package_of(resolved.spec.name), resolved.spec.tokenizer
    if not stages or tokenizer is None:
        return {}
    tests = {"tests/test_chat.py": render("tests/test_chat.py.j2", _chat(package, tokenizer))}
    layers = [stage.peft.target_modules for stage in stages if stage.peft]
    if layers:
        lora = LoraTestView(HEADER, script_imports(package, LORA, BESIDE), json.dumps(layers[0]))
        tests["tests/test_lora.py"] = render("tests/test_lora.py.j2", lora)
    return tests


def _chat(package: str, tokenizer: AnyTokenizer) -> ChatTestView:
    if not isinstance(tokenizer, Trained):
        constants = Partial("tests/chat/any.py.j2", AnyTemplateView(_lines(EXAMPLE, BEGIN, END), _lines(EXAMPLE)))
        found = Partial("tests/chat/compared.py.j2", NoView())
        return _chat_view(package, EXAMPLE.special_tokens, EXAMPLE, (constants,), (found,))
    assert tokenizer.chat_template is not None  # a rule
    own = Partial("tests/chat/own.py.j2", NoView(), ("from {package}.tokenizer import ASSETS",))
    return _chat_view(package, tokenizer.specials(), CHAT_TEMPLATES[tokenizer.chat_template], (own,), ())


def _chat_view(
    package: str,
    special_tokens: Sequence[str],
    template: ChatTemplate,
    constants: tuple[Partial, ...],
    tests: tuple[Partial, ...],
) -> ChatTestView:
    needed = tuple(line for partial in (*constants, *tests) for line in partial.imports)
    return ChatTestView(
        header=HEADER,
        imports=script_imports(package, (*CHAT, *needed), BESIDE),
        special_tokens=json.dumps(special_tokens, ensure_ascii=False),
        end_of_turn=python_string(template.end_of_turn),
        constants=definitions(constants),
        definitions=definitions(tests),
    )


def _lines(template: ChatTemplate, *without: str) -> tuple[str, ...]:
    """Return the lines of a chat template as Python literals, less those that hold one of these tags only."""
    left_out = {tag.replace("{%", "{%-").replace("%}", "-%}") for tag in without}
    text = (templates_root() / template.path).read_text(encoding="utf-8")
    return tuple(python_string(line) for line in text.splitlines(keepends=True) if line.strip() not in left_out)
