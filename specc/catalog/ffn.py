"""Feed-forward networks: a wide layer with an activation between two matmuls."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from specc.catalog.base import (
    Dims,
    ModelParts,
    Parameter,
    Partial,
    Saved,
    Size,
    Variant,
    bias_argument,
    linear,
)
from specc.catalog.fields import Count, key, variants


class FfnView(NamedTuple):
    """What `model/ffn/*.py.j2` say."""

    summary: str
    bias: str
    activation: str


class Ffn(Variant):
    """What all feed-forward networks share."""

    activation: str
    intermediate_size: Count | None = key("Width of the wide layer.", None)
    bias: bool = key("Whether the matmuls have biases.", False, reason="as in Llama")

    summary: ClassVar[str]
    expression: ClassVar[str]
    template: ClassVar[str]

    @staticmethod
    @abstractmethod
    def default_width(hidden_size: int) -> tuple[int, str]:
        """Return the width when the user gives none, and the reason for it."""

    @abstractmethod
    def parameters(self, dims: Dims) -> tuple[Parameter, ...]:
        """Return the tensors of one layer's `mlp`."""

    @abstractmethod
    def saved(self, dims: Dims) -> tuple[Saved, ...]:
        """Return what one layer keeps for its backward pass, per token."""

    def parts(self, dims: Dims) -> ModelParts:
        """Return the class `MLP`."""
        view = FfnView(self.summary, bias_argument(self.bias), self.expression)
        imports = ("import torch.nn.functional as F", "from torch import Tensor, nn")
        return ModelParts(
            partials=(Partial(self.template, view, imports),),
            sizes=(Size("intermediate_size", dims.intermediate_size, "draw(st.integers(1, 24))", 96, section="ffn"),),
        )


class PlainFfn(Ffn):
    """An activation between two matmuls."""

    template = "model/ffn/plain.py.j2"

    @staticmethod
    def default_width(hidden_size: int) -> tuple[int, str]:
        """Return four times the model's width."""
        return 4 * hidden_size, "4 x hidden_size (Vaswani et al. 2017)"

    def parameters(self, dims: Dims) -> tuple[Parameter, ...]:
        """Return the up and down projections."""
        return (
            *linear("up_proj", dims.hidden_size, dims.intermediate_size, bias=self.bias),
            *linear("down_proj", dims.intermediate_size, dims.hidden_size, bias=self.bias),
        )

    def saved(self, dims: Dims) -> tuple[Saved, ...]:
        """Return the input and both sides of the activation."""
        return (
            Saved("ffn input", dims.hidden_size),
            Saved("ffn up", dims.intermediate_size),
            Saved("ffn activation", dims.intermediate_size),
        )


class GatedFfn(Ffn):
    """A gate, passed through an activation, times a second projection (Shazeer 2020)."""

    template = "model/ffn/gated.py.j2"

    @staticmethod
    def default_width(hidden_size: int) -> tuple[int, str]:
        """Return 8/3 of the model's width, so that three matmuls cost as much as two of 4x."""
        width = -(-8 * hidden_size // 3)
        return -(-width // 64) * 64, "8/3 x hidden_size, rounded up to a multiple of 64 (Shazeer 2020; matmul tiles)"

    def parameters(self, dims: Dims) -> tuple[Parameter, ...]:
        """Return the gate, up and down projections."""
        return (
            *linear("gate_proj", dims.hidden_size, dims.intermediate_size, bias=self.bias),
            *linear("up_proj", dims.hidden_size, dims.intermediate_size, bias=self.bias),
            *linear("down_proj", dims.intermediate_size, dims.hidden_size, bias=self.bias),
        )

    def saved(self, dims: Dims) -> tuple[Saved, ...]:
        """Return the input, both projections, the activated gate and the product."""
        return (
            Saved("ffn input", dims.hidden_size),
            Saved("ffn gate", dims.intermediate_size),
            Saved("ffn up", dims.intermediate_size),
            Saved("ffn activation", dims.intermediate_size, eager=True),
            Saved("ffn product", dims.intermediate_size),
        )


class Gelu(PlainFfn):
    """x times the normal distribution function, exactly, through erf (Hendrycks & Gimpel 2016)."""

    activation: Literal["gelu"]
    summary = "Feed-forward network with GELU."
    expression = "F.gelu(self.up_proj(x))"


class GeluTanh(PlainFfn):
    """GELU by its tanh approximation, as GPT-2 was trained (Hendrycks & Gimpel 2016)."""

    activation: Literal["gelu_tanh"]
    summary = "Feed-forward network with GELU in its tanh approximation."
    expression = 'F.gelu(self.up_proj(x), approximate="tanh")'


class Swiglu(GatedFfn):
    """A gate through SiLU (Shazeer 2020), as in Llama."""

    activation: Literal["swiglu"]
    summary = "Feed-forward network with a SiLU gate (SwiGLU)."
    expression = "F.silu(self.gate_proj(x)) * self.up_proj(x)"


AnyFfn = Annotated[
    Gelu | GeluTanh | Swiglu,
    Field(discriminator="activation"),
    variants("activation", default="swiglu", planned=("relu", "relu2", "geglu")),
]
