"""`specc import`: a Hugging Face `config.json` to a spec, and a network back; text only, nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.catalog.family import FAMILIES
from specc.catalog.model import Network
from specc.diagnostics import CompileFailed, Diagnostic
from specc.interop import import_folder
from specc.interop.folder import READERS
from specc.resolve import resolve
from specc.spec import load_text

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 101,
    "hidden_size": 48,
    "intermediate_size": 77,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 33,
    "rms_norm_eps": 1e-06,
    "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
    "attention_bias": False,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "transformers_version": "5.23.0",
}

GPT2: dict[str, Any] = {
    "model_type": "gpt2",
    "vocab_size": 101,
    "n_embd": 48,
    "n_layer": 3,
    "n_head": 6,
    "n_positions": 33,
    "n_ctx": 33,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-05,
    "embd_pdrop": 0.0,
    "summary_type": "cls_index",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with a name that can be a project's."""
    folder = tmp_path / "tiny-model"
    folder.mkdir()
    return folder


def holding(folder: Path, config: Mapping[str, Any], **changes: Any) -> Path:
    """Write a `config.json`, one key a line."""
    (folder / "config.json").write_text(json.dumps({**config, **changes}, indent=2), encoding="utf-8")
    return folder


def network(text: str) -> Network:
    return resolve(load_text(text, "spec.yaml")).network


def refused(folder: Path) -> list[Diagnostic]:
    with pytest.raises(CompileFailed) as caught:
        import_folder(folder)
    return list(caught.value.diagnostics)


def test_every_family_has_a_reader() -> None:
    assert READERS.keys() == FAMILIES.keys()


def test_llama_is_imported(folder: Path) -> None:
    text = import_folder(holding(folder, LLAMA))
    spec = load_text(text, "spec.yaml").spec
    model = spec.model

    assert spec.name == "tiny-model"
    assert (model.num_layers, model.hidden_size, model.num_heads, model.num_kv_heads) == (3, 48, 6, 2)
    assert (model.vocab_size, model.max_seq_len, model.tie_embeddings) == (101, 33, True)
    assert (model.attention.kind, model.attention.bias) == ("gqa", "none")
    assert model.position.model_dump()["theta"] == 500000.0
    assert (model.ffn.activation, model.ffn.intermediate_size, model.ffn.bias) == ("swiglu", 77, False)
    assert (model.norm.kind, model.norm.eps) == ("rmsnorm", 1e-6)


def test_gpt2_is_imported(folder: Path) -> None:
    model = load_text(import_folder(holding(folder, GPT2, n_inner=50)), "spec.yaml").spec.model

    assert (model.num_layers, model.hidden_size, model.num_heads) == (3, 48, 6)
    assert (model.vocab_size, model.max_seq_len, model.tie_embeddings) == (101, 33, True)
    assert (model.attention.kind, model.attention.bias, model.position.kind) == ("mha", "all", "learned")
    assert (model.ffn.activation, model.ffn.intermediate_size, model.ffn.bias) == ("gelu_tanh", 50, True)
    assert (model.norm.kind, model.norm.eps, model.init.kind) == ("layernorm", 1e-5, "gpt2")
    assert (model.dropout.embedding, model.dropout.attention, model.dropout.residual) == (0.0, 0.1, 0.1)


@pytest.mark.parametrize(
    ("changes", "kind", "bias", "kv_heads"),
    [
        ({"num_key_value_heads": 6}, "mha", "none", 6),
        ({"num_key_value_heads": None}, "mha", "none", 6),
        ({"num_key_value_heads": 1, "attention_bias": True}, "mqa", "all", 1),
        ({"num_key_value_heads": 3, "attention_bias": True}, "gqa", "all", 3),
        ({"num_key_value_heads": 1, "num_attention_heads": 1}, "mha", "none", 1),
    ],
)
def test_heads_and_biases_choose_the_attention(
    folder: Path, changes: dict[str, Any], kind: str, bias: str, kv_heads: int
) -> None:
    imported = network(import_folder(holding(folder, LLAMA, **changes)))

    assert (imported.attention.kind, imported.attention.bias) == (kind, bias)
    assert imported.dims.num_kv_heads == kv_heads


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_parameters": {"rope_theta": 37.0, "rope_type": "default"}},
        {"rope_parameters": {"rope_theta": 37, "rope_type": "default", "factor": None}},
        {"rope_parameters": None, "rope_theta": 37.0, "rope_scaling": None},
        {"rope_parameters": None, "rope_theta": 37, "rope_scaling": {"type": "default"}},
        {"rope_parameters": {"rope_type": "default"}, "rope_theta": 37.0},
    ],
)
def test_theta_is_found_where_any_version_wrote_it(folder: Path, rope: dict[str, Any]) -> None:
    assert "theta: 37.0 " in import_folder(holding(folder, LLAMA, **rope))


@pytest.mark.parametrize(
    ("config", "key", "value", "code"),
    [
        (LLAMA, "rope_scaling", {"rope_type": "llama3", "factor": 8.0}, "hf-not-expressible"),
        (LLAMA, "rope_scaling", {"type": "linear", "factor": 2.0}, "hf-not-expressible"),
        (LLAMA, "rope_scaling", "dynamic", "hf-not-expressible"),
        (LLAMA, "rope_parameters", {"rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0}, "hf-not-expressible"),
        (LLAMA, "rope_parameters", {"rope_theta": 1e4, "partial_rotary_factor": 0.5}, "hf-not-expressible"),
        (LLAMA, "rope_parameters", {"rope_theta": "1e4"}, "hf-value-invalid"),
        (LLAMA, "rope_parameters", [1], "hf-not-expressible"),
        (LLAMA, "partial_rotary_factor", 0.5, "hf-not-expressible"),
        (LLAMA, "sliding_window", 1024, "hf-not-expressible"),
        (LLAMA, "hidden_act", "gelu", "hf-not-expressible"),
        (LLAMA, "hidden_act", 3, "hf-not-expressible"),
        (LLAMA, "quantization_config", {"bits": 4}, "hf-not-expressible"),
        (LLAMA, "auto_map", {"AutoModel": "model.Mine"}, "hf-not-expressible"),
        (LLAMA, "vocab_size", "101", "hf-value-invalid"),
        (LLAMA, "vocab_size", 0, "hf-value-invalid"),
        (LLAMA, "vocab_size", 1.5, "hf-value-invalid"),
        (LLAMA, "vocab_size", True, "hf-value-invalid"),
        (LLAMA, "attention_bias", 1, "hf-value-invalid"),
        (LLAMA, "rms_norm_eps", float("nan"), "hf-value-invalid"),
        (LLAMA, "rms_norm_eps", 10**400, "hf-value-invalid"),
        (LLAMA, "attention_dropout", 1.0, "hf-value-invalid"),
        (GPT2, "activation_function", "relu", "hf-not-expressible"),
        (GPT2, "scale_attn_weights", False, "hf-not-expressible"),
        (GPT2, "scale_attn_weights", 1, "hf-not-expressible"),
        (GPT2, "scale_attn_by_inverse_layer_idx", True, "hf-not-expressible"),
        (GPT2, "add_cross_attention", True, "hf-not-expressible"),
        (GPT2, "n_inner", -1, "hf-value-invalid"),
    ],
)
def test_what_a_spec_cannot_say_is_refused_at_its_line(
    folder: Path, config: dict[str, Any], key: str, value: object, code: str
) -> None:
    holding(folder, config, **{key: value})
    (diagnostic,) = refused(folder)
    line = diagnostic.primary.span.source.line(diagnostic.primary.span.line)

    assert diagnostic.code == code
    assert f"`{key}`" in diagnostic.message or "rope_theta" in diagnostic.message
    assert line.startswith(f'  "{key}"')


def test_all_problems_are_found_at_once(folder: Path) -> None:
    holding(folder, LLAMA, sliding_window=8, hidden_act="relu", vocab_size=-1)

    assert {diagnostic.path for diagnostic in refused(folder)} == {"sliding_window", "hidden_act", "vocab_size"}


def test_unknown_family_lists_the_known_ones(folder: Path) -> None:
    (diagnostic,) = refused(holding(folder, {"model_type": "lama"}))

    assert diagnostic.code == "hf-family-unknown"
    assert all(name in diagnostic.message for name in FAMILIES)
    assert diagnostic.help == "did you mean `llama`?"
    assert diagnostic.primary.span.line == 2


@pytest.mark.parametrize("value", [None, 3, ["llama"], {}])
def test_missing_family_is_refused(folder: Path, value: object) -> None:
    assert [found.code for found in refused(holding(folder, {"model_type": value}))] == ["hf-family-unknown"]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "hf-config-unreadable", 1),
        (b'{\n  "model_type": "llama",\n  "vocab_size": ,\n}', "hf-config-unreadable", 3),
        (b"[]", "hf-config-unreadable", 1),
        (b"specc: 1\n", "hf-config-unreadable", 1),
        (b"[" * 100_000, "hf-config-unreadable", 1),
        (b'{"vocab_size": 1' + b"0" * 5000 + b"}", "hf-config-unreadable", 1),
        (b'{"model_type": "\xff"}', "not-utf8", 1),
        (b" " * (2**20 + 1), "file-too-large", 1),
    ],
)
def test_broken_file_is_refused(folder: Path, content: bytes, code: str, line: int) -> None:
    (folder / "config.json").write_bytes(content)
    (diagnostic,) = refused(folder)

    assert (diagnostic.code, diagnostic.primary.span.line) == (code, line)


@pytest.mark.parametrize("name", ["", "missing", "file"])
def test_folder_without_config_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    assert [found.code for found in refused(tmp_path / name)] == ["hf-config-unreadable"]


def test_tabs_and_escapes_are_json(folder: Path) -> None:
    text = json.dumps({**LLAMA, "note": "\U0001f999 \t /", "sliding_window": 1}, indent="\t").replace("/", "\\/")
    (folder / "config.json").write_text(text, encoding="utf-8")
    (diagnostic,) = refused(folder)

    assert diagnostic.primary.span.source.line(diagnostic.primary.span.line) == '\t"sliding_window": 1'


def test_unknown_keys_are_named_and_harmless(folder: Path) -> None:
    plain = import_folder(holding(folder, LLAMA))
    odd = import_folder(holding(folder, LLAMA, **{"x\nname: evil\u202e": 1, "mystery": 2, "empty": None}))

    assert "not imported: x\\nname: evil\\u202e, mystery." in odd
    assert network(odd) == network(plain)
    assert "not imported" not in plain


@pytest.mark.parametrize(
    ("folder_name", "path", "expected"),
    [
        ("Meta-Llama-3-8B", None, "meta-llama-3-8b"),
        ("my_model.v2", None, "my-model-v2"),
        ("13b", None, "model-13b"),
        ("torch", None, "torch-model"),
        ("class", None, "class-model"),
        ("null", None, "null-model"),
        ("___", None, "imported"),
        ("x" * 90, None, "x" * 63),
        ("a" * 40, "openai-community/gpt2", "gpt2"),
        ("a" * 40, None, "a" * 40),
        ("fine-tuned", "openai-community/gpt2", "fine-tuned"),
        ("a: {b}\n#", None, "a-b"),
    ],
)
def test_name_follows_the_folder(tmp_path: Path, folder_name: str, path: str | None, expected: str) -> None:
    folder = tmp_path / folder_name
    folder.mkdir()
    text = import_folder(holding(folder, LLAMA, _name_or_path=path))

    assert load_text(text, "spec.yaml").spec.name == expected


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


@given(config=st.sampled_from([LLAMA, GPT2]), changes=st.data())
def test_any_value_is_imported_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], changes: st.DataObject
) -> None:
    """No value of any key raises anything but a diagnostic, and what is imported is a spec."""
    keys = [key for key in config if key != "model_type"] + ["rope_scaling", "head_dim", "other"]
    drawn = changes.draw(st.dictionaries(st.sampled_from(keys), ANY_JSON, max_size=3))
    folder = holding(tmp_path_factory.mktemp("any"), config, **drawn)
    try:
        text = import_folder(folder)
    except CompileFailed as failed:
        assert {found.path for found in failed.diagnostics} <= {*drawn, "rope_theta"}
    else:
        load_text(text, "spec.yaml")
