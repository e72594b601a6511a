"""Public families: which networks are equal to one, and their `config.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from specc.catalog.family import Family, family_of
from specc.interop import config_json, import_folder
from tests.test_interop import GPT2, LLAMA, holding, network


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_config_comes_back(tmp_path: Path, config: dict[str, Any]) -> None:
    imported = network(import_folder(holding(tmp_path, config)))
    written = config_json(imported)

    assert written is not None
    assert {key: value for key, value in config.items() if key in written and written[key] != value} == {}
    assert network(import_folder(holding(tmp_path, written))) == imported


def modelled(**changes: Any) -> Family | None:
    sizes = {"num_layers": 1, "hidden_size": 24, "num_heads": 4, "vocab_size": 9, "max_seq_len": 8}
    spec = {"specc": 1, "name": "tiny", "model": {**sizes, **changes}}
    return family_of(network(json.dumps(spec)))


GPT2_MODEL: dict[str, Any] = {
    "position": "learned",
    "norm": "layernorm",
    "attention": {"kind": "mha", "bias": "all"},
    "ffn": {"activation": "gelu_tanh", "bias": True},
}


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "Llama"),
        ({"attention": {"kind": "mqa", "bias": "all"}, "ffn": {"activation": "swiglu", "bias": True}}, "Llama"),
        ({"attention": {"kind": "mha", "bias": "qkv"}}, None),
        ({"position": "learned"}, None),
        ({"norm": "layernorm"}, None),
        ({"ffn": "gelu"}, None),
        (GPT2_MODEL, "GPT-2"),
        ({**GPT2_MODEL, "ffn": {"activation": "gelu", "bias": True}}, "GPT-2"),
        ({**GPT2_MODEL, "ffn": {"activation": "gelu", "bias": False}}, None),
        ({**GPT2_MODEL, "ffn": {"activation": "swiglu", "bias": True}}, None),
        ({**GPT2_MODEL, "attention": {"kind": "mqa", "bias": "all"}}, None),
        ({**GPT2_MODEL, "attention": {"kind": "mha", "bias": "qkv"}}, None),
        ({**GPT2_MODEL, "norm": {"kind": "layernorm", "bias": False}}, None),
        ({**GPT2_MODEL, "norm": "rmsnorm"}, None),
        ({**GPT2_MODEL, "position": "rope"}, None),
        ({**GPT2_MODEL, "head_dim": 8}, None),
    ],
)
def test_family_expresses_only_what_is_equal_to_it(changes: dict[str, Any], title: str | None) -> None:
    family = modelled(**changes)

    assert (family.title if family else None) == title
