"""GPT-2's `config.json`."""

from __future__ import annotations

from typing import ClassVar

from specc.interop.config import Given, HfConfig
from specc.interop.family import Reader, Values

ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu": "gelu"}


class Gpt2Reader(Reader):
    """GPT-2 in all sizes, and models with the same text."""

    model_type = "gpt2"
    neutral: ClassVar[frozenset[str]] = frozenset(
        {
            *("summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type"),
            # An older name of `n_positions`, and the order in which rounding happens.
            *("summary_use_proj", "n_ctx", "reorder_and_upcast_attn"),
        }
    )

    def values(self, config: HfConfig) -> Values:
        """Return what the spec's `model:` says."""
        config.expect("scale_attn_weights", True)
        config.expect("scale_attn_by_inverse_layer_idx", False)
        config.expect("add_cross_attention", False)
        width = config.size("n_embd", 768)
        return {
            "num_layers": config.size("n_layer", 12),
            "hidden_size": width,
            "num_heads": config.size("n_head", 12),
            "vocab_size": config.size("vocab_size", 50257),
            "max_seq_len": config.size("n_positions", 1024),
            "tie_embeddings": config.flag("tie_word_embeddings", True),
            "dropout.embedding": config.rate("embd_pdrop", 0.1),
            "dropout.attention": config.rate("attn_pdrop", 0.1),
            "dropout.residual": config.rate("resid_pdrop", 0.1),
            "attention.kind": Given("mha", "every GPT-2"),
            "attention.bias": Given("all", "every GPT-2"),
            "position.kind": Given("learned", "every GPT-2"),
            "ffn.activation": config.choice("activation_function", "gelu_new", ACTIVATIONS),
            "ffn.intermediate_size": config.size("n_inner", 4 * int(width.value)),
            "ffn.bias": Given(True, "every GPT-2"),
            "norm.kind": Given("layernorm", "every GPT-2"),
            "norm.eps": config.number("layer_norm_epsilon", 1e-5),
            "norm.bias": Given(True, "every GPT-2"),
            "init.kind": Given("gpt2", "every GPT-2"),
            "init.std": config.number("initializer_range", 0.02),
        }
