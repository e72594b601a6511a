"""How weights start."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from specc.catalog.base import Constant, ModelParts, NoView, Partial, Variant
from specc.catalog.fields import key, variants


class Init(Variant):
    """What all initialisations share."""

    kind: str
    std: float = key("Standard deviation of the normal distribution.", 0.02, reason="as in GPT-2 and Llama", gt=0)

    template: ClassVar[str]
    imports: ClassVar[tuple[str, ...]] = ("from torch import nn",)
    # Statements of the emitted test: what the variant does to `std` of the matrix `name`.
    expected: ClassVar[tuple[str, ...]] = ()

    def parts(self) -> ModelParts:
        """Return the function `init_weights`."""
        return ModelParts(
            partials=(Partial(self.template, NoView(), self.imports),), constants=(Constant("INIT_STD", self.std),)
        )


class Normal(Init):
    """Every weight matrix from the same normal distribution; biases at zero."""

    kind: Literal["normal"]
    template = "model/init/normal.py.j2"


class Gpt2(Init):
    """Normal, but projections into the residual stream shrink by sqrt(2 x num_layers) (Radford et al. 2019)."""

    kind: Literal["gpt2"]
    template = "model/init/gpt2.py.j2"
    imports = ("import math", "from torch import nn")
    expected = (
        'if name.endswith(("o_proj.weight", "down_proj.weight")):',
        "    std /= math.sqrt(2 * CONFIG.num_layers)",
    )


AnyInit = Annotated[Normal | Gpt2, Field(discriminator="kind"), variants(default="normal")]
