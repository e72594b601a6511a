"""Public model families: which networks they can express, how their `config.json` and their tensors say it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from specc.catalog.base import Partial
from specc.catalog.ffn import Gelu, GeluTanh, PlainFfn, Swiglu
from specc.catalog.model import Network
from specc.catalog.norm import LayerNorm, RMSNorm
from specc.catalog.position import Learned, Rope


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a family's `config.json`.

    Attributes:
        key: The family's name for it.
        value: This network's value.
        expression: The same in an emitted module, over `config` and the constants of `model.py`.
        constants: The constants of `model.py` that the expression reads.
    """

    key: str
    value: object
    expression: str
    constants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """How an emitted module turns tensors of one naming into the other.

    Attributes:
        ours: Expression over `model`, a family's, that gives our tensors by name.
        theirs: Expression over `ours`, an emitted model's tensors by name.
        beside: Statements that write what stands beside the weights in `folder`.
        partials: Definitions that all of these call.
    """

    ours: str
    theirs: str
    beside: tuple[str, ...] = ()
    partials: tuple[Partial, ...] = ()


class Family(ABC):
    """A model of the `transformers` library that some networks are equal to.

    Attributes:
        model_type: What `config.json` calls it.
        title: What people call it.
        config_class: The library's class of its sizes.
        model_class: The library's class of its language model.
        blocks: Where its language model has the list of its blocks.
        buffers: Ends of the names of tensors that old versions saved, though they are computed.
        names: Parts of its tensor names and what stands for them in ours, to be replaced in this order.
    """

    model_type: str
    title: str
    config_class: str
    model_class: str
    blocks: str
    buffers: ClassVar[tuple[str, ...]] = ()
    names: ClassVar[Mapping[str, str]] = {}

    @property
    def imports(self) -> tuple[str, ...]:
        """Return the import of its two classes, as an emitted module of the package writes it."""
        return (f"from transformers import {self.config_class}, {self.model_class}",)

    @abstractmethod
    def expresses(self, network: Network) -> bool:
        """Return whether the family computes the same function, given the same tensors."""

    @abstractmethod
    def architecture(self, network: Network) -> tuple[Setting, ...]:
        """Return the keys that decide the function; two models with other values are not the same."""

    @abstractmethod
    def habits(self, network: Network) -> tuple[Setting, ...]:
        """Return the keys that only training reads, or that a folder may say in several ways."""

    @abstractmethod
    def conversion(self) -> Conversion:
        """Return how tensors are converted in both directions."""


def _size(key: str, network: Network, name: str, expression: str | None = None) -> Setting:
    return Setting(key, getattr(network.dims, name), expression or f"config.{name}")


def _fixed(key: str, value: object) -> Setting:
    return Setting(key, value, repr(value) if not isinstance(value, str) else f'"{value}"')


def _dropout(key: str, constant: str, rate: float) -> Setting:
    """Return a rate of dropout; `model.py` has no constant for zero."""
    return Setting(key, rate, constant, (constant,)) if rate else Setting(key, 0.0, "0.0")


def _shared(network: Network) -> tuple[Setting, ...]:
    """Return the keys that all families have under the same name."""
    return (
        _size("vocab_size", network, "vocab_size"),
        _fixed("tie_word_embeddings", network.tie_embeddings),
    )


class Llama(Family):
    """Llama 1 and 2, Llama 3 without RoPE scaling, and what others trained with the same text (Touvron et al. 2023)."""

    model_type = "llama"
    title = "Llama"
    config_class = "LlamaConfig"
    model_class = "LlamaForCausalLM"
    blocks = "model.layers"
    buffers = (".rotary_emb.inv_freq",)

    def expresses(self, network: Network) -> bool:
        """Return whether it is RMSNorm, RoPE, SwiGLU, and biases on all attention projections or none."""
        return (
            isinstance(network.norm, RMSNorm)
            and isinstance(network.position, Rope)
            and isinstance(network.ffn, Swiglu)
            and network.attention.bias in ("none", "all")
        )

    def architecture(self, network: Network) -> tuple[Setting, ...]:
        """Return sizes, RoPE, biases and the norm's epsilon."""
        kv_heads = dict(network.attention.implied).get("num_kv_heads")
        theta = getattr(network.position, "theta", None)
        return (
            *_shared(network),
            _size("max_position_embeddings", network, "max_seq_len"),
            _size("num_hidden_layers", network, "num_layers"),
            _size("hidden_size", network, "hidden_size"),
            _size("intermediate_size", network, "intermediate_size"),
            _size("num_attention_heads", network, "num_heads"),
            _size("num_key_value_heads", network, "num_kv_heads", kv_heads),
            _size("head_dim", network, "head_dim"),
            _fixed("hidden_act", "silu"),
            _fixed("attention_bias", network.attention.bias == "all"),
            _fixed("mlp_bias", network.ffn.bias),
            Setting(
                "rope_parameters",
                {"rope_type": "default", "rope_theta": theta},
                '{"rope_type": "default", "rope_theta": ROPE_THETA}',
                ("ROPE_THETA",),
            ),
            Setting("rms_norm_eps", network.norm.eps, "NORM_EPS", ("NORM_EPS",)),
        )

    def habits(self, network: Network) -> tuple[Setting, ...]:
        """Return dropout and the scale of initial weights; Llama has dropout in attention only."""
        return (
            _dropout("attention_dropout", "ATTENTION_DROPOUT", network.dropout.attention),
            Setting("initializer_range", network.init.std, "INIT_STD", ("INIT_STD",)),
        )

    def conversion(self) -> Conversion:
        """Return nothing to do: its names are ours."""
        return Conversion(ours="tensors_of(model)", theirs="ours")


@dataclass(frozen=True, slots=True)
class Renamed:
    """A name, or a part of a tensor's name, on both sides."""

    theirs: str
    ours: str


@dataclass(frozen=True, slots=True)
class Gpt2NamesView:
    """What `convert/gpt2.py.j2` says."""

    names: tuple[Renamed, ...]


class Gpt2(Family):
    """GPT-2 (Radford et al. 2019), whose projections are Conv1D modules with weights [in, out]."""

    model_type = "gpt2"
    title = "GPT-2"
    config_class = "GPT2Config"
    model_class = "GPT2LMHeadModel"
    blocks = "transformer.h"
    buffers = (".attn.bias", ".attn.masked_bias")
    names: ClassVar[Mapping[str, str]] = {
        "transformer.wte.": "model.embed_tokens.",
        "transformer.wpe.": "model.embed_positions.",
        "transformer.ln_f.": "model.norm.",
        "transformer.h.": "model.layers.",
        ".ln_1.": ".input_layernorm.",
        ".attn.c_attn.": ".self_attn.qkv_proj.",
        ".attn.c_proj.": ".self_attn.o_proj.",
        ".ln_2.": ".post_attention_layernorm.",
        ".mlp.c_fc.": ".mlp.up_proj.",
        ".mlp.c_proj.": ".mlp.down_proj.",
    }
    activations: ClassVar[Mapping[type[PlainFfn], str]] = {GeluTanh: "gelu_new", Gelu: "gelu"}

    def expresses(self, network: Network) -> bool:
        """Return whether it is LayerNorm, learned positions, GELU and biases everywhere, heads as wide as the model."""
        dims = network.dims
        return (
            isinstance(network.norm, LayerNorm)
            and network.norm.bias
            and isinstance(network.position, Learned)
            and type(network.ffn) in self.activations
            and network.ffn.bias
            and network.attention.bias == "all"
            and not network.attention.shared_heads
            and dims.query_width == dims.hidden_size
        )

    def architecture(self, network: Network) -> tuple[Setting, ...]:
        """Return sizes, the activation, the scale of attention and the norm's epsilon."""
        activation = next(name for kind, name in self.activations.items() if isinstance(network.ffn, kind))
        return (
            *_shared(network),
            _size("n_positions", network, "max_seq_len"),
            _size("n_layer", network, "num_layers"),
            _size("n_embd", network, "hidden_size"),
            _size("n_head", network, "num_heads"),
            _fixed("activation_function", activation),
            _fixed("scale_attn_weights", True),
            _fixed("scale_attn_by_inverse_layer_idx", False),
            Setting("layer_norm_epsilon", network.norm.eps, "NORM_EPS", ("NORM_EPS",)),
        )

    def habits(self, network: Network) -> tuple[Setting, ...]:
        """Return the inner width, which folders leave out where it is four times the model's, and dropout."""
        dropout = network.dropout
        return (
            _size("n_inner", network, "intermediate_size"),
            _dropout("embd_pdrop", "EMBEDDING_DROPOUT", dropout.embedding),
            _dropout("attn_pdrop", "ATTENTION_DROPOUT", dropout.attention),
            _dropout("resid_pdrop", "RESIDUAL_DROPOUT", dropout.residual),
            Setting("initializer_range", network.init.std, "INIT_STD", ("INIT_STD",)),
        )

    def conversion(self) -> Conversion:
        """Return renaming, transposition, and the split of the fused query, key and value projection."""
        view = Gpt2NamesView(tuple(Renamed(theirs, ours) for theirs, ours in self.names.items()))
        partial = Partial("convert/gpt2.py.j2", view, ("import torch", "from torch import Tensor"))
        return Conversion("to_ours(tensors_of(model))", "to_theirs(ours)", partials=(partial,))


FAMILIES: Mapping[str, Family] = {family.model_type: family for family in (Llama(), Gpt2())}
"""Every family by what `config.json` calls it."""


def family_of(network: Network) -> Family | None:
    """Return the family that this network is equal to, if there is one."""
    return next((family for family in FAMILIES.values() if family.expresses(network)), None)
