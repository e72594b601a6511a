"""Attention kinds: how many key/value heads there are, and what the cache of decoding costs."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field
from typing_extensions import override

from specc.catalog.base import (
    Dims,
    Kept,
    ModelParts,
    Parameter,
    Partial,
    Saved,
    Size,
    Variant,
    bias_argument,
    linear,
)
from specc.catalog.fields import key, only, planned, variants


class MultiHeadView(NamedTuple):
    """What `model/attention/multi_head.py.j2` says."""

    summary: str
    kv_width: str
    input_bias: str
    output_bias: str
    init: tuple[str, ...]
    query_key: tuple[str, ...]
    attend: tuple[str, ...]


class Attention(Variant):
    """What all softmax attention kinds share."""

    kind: str
    bias: Literal["none", "qkv", "all"] = key(
        "Which projections have a bias: none of them, query/key/value, or the output's too.",
        "none",
        reason="as in Llama; biases cost a read of memory and gain nothing measurable at scale",
    )
    qk_norm: Annotated[Literal["none"], planned("head", "full")] = key(
        "Normalisation of queries and keys.", "none", reason="as in Llama"
    )
    scale: Annotated[Any, only(None, "a custom attention scale")] = key(
        "Factor on the attention logits; null means 1 / sqrt(head_dim).", None, reason="Vaswani et al. 2017"
    )
    window: Annotated[Any, only(None, "sliding-window attention")] = key(
        "How many positions back a query sees; null means all.", None, reason="full causal attention"
    )
    softcap: Annotated[Any, only(None, "attention logit soft-capping")] = key(
        "Soft limit on attention logits.", None, reason="as in Llama"
    )
    clip_qkv: Annotated[Any, only(None, "QKV clipping")] = key(
        "Clamp on the projected queries, keys and values.", None, reason="as in Llama"
    )
    sinks: Annotated[Literal["none"], only("none", "attention sinks")] = key(
        "Logits or tokens that absorb attention.", "none", reason="as in Llama"
    )
    backend: Annotated[Literal["auto", "sdpa"], planned("eager", "flash", "xformers", "flex")] = key(
        "Which kernel computes attention.", "auto", reason="the planner picks one that this device has"
    )

    summary: ClassVar[str]
    kv_width: ClassVar[str]
    implied: ClassVar[tuple[tuple[str, str], ...]] = ()
    shared_heads: ClassVar[bool] = True

    @abstractmethod
    def fixed_kv_heads(self, num_heads: int) -> int | None:
        """Return the number of key/value heads where the kind fixes it, None where the user chooses."""

    @abstractmethod
    def sizes(self, dims: Dims) -> tuple[Size, ...]:
        """Return the fields of `Config` that this kind needs."""

    def parameters(self, dims: Dims) -> tuple[Parameter, ...]:
        """Return the tensors of one layer's `self_attn`."""
        inputs, output = self.bias != "none", self.bias == "all"
        return (
            *linear("q_proj", dims.hidden_size, dims.query_width, bias=inputs),
            *linear("k_proj", dims.hidden_size, dims.key_width, bias=inputs),
            *linear("v_proj", dims.hidden_size, dims.key_width, bias=inputs),
            *linear("o_proj", dims.query_width, dims.hidden_size, bias=output),
        )

    def core_flops(self, dims: Dims, length: int) -> int:
        """Return the forward FLOPs per token of QK^T and the weighted sum of V in one layer, causal at half."""
        return 2 * dims.query_width * length

    def saved(self, dims: Dims) -> tuple[Saved, ...]:
        """Return what one layer keeps for its backward pass, per token, with a flash kernel."""
        return (
            Saved("attention input", dims.hidden_size),
            Saved("queries", dims.query_width),
            Saved("keys", dims.key_width),
            Saved("values", dims.key_width),
            Saved("attention output", dims.query_width),
            Saved("softmax statistics", dims.num_heads, Kept.FP32),
        )

    def kv_elements(self, dims: Dims) -> int:
        """Return the elements that decoding caches per token and layer."""
        return 2 * dims.key_width

    def parts(self, dims: Dims, others: ModelParts) -> ModelParts:
        """Return the attention module; `others` are the parts of the position encoding and the backend."""
        view = MultiHeadView(
            summary=self.summary,
            kv_width=self.kv_width,
            input_bias=bias_argument(self.bias != "none"),
            output_bias=bias_argument(self.bias == "all"),
            init=others.attention_init,
            query_key=others.query_key,
            attend=others.attend,
        )
        partial = Partial("model/attention/multi_head.py.j2", view, ("from torch import Tensor, nn",))
        return ModelParts(partials=(partial,), sizes=self.sizes(dims), implied=self.implied)


def _head_dim(dims: Dims) -> Size:
    return Size("head_dim", dims.head_dim, "2 * draw(st.integers(1, 4))", 16)


class Mha(Attention):
    """Multi-head attention: every query head has key/value heads of its own (Vaswani et al. 2017)."""

    kind: Literal["mha"]
    summary = "Causal self-attention; every query head has its own key and value head."
    kv_width = "config.num_heads * config.head_dim"
    implied = (("num_kv_heads", "config.num_heads"),)
    shared_heads = False

    def fixed_kv_heads(self, num_heads: int) -> int:
        """Return one key/value head per query head."""
        return num_heads

    def sizes(self, dims: Dims) -> tuple[Size, ...]:
        """Return the number of heads and their width."""
        return (Size("num_heads", dims.num_heads, "draw(st.integers(1, 4))", 4), _head_dim(dims))


class Gqa(Attention):
    """Grouped-query attention: query heads share key/value heads in equal groups (Ainslie et al. 2023)."""

    kind: Literal["gqa"]
    summary = "Causal self-attention in which groups of query heads share a key and a value head."
    kv_width = "config.num_kv_heads * config.head_dim"

    @override
    def fixed_kv_heads(self, num_heads: int) -> None:
        """Return None: `num_kv_heads` says it."""

    def sizes(self, dims: Dims) -> tuple[Size, ...]:
        """Return the numbers of query and key/value heads and their width."""
        return (
            Size("num_heads", dims.num_heads, "2 * draw(st.integers(1, 3))", 4),
            Size(
                "num_kv_heads",
                dims.num_kv_heads,
                "draw(st.sampled_from([n for n in range(1, num_heads + 1) if num_heads % n == 0]))",
                2,
                f"each serves {dims.num_heads // dims.num_kv_heads} query heads",
            ),
            _head_dim(dims),
        )


class Mqa(Attention):
    """Multi-query attention: one key/value head serves all query heads (Shazeer 2019)."""

    kind: Literal["mqa"]
    summary = "Causal self-attention in which all query heads share one key and one value head."
    kv_width = "config.head_dim"
    implied = (("num_kv_heads", "1"),)

    @override
    def fixed_kv_heads(self, num_heads: int) -> int:
        """Return one key/value head."""
        return 1

    def sizes(self, dims: Dims) -> tuple[Size, ...]:
        """Return the number of query heads and their width."""
        return (Size("num_heads", dims.num_heads, "draw(st.integers(1, 4))", 4), _head_dim(dims))


AnyAttention = Annotated[Mha | Gqa | Mqa, Field(discriminator="kind"), variants(default="mha", planned=("mla",))]
