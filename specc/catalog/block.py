"""How attention and feed-forward network are wired into a block, and where dropout stands."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import model_validator

from specc.catalog.base import Constant, Dims, Kept, ModelParts, Parameter, Partial, Saved
from specc.catalog.fields import Section, key
from specc.catalog.norm import Norm


class Dropout(Section):
    """Rates of dropout in training; a number sets all three."""

    embedding: float = key("After the embeddings.", 0.0, reason="one pass over the data does not overfit", ge=0, lt=1)
    attention: float = key("On attention weights.", 0.0, reason="one pass over the data does not overfit", ge=0, lt=1)
    residual: float = key(
        "On what each branch adds to the residual.",
        0.0,
        reason="one pass over the data does not overfit",
        ge=0,
        lt=1,
    )

    @model_validator(mode="before")
    @classmethod
    def _one_rate(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"embedding": float(value), "attention": float(value), "residual": float(value)}
        return value

    def parts(self) -> ModelParts:
        """Return the rates in use as constants, and dropout of the embeddings."""
        rates = {
            "EMBEDDING_DROPOUT": self.embedding,
            "ATTENTION_DROPOUT": self.attention,
            "RESIDUAL_DROPOUT": self.residual,
        }
        constants = tuple(Constant(name, rate) for name, rate in rates.items() if rate)
        if not self.embedding:
            return ModelParts(constants=constants)
        return ModelParts(
            constants=constants,
            decoder_init=("self.dropout = nn.Dropout(EMBEDDING_DROPOUT)",),
            embedded=("x = self.dropout(x)",),
        )

    def saved(self, dims: Dims) -> tuple[Saved, ...]:
        """Return the masks that one layer keeps, per token."""
        return (Saved("dropout masks", 2 * dims.hidden_size, Kept.MASK),) if self.residual else ()


class BlockView(NamedTuple):
    """What `model/block/pre_norm.py.j2` says."""

    norm: str
    init: tuple[str, ...]
    attention: str
    mlp: str


class PreNorm:
    """Each branch reads the normalised residual stream and adds to it (GPT-2, Llama)."""

    tag = "pre"
    norm_names = ("input_layernorm", "post_attention_layernorm")

    def parameters(self, norm: Norm, dims: Dims) -> tuple[Parameter, ...]:
        """Return the tensors of one block's own modules."""
        return tuple(p.under(name) for name in self.norm_names for p in norm.parameters(dims.hidden_size))

    def saved(self, norm: Norm, dropout: Dropout, dims: Dims) -> tuple[Saved, ...]:
        """Return what one block keeps beside its branches, per token."""
        return (*norm.saved(dims.hidden_size), *norm.saved(dims.hidden_size), *dropout.saved(dims))

    def parts(self, norm: Norm, dropout: Dropout) -> ModelParts:
        """Return the class `Block`."""
        branches = (
            "self.self_attn(self.input_layernorm(x), context)",
            "self.mlp(self.post_attention_layernorm(x))",
        )
        init: tuple[str, ...] = ()
        if dropout.residual:
            branches = (f"self.dropout({branches[0]})", f"self.dropout({branches[1]})")
            init = ("self.dropout = nn.Dropout(RESIDUAL_DROPOUT)",)
        view = BlockView(norm.class_name, init, *branches)
        return ModelParts(partials=(Partial("model/block/pre_norm.py.j2", view, ("from torch import Tensor, nn",)),))


BLOCKS: Mapping[str, PreNorm] = {PreNorm.tag: PreNorm()}
"""Every wiring by the placement of its norms."""
