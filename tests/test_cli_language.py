"""The commands about the language itself: explain, schema."""

from __future__ import annotations

import pytest

from specc.diagnostics import EXPLANATIONS
from specc.spec.describe import describe, paths
from tests.command_line import run


def test_explain_every_code() -> None:
    for code, page in EXPLANATIONS.items():
        ended = run("explain", code)
        assert ended.code == 0
        assert page in ended.err


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("model.num_heads", ["Number of query heads", "a whole number", "it must be given"]),
        ("num_heads", ["model.num_heads"]),
        ("kind", ["model.attention.kind", "train.optimizer.kind"]),
        ("model.attention", ["mha: Multi-head attention", "gqa: Grouped-query"]),
        ("model.norm.eps", ["`1e-05` (as in Llama 2 and 3)"]),
        ("model.head_dim", ["derived from other keys"]),
        ("data.sources.path", ["sources:\n      - path: "]),
    ],
)
def test_explain_a_key(topic: str, words: list[str]) -> None:
    ended = run("explain", topic)

    assert ended.code == 0
    assert [word for word in words if word not in ended.err] == []


def test_explain_something_unknown() -> None:
    ended = run("explain", "num_hedas")

    assert ended.code == 1
    assert "did you mean `num_heads`?" in ended.err


def test_every_key_has_a_page() -> None:
    for path in paths():
        page = describe(path)
        assert page is not None
        assert page.meaning
        assert page.values
        assert page.example.splitlines()[-1].strip()


def test_schema_knows_short_forms() -> None:
    schema = run("schema").json()
    model = schema["$defs"]["Model"]["properties"]

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"type": "string", "enum": ["gqa", "mha", "mqa"]} in model["attention"]["anyOf"]
    assert {option["type"] for option in model["num_layers"]["anyOf"]} == {"integer", "string"}
    assert model["moe"]["const"] is None
    assert schema["$defs"]["Mha"]["required"] == []
    assert schema["$defs"]["Gqa"]["required"] == ["kind"]
    assert "extends" in schema["properties"]
