"""Position encodings: what tells a decoder in which order its tokens stand."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from specc.catalog.base import (
    Constant,
    ContextField,
    Dims,
    ModelParts,
    NoView,
    Parameter,
    Partial,
    Use,
    Variant,
)
from specc.catalog.fields import key, only, planned, variants


class Position(Variant):
    """What all position encodings declare."""

    kind: str
    head_dim_multiple: ClassVar[int] = 1

    @abstractmethod
    def parameters(self, dims: Dims) -> tuple[Parameter, ...]:
        """Return the tensors that the encoding adds to the decoder."""

    @abstractmethod
    def parts(self) -> ModelParts:
        """Return what the encoding adds to `model.py`."""


class Rope(Position):
    """Rotary position embedding: queries and keys turn by an angle that grows with the position (Su et al. 2021)."""

    kind: Literal["rope"]
    theta: float = key("Base of the rotation wavelengths.", 10000.0, reason="Su et al. 2021", gt=1)
    rotary_fraction: Annotated[float, only(1.0, "partial rotary embedding")] = key(
        "Fraction of each head that turns.", 1.0, reason="as in Llama"
    )
    layout: Annotated[Literal["half"], planned("interleaved")] = key(
        "Which dimensions of a head turn together: first half with second half, or neighbours.",
        "half",
        reason="the layout of Llama's public checkpoints",
    )
    scaling: Annotated[Any, only(None, "RoPE scaling")] = key(
        "Change of the wavelengths for longer contexts.", None, reason="no context extension"
    )

    head_dim_multiple = 2

    @override
    def parameters(self, dims: Dims) -> tuple[Parameter, ...]:
        """Return nothing: the angles are computed, not learned."""
        return ()

    def parts(self) -> ModelParts:
        """Return the rotation and its tables."""
        imports = ("import torch", "from torch import Tensor")
        return ModelParts(
            partials=(Partial("model/position/rope.py.j2", NoView(), imports),),
            constants=(Constant("ROPE_THETA", self.theta),),
            context=(
                ContextField("cos", "Tensor", "cos", "[B or 1, 1, T, H], at least float32"),
                ContextField("sin", "Tensor", "sin", "[B or 1, 1, T, H], at least float32"),
            ),
            context_steps=("cos, sin = rotary_tables(positions, self.config.head_dim, x.dtype)",),
            query_key=("q, k = rotate(q, context), rotate(k, context)",),
        )


class Learned(Position):
    """A learned vector for each position, added to the token's embedding (Gehring et al. 2017, GPT-2)."""

    kind: Literal["learned"]

    def parameters(self, dims: Dims) -> tuple[Parameter, ...]:
        """Return the table of position vectors."""
        return (Parameter("embed_positions.weight", (dims.max_seq_len, dims.hidden_size), Use.LOOKUP),)

    def parts(self) -> ModelParts:
        """Return the table and its sum with the token embedding."""
        return ModelParts(
            decoder_init=("self.embed_positions = nn.Embedding(config.max_seq_len, config.hidden_size)",),
            embedded=("x = x + self.embed_positions(positions)",),
        )


AnyPosition = Annotated[
    Rope | Learned,
    Field(discriminator="kind"),
    variants(default="rope", planned=("alibi", "sinusoidal", "relative_bias", "none")),
]
