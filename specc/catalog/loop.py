"""The training loop: what features add to it, and at which points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from specc.catalog.base import Constant, NoView, Partial, Parts


@dataclass(frozen=True, slots=True)
class TrainParts(Parts):
    """What a feature adds to `training.py` and `train.py`, at a closed list of join points, in the catalog's order.

    Attributes:
        partials: Definitions of `training.py`, in file order.
        constants: Numbers at its top.
        setup: Functions of `training.py` that are called with the model before the first step.
        after_backward: Statements of `train_step` between the gradient and the optimizer's step.
    """

    partials: tuple[Partial, ...] = ()
    constants: tuple[Constant, ...] = ()
    setup: tuple[str, ...] = ()
    after_backward: tuple[str, ...] = ()


def clipping(limit: float | None) -> TrainParts:
    """Return what limits the gradient's norm, or only measures it; both define `grad_norm`."""
    imports = ("from torch import Tensor, nn",)
    if limit is None:
        return TrainParts(
            partials=(Partial("train/gradient/norm.py.j2", NoView(), imports),),
            after_backward=("grad_norm = gradient_norm(model)",),
        )
    return TrainParts(
        partials=(Partial("train/gradient/clip.py.j2", NoView(), imports),),
        constants=(Constant("GRAD_CLIP", limit),),
        after_backward=("grad_norm = clip_gradients(model)",),
    )


def compiling(wanted: bool) -> TrainParts:
    """Return the compilation of blocks, if it is wanted."""
    if not wanted:
        return TrainParts()
    imports = ("import os", "import shutil", "import sys", "import torch")
    return TrainParts(
        partials=(Partial("train/setup/compile.py.j2", NoView(), imports),),
        setup=("compile_blocks",),
    )


RECOMPUTING: Mapping[str, TrainParts] = {
    "none": TrainParts(),
    "full": TrainParts(
        partials=(
            Partial(
                "train/setup/recompute.py.j2",
                NoView(),
                ("from functools import partial", "from torch.utils.checkpoint import checkpoint"),
            ),
        ),
        setup=("recompute_blocks",),
    ),
}
"""Activation checkpointing by its tag; it wraps what compilation made."""


@dataclass(frozen=True, slots=True)
class LossView:
    """What `train/loss/*.py.j2` say: the arguments of the model."""

    inputs: str


def batch_loss(precision: str, inputs: str) -> TrainParts:
    """Return the loss of a micro-batch, whose matmuls have the `precision`."""
    return TrainParts(
        partials=(Partial(f"train/loss/{precision}.py.j2", LossView(inputs), ("from torch import Tensor",)),)
    )


@dataclass(frozen=True, slots=True)
class UtilizationView:
    """What `train/utilization/known.py.j2` says."""

    precision: str


def utilization(device: str, precision: str, peak_flops: float, flops_per_token: int) -> TrainParts:
    """Return the share of a device's peak that the model's own FLOPs reach."""
    return TrainParts(
        partials=(Partial("train/utilization/known.py.j2", UtilizationView(precision), ("import torch",)),),
        constants=(
            Constant("FLOPS_PER_TOKEN", flops_per_token, "forward and backward, causal attention at half"),
            Constant("PEAK_TFLOPS", peak_flops / 1e12, f"dense, of one {device}"),
        ),
    )
