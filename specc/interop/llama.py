"""Llama's `config.json`, as `transformers` 4 and 5 write it."""

from __future__ import annotations

from typing import ClassVar

from specc.interop.config import Given, HfConfig
from specc.interop.family import Reader, Values, attention

THETA = 10000.0


class LlamaReader(Reader):
    """Llama 1 and 2, Llama 3 without RoPE scaling, and models with the same text."""

    model_type = "llama"
    neutral: ClassVar[frozenset[str]] = frozenset({"pretraining_tp", "max_sequence_length"})

    def values(self, config: HfConfig) -> Values:
        """Return what the spec's `model:` says."""
        config.expect("sliding_window")
        config.expect("partial_rotary_factor", 1, 1.0)
        heads = config.size("num_attention_heads", 32)
        kv_heads = config.size("num_key_value_heads", int(heads.value))
        return {
            "num_layers": config.size("num_hidden_layers", 32),
            "hidden_size": config.size("hidden_size", 4096),
            "num_heads": heads,
            **attention(heads, kv_heads, config.flag("attention_bias", False)),
            **_head_dim(config),
            "vocab_size": config.size("vocab_size", 32000),
            "max_seq_len": config.size("max_position_embeddings", 2048),
            "tie_embeddings": config.flag("tie_word_embeddings", False),
            "dropout.attention": config.rate("attention_dropout", 0.0),
            "position.kind": Given("rope", "every Llama"),
            "position.theta": _theta(config),
            "ffn.activation": config.choice("hidden_act", "silu", {"silu": "swiglu"}),
            "ffn.intermediate_size": config.size("intermediate_size", 11008),
            "ffn.bias": config.flag("mlp_bias", False),
            "norm.kind": Given("rmsnorm", "every Llama"),
            "norm.eps": config.number("rms_norm_eps", 1e-6),
            "init.kind": Given("normal", "every Llama"),
            "init.std": config.number("initializer_range", 0.02),
        }


def _head_dim(config: HfConfig) -> Values:
    """Return the width of a head where the file has it; it follows from the others where not."""
    return {} if config.get("head_dim") is None else {"head_dim": config.size("head_dim", 128)}


def _theta(config: HfConfig) -> Given:
    """Return the base of the rotation: inside of `rope_parameters` since version 5, beside `rope_scaling` before."""
    theta = config.number("rope_theta", THETA)
    _expect_unscaled(config, "rope_scaling")
    parameters = config.get("rope_parameters")
    if isinstance(parameters, dict):
        _expect_unscaled(config, "rope_parameters")
        inner = HfConfig(config.source, parameters, {"rope_theta": config.span("rope_parameters")})
        if inner.get("rope_theta") is not None:
            theta = Given(inner.number("rope_theta", THETA).value, "rope_parameters.rope_theta")
        config.diagnostics += inner.diagnostics
    elif parameters is not None:
        config.expect("rope_parameters")
    return theta


def _expect_unscaled(config: HfConfig, key: str) -> None:
    """Refuse rotary parameters beyond theta: any other entry bends the wavelengths or says how."""
    found = config.get(key)
    if found is None:
        return
    entries = found if isinstance(found, dict) else {"rope_type": found}
    neutral = {"rope_type": "default", "type": "default", "rope_theta": entries.get("rope_theta")}
    neutral |= {"partial_rotary_factor": 1.0}
    if any(value is not None and neutral.get(name) != value for name, value in entries.items()):
        config.refuse(key, f"`{key}` scales the rotation, which a spec cannot say yet")
