"""`specc import`: a Hugging Face folder to the text of a spec."""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from specc.catalog.family import FAMILIES
from specc.catalog.tokenizer import TOKENS
from specc.diagnostics import CompileFailed, Diagnostic, Label, did_you_mean, listed, printable
from specc.interop import codes
from specc.interop.config import Given, HfConfig, Scalar, read_config
from specc.interop.family import Reader, Values
from specc.interop.gpt2 import Gpt2Reader
from specc.interop.llama import LlamaReader
from specc.spec.schema import IMPORTED_BY_OUTPUT, package_of

READERS: Mapping[str, Reader] = {reader.model_type: reader for reader in (LlamaReader(), Gpt2Reader())}
"""The reader of each family of the catalog."""

_LONGEST_NAME = 63
_COMMIT = re.compile("[0-9a-f]{40}")
# Words that YAML reads as other values than text.
_NO_TEXT = frozenset({"false", "null", "true"})
_SHOWN = 8


def import_folder(folder: Path) -> str:
    """Return the text of a spec for the model in a Hugging Face folder, and for its tokenizer where it has one.

    Raises:
        CompileFailed: The folder has no readable `config.json`, or it describes what a spec cannot say yet.
    """
    config = read_config(folder)
    reader = _reader(config)
    values = reader.read(config)
    if config.diagnostics:
        raise CompileFailed(config.diagnostics)
    name = _name(folder, config)
    lines = [
        *_heading(folder, reader, config),
        "specc: 1",
        f"name: {name}",
        "",
        "model:",
        *_model(values),
        *_tokenizer(folder),
    ]
    return "\n".join(lines) + "\n"


def _reader(config: HfConfig) -> Reader:
    """Return the reader of the folder's family."""
    found = config.get("model_type")
    if isinstance(found, str) and found in READERS:
        return READERS[found]
    families = [f"{family.title} (`{name}`)" for name, family in FAMILIES.items()]
    if not isinstance(found, str):
        message, help_text = "`model_type` is missing, so the family is unknown", f"families: {listed(list(READERS))}"
    else:
        message = f"`{printable(found)}` is no family that can be imported; {' and '.join(families)} can"
        help_text = did_you_mean(found, list(READERS), "families")
    raise CompileFailed(
        [Diagnostic(codes.FAMILY_UNKNOWN, message, "model_type", Label(config.span("model_type")), help=help_text)]
    )


def _heading(folder: Path, reader: Reader, config: HfConfig) -> Iterator[str]:
    """Yield what the spec says about itself."""
    title = FAMILIES[reader.model_type].title
    yield f"# {title}, imported from the config.json of {printable(folder.resolve().name)}."
    yield "# A comment names the key that a value came from; what is not here has specc's default."
    if unread := [printable(key) for key in config.unread() if config.values[key] is not None]:
        more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
        yield f"# Keys without a known meaning, not imported: {', '.join(unread[:_SHOWN])}{more}."


def _model(values: Values) -> Iterator[str]:
    """Yield the lines below `model:`, a section's keys indented under it, comments in one column."""
    lines = list(_lines(values))
    width = max(len(code) for code, _ in lines)
    for code, why in lines:
        yield f"{code.ljust(width)}  # {why}" if why else code


def _tokenizer(folder: Path) -> Iterator[str]:
    """Yield the section of the tokenizer in a folder, by the path that the user gave, where a spec can hold it."""
    path = str(folder)
    if (folder / TOKENS).is_file() and path.isprintable() and "${" not in path:
        yield ""
        # JSON's strings are YAML's too.
        yield f"tokenizer: {{kind: pretrained, path: {json.dumps(path, ensure_ascii=False)}}}"


def _lines(values: Values) -> Iterator[tuple[str, str]]:
    """Yield each line's YAML and its comment, sizes before sections."""
    seen = ""
    for path, given in sorted(values.items(), key=lambda item: "." in item[0]):
        section, _, key = path.rpartition(".")
        if section and section != seen:
            yield f"  {section}:", ""
        seen = section
        indent = "    " if section else "  "
        yield f"{indent}{key}: {_yaml(given)}", given.why


def _yaml(given: Given) -> str:
    """Return a value as YAML 1.2 has it; words are only ever our own."""
    if isinstance(given.value, bool):
        return str(given.value).lower()
    return _float(given.value) if isinstance(given.value, float) else str(given.value)


def _float(value: Scalar) -> str:
    """Return a number as a person would write it: `1e-5`, not `1e-05`."""
    mantissa, exponent, power = repr(value).partition("e")
    return f"{mantissa}e{int(power)}" if exponent else mantissa


def _name(folder: Path, config: HfConfig) -> str:
    """Return the folder's name as a project can have it, the model's own where the folder is a cached commit."""
    own = config.get("_name_or_path")
    names = [folder.resolve().name, Path(own).name if isinstance(own, str) else ""]
    if _COMMIT.fullmatch(names[0]) and names[1]:
        names.reverse()
    return _project_name(names)


def _project_name(names: Iterable[str]) -> str:
    for name in names:
        slug = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        if slug and not slug[0].isalpha():
            slug = f"model-{slug}"
        module = package_of(slug)
        taken = keyword.iskeyword(module) or module in sys.stdlib_module_names | IMPORTED_BY_OUTPUT | _NO_TEXT
        if slug:
            return (f"{slug}-model" if taken else slug)[:_LONGEST_NAME].strip("-")
    return "imported"
