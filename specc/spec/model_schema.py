"""The `model:` section: sizes, and one choice on every axis."""

from typing import Annotated, Any, Literal

from pydantic import model_validator

from specc.catalog.attention import AnyAttention, Gqa, Mha
from specc.catalog.block import Dropout
from specc.catalog.ffn import AnyFfn, Swiglu
from specc.catalog.fields import Count, Section, key, only, planned
from specc.catalog.init import AnyInit, Normal
from specc.catalog.norm import AnyNorm, RMSNorm
from specc.catalog.position import AnyPosition, Rope


class Embedding(Section):
    """What happens to token embeddings before the first block."""

    scale: Annotated[Any, only(None, "embedding scale")] = key("Factor on the embeddings.", None, reason="as in Llama")
    norm: Annotated[Any, only(False, "embedding norm")] = key("Norm after the embeddings.", False, reason="as in Llama")
    token_types: Annotated[Any, only(0, "token types")] = key("Number of segment ids.", 0, reason="as in Llama")


class Head(Section):
    """From hidden states to logits."""

    bias: Annotated[Any, only(False, "a head with bias")] = key("Bias of the LM head.", False, reason="as in Llama")
    softcap: Annotated[Any, only(None, "logit soft-capping")] = key("Soft limit on logits.", None, reason="as in Llama")
    z_loss: Annotated[Any, only(0.0, "z-loss")] = key("Weight of the z-loss.", 0.0, reason="as in Llama")
    pad_vocab_to: Annotated[Any, only(None, "vocabulary padding")] = key(
        "Multiple to which the embedding rows are padded.", None, reason="no padding rows"
    )


class Parametrization(Section):
    """How learning rates and initial scales depend on the width."""

    kind: Annotated[Literal["standard"], planned("mup")] = key("Which rules.", "standard", reason="PyTorch's own")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value


class Model(Section):
    """The network: sizes, and one choice on every axis."""

    architecture: Annotated[Literal["decoder"], planned("encoder", "encoder_decoder")] = key(
        "The family of networks.", "decoder", reason="a language model that generates"
    )
    num_layers: Count = key("Number of blocks.")
    hidden_size: Count = key("Width of the residual stream.")
    num_heads: Count = key("Number of query heads.")
    num_kv_heads: Count | None = key("Number of key/value heads; grouped-query attention only.", None)
    head_dim: Count | None = key("Width of one head.", None)
    vocab_size: Count | None = key("Number of tokens in the vocabulary.", None)
    max_seq_len: Count | None = key("Longest sequence, in tokens.", None)
    tie_embeddings: bool = key(
        "Whether the LM head is the embedding table.",
        False,
        reason="as in Llama 7B and larger; small models gain from true",
    )
    dropout: Dropout = key(
        "Rates of dropout.", Dropout.model_construct(), reason="one pass over the data does not overfit"
    )
    embedding: Embedding = key("What happens to token embeddings.", Embedding.model_construct(), reason="as in Llama")
    head: Head = key("From hidden states to logits.", Head.model_construct(), reason="as in Llama")
    attention: AnyAttention = key("How tokens read each other.", Mha.default(), reason="each head its own keys")
    position: AnyPosition = key("How order is told.", Rope.default(), reason="what most open decoders use")
    ffn: AnyFfn = key("The feed-forward network.", Swiglu.default(), reason="what most open decoders use")
    norm: AnyNorm = key("The normalisation.", RMSNorm.default(), reason="what most open decoders use")
    parallel_block: Annotated[Any, only(False, "a parallel block")] = key(
        "Whether attention and FFN read the same input.", False, reason="as in Llama"
    )
    blocks: Annotated[Any, only(None, "named blocks")] = key("Blocks that differ.", None, reason="all blocks alike")
    pattern: Annotated[Any, only(None, "a block pattern")] = key("Order of blocks.", None, reason="all blocks alike")
    moe: Annotated[Any, only(None, "mixture of experts")] = key("Experts.", None, reason="a dense model")
    encoder: Annotated[Any, only(None, "an encoder")] = key(
        "What differs in the encoder.", None, reason="a decoder only"
    )
    mtp: Annotated[Any, only(None, "multi-token prediction")] = key("Further heads.", None, reason="one token ahead")
    init: AnyInit = key("How weights start.", Normal.default(), reason="as in Llama")
    parametrization: Parametrization = key("Width rules.", Parametrization.model_construct(), reason="PyTorch's own")

    @model_validator(mode="before")
    @classmethod
    def _attention_kind(cls, value: object) -> object:
        """Read `num_kv_heads` without a kind as grouped-query attention."""
        if not isinstance(value, dict) or value.get("num_kv_heads") is None:
            return value
        attention = value.get("attention", {})
        if isinstance(attention, dict) and "kind" not in attention:
            return {**value, "attention": {"kind": Gqa.default().kind, **attention}}
        return value
