"""Normalisation layers."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from specc.catalog.base import Constant, Kept, ModelParts, NoView, Parameter, Partial, Saved, Use, Variant
from specc.catalog.fields import key, only, planned, variants


class Norm(Variant):
    """What all normalisations share."""

    kind: str
    placement: Annotated[Literal["pre"], planned("post", "sandwich", "sublayer_output")] = key(
        "Where in a block the normalisation stands.",
        "pre",
        reason="trains without warm-up tricks (Xiong et al. 2020)",
    )
    eps: float = key("Added to the variance.", 1e-5, reason="as in Llama 2 and 3", gt=0)
    unit_offset: Annotated[Any, only(False, "a norm weight with unit offset")] = key(
        "Whether the weight is stored minus one.", False, reason="as in Llama"
    )

    class_name: ClassVar[str]
    statistics: ClassVar[int]

    @abstractmethod
    def parameters(self, width: int) -> tuple[Parameter, ...]:
        """Return the tensors of one normalisation over `width` elements."""

    @abstractmethod
    def parts(self) -> ModelParts:
        """Return the class that `model.py` defines."""

    def saved(self, width: int) -> tuple[Saved, ...]:
        """Return what one normalisation keeps for its backward pass, per token."""
        return (Saved("norm input", width), Saved("norm statistics", self.statistics, Kept.FP32))

    def _parts(self, template: str) -> ModelParts:
        imports = ("import torch", "import torch.nn.functional as F", "from torch import Tensor, nn")
        return ModelParts(partials=(Partial(template, NoView(), imports),), constants=(Constant("NORM_EPS", self.eps),))


class RMSNorm(Norm):
    """Division by the root mean square, times a weight (Zhang & Sennrich 2019)."""

    kind: Literal["rmsnorm"]
    bias: Annotated[Any, only(False, "an RMSNorm with bias")] = key(
        "Whether a bias is added.", False, reason="RMSNorm has none"
    )
    class_name = "RMSNorm"
    statistics = 1

    def parameters(self, width: int) -> tuple[Parameter, ...]:
        """Return the weight."""
        return (Parameter("weight", (width,), Use.VECTOR),)

    def parts(self) -> ModelParts:
        """Return the class `RMSNorm`."""
        return self._parts("model/norm/rmsnorm.py.j2")


class LayerNorm(Norm):
    """Subtraction of the mean and division by the deviation, times a weight, plus a bias (Ba et al. 2016)."""

    kind: Literal["layernorm"]
    bias: bool = key("Whether a bias is added.", True, reason="as in GPT-2")
    class_name = "LayerNorm"
    statistics = 2

    def parameters(self, width: int) -> tuple[Parameter, ...]:
        """Return the weight and, if any, the bias."""
        weight = Parameter("weight", (width,), Use.VECTOR)
        return (weight, Parameter("bias", (width,), Use.VECTOR)) if self.bias else (weight,)

    def parts(self) -> ModelParts:
        """Return the class `LayerNorm`."""
        return self._parts(f"model/norm/{'layernorm' if self.bias else 'layernorm_no_bias'}.py.j2")


AnyNorm = Annotated[RMSNorm | LayerNorm, Field(discriminator="kind"), variants(default="rmsnorm")]
