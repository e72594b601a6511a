"""Free text of a spec stays text: no field breaks out of the code, the comments or the pages that quote it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from specc.diagnostics import CompileFailed
from specc.emit.assemble import emit
from specc.plan import plan
from specc.resolve import resolve
from specc.spec.load import load_text
from specc.spec.schema import package_of
from specc.verify.static import verify_static
from tests.emitted import compiled, decide
from tests.spec_space import LLAMA, SpecValues

HOSTILE = (
    "{{ v.header }}{% raw %}{# #}",
    '"""\nimport os\nos.abort()\n"""',
    "'); import os #\\",
    "\n\r\t\x1b[31m\u2028",
    "%s {0} {name!r} \\N{DASH}",
)


def constants(text: str) -> dict[str, Any]:
    """Return the literals that a module assigns at its top."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def calls(text: bytes) -> Iterator[dict[str | None, Any]]:
    """Yield the literals that each call in a module names."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            literals = (keyword for keyword in node.keywords if isinstance(keyword.value, (ast.Constant, ast.List)))
            yield {keyword.arg: ast.literal_eval(keyword.value) for keyword in literals}


@pytest.mark.parametrize("text", HOSTILE)
def test_free_text_arrives_as_it_was_written(text: str) -> None:
    source = {"name": text, "path": text, "license": text}
    tokens = {"eos": text, "pad": f"{text}!"}
    tokenizer = {"kind": "bpe", "special_tokens": tokens}
    data = {"sources": [source], "validation": {"fraction": 0.1}}
    files = compiled({**LLAMA, "data": data, "tokenizer": tokenizer})
    package = package_of(LLAMA["name"])

    verify_static(files)
    (written,) = (call for call in calls(files[f"{package}/documents.py"]) if "license" in call)
    assert written == {**source, "format": "text"}
    assert constants(files[f"{package}/tokenizer.py"].decode())["EOS"] == text
    special = [call["special_tokens"] for call in calls(files["train_tokenizer.py"]) if "special_tokens" in call]
    assert special == [list(tokens.values())]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_name_of_a_device_is_a_name(text: str) -> None:
    gpu: SpecValues = {"memory": "96GiB", "memory_bandwidth": "4TB/s", "tflops": {"bf16": 800}}
    decide({**LLAMA, "cluster": {"gpu": {**gpu, "name": "X1 (96 GiB)"}}})
    with pytest.raises(CompileFailed):
        decide({**LLAMA, "cluster": {"gpu": {**gpu, "name": text}}})


@pytest.mark.parametrize("text", HOSTILE)
def test_the_name_of_the_file_stays_in_its_comment(text: str) -> None:
    spec = "specc: 1\nname: tiny\nmodel: {num_layers: 1, hidden_size: 8, num_heads: 2, vocab_size: 9}\n"
    decided = plan(resolve(load_text(spec, f"a{text}.yaml")))
    written = emit(decided, spec)["spec.resolved.yaml"].decode()
    assert load_text(written, "again.yaml").spec.name == "tiny"
