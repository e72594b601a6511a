"""Optimizers and precisions."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from specc.catalog.base import Constant, NoView, Partial, Variant
from specc.catalog.fields import key, variants
from specc.catalog.loop import TrainParts


class AdamW(Variant):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019); no decay on norms, biases and other vectors."""

    kind: Literal["adamw"] = "adamw"
    lr: float = key("Peak learning rate.", 3e-4, reason="works from 100M to 7B parameters (Llama: 3e-4)", gt=0)
    betas: tuple[float, float] = key(
        "Decay of both moments.", (0.9, 0.95), reason="as in GPT-3 and Llama", strict=False
    )
    eps: float = key("Added to the second moment's root.", 1e-8, reason="as in GPT-3", gt=0)
    weight_decay: float = key("Decay of weight matrices.", 0.1, reason="as in GPT-3 and Llama", ge=0)

    def moments(self) -> int:
        """Return the number of state elements per parameter."""
        return 2

    def parts(self) -> TrainParts:
        """Return the function `make_optimizer`."""
        imports = ("import torch", "from torch import Tensor, nn")
        return TrainParts(
            partials=(Partial("train/optimizer/adamw.py.j2", NoView(), imports),),
            constants=(
                Constant("LEARNING_RATE", self.lr, "at its highest"),
                Constant("BETA1", self.betas[0]),
                Constant("BETA2", self.betas[1]),
                Constant("ADAM_EPS", self.eps),
                Constant("WEIGHT_DECAY", self.weight_decay),
            ),
        )


AnyOptimizer = Annotated[AdamW, variants(planned=("adam", "lion", "adafactor", "muon", "adamw8bit"), default="adamw")]


class Precision(NamedTuple):
    """Bytes per element of what training keeps, and the GPU rate that its matmuls run at."""

    compute: str
    compute_bytes: int
    parameter_bytes: int
    gradient_bytes: int
    moment_bytes: int
    master_bytes: int


PRECISIONS: Mapping[str, Precision] = {
    # fp32 weights are their own master copy.
    "fp32": Precision("fp32", 4, 4, 4, 4, 0),
    # bf16 weights for matmuls beside fp32 master weights; gradients are reduced in fp32.
    "bf16": Precision("bf16", 2, 2, 4, 4, 4),
}
"""Every training precision that is built, by its tag."""

EMITTED_ZERO_STAGES = (0, 1, 2)
"""What emitted training can shard over ranks; every stage can be planned."""
