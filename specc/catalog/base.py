"""What every variant of the catalog declares: parameters, bytes, FLOPs, and the text it adds to emitted files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from math import prod
from typing import Any, NamedTuple, Self, cast, get_args

from specc.catalog.fields import Section


class Dims(NamedTuple):
    """Every size of a decoder, decided."""

    vocab_size: int
    max_seq_len: int
    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.num_heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Width of all key (or value) heads together."""
        return self.num_kv_heads * self.head_dim


class Use(StrEnum):
    """How a forward pass uses a parameter: decides its FLOPs."""

    MATMUL = "matmul"
    LOOKUP = "lookup"
    VECTOR = "vector"


class Parameter(NamedTuple):
    """One tensor of the state dict; `name` is relative to its module until the plan joins them."""

    name: str
    shape: tuple[int, ...]
    use: Use

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def under(self, prefix: str) -> Parameter:
        """Return the same tensor inside the module `prefix`."""
        return Parameter(f"{prefix}.{self.name}", self.shape, self.use)


def count(parameters: Iterable[Parameter], *uses: Use) -> int:
    """Return the elements of the parameters, or of those that are used in one of these ways."""
    return sum(p.numel for p in parameters if not uses or p.use in uses)


def linear(name: str, inputs: int, outputs: int, *, bias: bool) -> tuple[Parameter, ...]:
    """Return the tensors of an `nn.Linear`: weight [outputs, inputs] and, if any, bias [outputs]."""
    weight = Parameter(f"{name}.weight", (outputs, inputs), Use.MATMUL)
    return (weight, Parameter(f"{name}.bias", (outputs,), Use.VECTOR)) if bias else (weight,)


class Kept(StrEnum):
    """The element type in which a tensor saved for the backward pass is kept."""

    COMPUTE = "compute"  # the dtype of matmuls
    FP32 = "fp32"
    MASK = "mask"  # one byte


class Saved(NamedTuple):
    """A tensor that autograd keeps from the forward pass until the backward pass, per token.

    Attributes:
        what: What it is.
        elements: Elements per token.
        kept: The element type it is kept in.
        eager: Whether only eager mode keeps it; torch.compile computes it again from its neighbours.
    """

    what: str
    elements: int
    kept: Kept = Kept.COMPUTE
    eager: bool = False


class Partial(NamedTuple):
    """A piece of an emitted file: whole top-level definitions, rendered from `view`.

    Attributes:
        template: Path under `templates/`.
        view: Frozen value whose fields are exactly what the template reads.
        imports: Import statements that the text needs.
    """

    template: str
    view: object
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoView:
    """The view of a partial without holes."""


class Constant(NamedTuple):
    """A named number at the top of an emitted module, for what tests never shrink."""

    name: str
    value: float
    why: str = ""


class Size(NamedTuple):
    """A field of the emitted `Config`.

    Attributes:
        name: The spec's own key.
        value: This model's value, the default.
        draw: A hypothesis expression for a small value; may use sizes listed before it.
        why: A comment, where a reader would ask.
        test: A value for tests that need statistics: larger than `draw`, still quick.
        section: The part of the spec's `model:` section that holds it; empty for `model` itself.
    """

    name: str
    value: int
    draw: str
    test: int
    why: str = ""
    section: str = ""


class ContextField(NamedTuple):
    """A value that all blocks of one forward pass share."""

    name: str
    type: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Parts:
    """Text for a closed list of join points, each a tuple in the catalog's order."""

    def __add__(self, other: Self) -> Self:
        """Join the parts of two variants or features, join point by join point."""
        joined: dict[str, Any] = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**joined)


@dataclass(frozen=True, slots=True)
class ModelParts(Parts):
    """What a variant adds to `model.py`, at a closed list of join points, in the catalog's order.

    Attributes:
        partials: Definitions, in file order.
        constants: Numbers at the top of the module.
        sizes: Fields of `Config`.
        context: Fields of `Context`, with the expression that fills them in `Decoder.forward`.
        decoder_init: Statements of `Decoder.__init__`.
        embedded: Statements of `Decoder.forward` on the embedded tokens `x`.
        context_steps: Statements of `Decoder.forward` that prepare values for `Context`.
        query_key: Statements of `Attention.forward` on the heads `q` and `k`.
        attention_init: Statements of `Attention.__init__`.
        attend: Statements of `Attention.forward` that turn `q`, `k` and `v` into `y` [B, T, N, H].
        implied: Sizes of the spec that `Config` does not hold, with the expression over `config` that gives them.
    """

    partials: tuple[Partial, ...] = ()
    constants: tuple[Constant, ...] = ()
    sizes: tuple[Size, ...] = ()
    context: tuple[ContextField, ...] = ()
    decoder_init: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()
    context_steps: tuple[str, ...] = ()
    query_key: tuple[str, ...] = ()
    attention_init: tuple[str, ...] = ()
    attend: tuple[str, ...] = ()
    implied: tuple[tuple[str, str], ...] = ()


class Variant(Section):
    """One choice on one axis of the spec. Its fields are the keys a user may write."""

    @classmethod
    def default(cls) -> Self:
        """Return the variant with its tag and every default, made without a validator."""
        tags = {n: get_args(f.annotation)[0] for n, f in cls.model_fields.items() if f.is_required()}
        return cast(Self, cls.model_construct(**tags))


def bias_argument(present: bool) -> str:
    """Return the text after the sizes of an `nn.Linear`: nothing when it has its default bias."""
    return "" if present else ", bias=False"
