"""The training loop: what features add to it, and at which points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from specc.catalog.base import Constant, NoView, Partial, Parts


class Module(NamedTuple):
    """A module of the emitted package that only one feature needs: `package/<name>.py.j2`."""

    name: str
    imports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainParts(Parts):
    """What a feature adds to training, at a closed list of join points, in the catalog's order.

    Statements are single calls or assignments. Those of `loop.py` may use `run`, `engine`, `stage`, `work`, `data` and
    `ranks`; inside of the loop also `step`, `lr`, `result` and `line`, the metrics of the step. A script is `train.py`
    or a stage of `align:`; `{package}` in its imports is the project's.

    Attributes:
        partials: Definitions of `training.py`, in file order.
        constants: Numbers at its top.
        sizes: Fields of `Work`.
        modules: Modules of the package.
        setup: Statements of every script before an engine takes the `objective`.
        setup_imports: Import statements for them.
        stage: Fields of `Stage`, which every script fills.
        opening: What `train.py` fills them with; it has `run`, `args`, `config` and `work`.
        opening_imports: Import statements for it.
        imports: Import statements of `loop.py`.
        load_state: Statements after a checkpoint was loaded; `state` holds what `save_state` put there.
        before_step: Statements before the batches of a step are read.
        after_backward: Statements of `train_step` between the gradient and the optimizer's step.
        after_step: Statements before the step's line is written.
        save_state: Entries of the `state` that goes into a checkpoint.
    """

    partials: tuple[Partial, ...] = ()
    constants: tuple[Constant, ...] = ()
    sizes: tuple[str, ...] = ()
    modules: tuple[Module, ...] = ()
    setup: tuple[str, ...] = ()
    setup_imports: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()
    opening_imports: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    load_state: tuple[str, ...] = ()
    before_step: tuple[str, ...] = ()
    after_backward: tuple[str, ...] = ()
    after_step: tuple[str, ...] = ()
    save_state: tuple[str, ...] = ()


def clipping(limit: float | None) -> TrainParts:
    """Return what limits the gradient's norm, or only measures it; both define `grad_norm`."""
    imports = ("from torch import nn",)
    if limit is None:
        return TrainParts(
            partials=(Partial("train/gradient/norm.py.j2", NoView(), imports),),
            after_backward=("grad_norm = gradient_norm(objective)",),
        )
    return TrainParts(
        partials=(Partial("train/gradient/clip.py.j2", NoView(), imports),),
        constants=(Constant("GRAD_CLIP", limit),),
        after_backward=("grad_norm = clip_gradients(objective)",),
    )


WHOLE_LAYERS = 16
"""A model of more layers is compiled block by block: that takes equally long for any number of them."""


def compiling(wanted: bool, layers: int, recomputing: str) -> TrainParts:
    """Return the compilation, if it is wanted: whole where that is quick, so that norms and loss fuse as well."""
    if not wanted:
        return TrainParts()
    scope = "whole" if layers <= WHOLE_LAYERS and recomputing == "none" else "blocks"
    return TrainParts(
        partials=(
            Partial(
                "train/setup/compiler.py.j2", NoView(), ("import os", "import shutil", "import sys", "import torch")
            ),
            Partial(f"train/setup/compile_{scope}.py.j2", NoView(), ("import torch",)),
        ),
        setup_imports=("from {package}.training import compile_objective",),
        setup=("compile_objective(objective)",),
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
        setup_imports=("from {package}.training import recompute_blocks",),
        setup=("recompute_blocks(objective)",),
    ),
}
"""Activation checkpointing by its tag; it wraps what compilation made."""


class KeepLastView(NamedTuple):
    """What `train/keep/last.py.j2` says."""

    last: int


class KeepEveryView(NamedTuple):
    """What `train/keep/every.py.j2` says."""

    last: int
    every: int


def keeping(last: int, every: int | None) -> Partial:
    """Return which checkpoints stay: so many newest ones, and those of every so many steps."""
    imports = ("from collections.abc import Sequence", "from pathlib import Path")
    if every is None:
        return Partial("train/keep/last.py.j2", KeepLastView(last), imports)
    return Partial("train/keep/every.py.j2", KeepEveryView(last, every), imports)


@dataclass(frozen=True, slots=True)
class ObjectiveView:
    """What `train/objective/*.py.j2` say: the arguments of the model."""

    inputs: str


def objective(precision: str, inputs: str) -> TrainParts:
    """Return what training minimises; the model's matmuls have the `precision`."""
    imports = ("from torch import Tensor, nn",)
    return TrainParts(
        partials=(Partial(f"train/objective/{precision}.py.j2", ObjectiveView(inputs), imports),),
    )


@dataclass(frozen=True, slots=True)
class UtilizationView:
    """What `train/utilization/known.py.j2` says."""

    precision: str


def utilization(device: str, precision: str, peak_flops: float, flops_per_token: int) -> TrainParts:
    """Return the share of a device's peak that the model's own FLOPs reach."""
    return TrainParts(
        partials=(Partial("train/utilization/known.py.j2", UtilizationView(precision), ("import torch",)),),
        imports=("from .training import utilization",),
        constants=(
            Constant("FLOPS_PER_TOKEN", flops_per_token, "forward and backward, causal attention at half"),
            Constant("PEAK_TFLOPS", peak_flops / 1e12, f"dense, of one {device}"),
        ),
    )


def dropping(rate: float) -> TrainParts:
    """Return what makes dropout a function of the seed, the step and the rank."""
    if not rate:
        return TrainParts()
    imports = ("import numpy as np", "import torch")
    return TrainParts(
        partials=(Partial("train/step/dropout.py.j2", NoView(), imports),),
        imports=("from .training import seed_dropout",),
        before_step=("seed_dropout(stage.seed, step, ranks.rank)",),
    )


VALIDATION = Module(
    "validation",
    (
        "import math",
        "from typing import Any",
        "import torch",
        "from .model import IGNORED",
        "from .ranks import Ranks",
        "from .run import Run",
        "from .training import Objective, Sequences, Work",
    ),
)
HELD_OUT = Module(
    "held_out",
    (
        "from pathlib import Path",
        "from .data import Dataset, read_card",
        "from .run import Run",
        "from .training import Work",
    ),
)
OPEN_HELD_OUT = "open_held_out(run, args.data, config.vocab_size, work)"


def validating(every: int, sequences: int, *, while_training: bool) -> TrainParts:
    """Return the loss on held-out sequences, at most so many, every so many steps.

    Args:
        every: Optimizer steps between two losses.
        sequences: The most that are read for one.
        while_training: Whether pretraining has such sequences; else later stages only.
    """
    return TrainParts(
        sizes=(
            f"validation_every: int = {every}  # steps",
            f"validation_sequences: int = {sequences}  # held out, at most",
        ),
        modules=(VALIDATION, *((HELD_OUT,) if while_training else ())),
        stage=("held_out: Sequences | None",),
        opening=(f"held_out={OPEN_HELD_OUT if while_training else None}",),
        opening_imports=("from {package}.held_out import open_held_out",) if while_training else (),
        imports=("from .validation import validate",),
        after_step=("validate(line, run, engine.objective, stage.held_out, work)",),
    )


TENSORBOARD = Module(
    "tensorboard",
    (
        "from collections.abc import Mapping",
        "from typing import Any",
        "from torch.utils.tensorboard import SummaryWriter",
        "from .run import Run",
    ),
)


def tensorboard(every: int) -> TrainParts:
    """Return the writer for TensorBoard."""
    return TrainParts(
        modules=(TENSORBOARD,),
        imports=("from .tensorboard import TensorBoard",),
        load_state=(f"board = TensorBoard(run, every={every})",),
        after_step=("board.log(line)",),
    )


STABILITY = Module("stability", ("from .run import Run, RunError", "from .training import Step"))


def nonfinite(limit: int) -> TrainParts:
    """Return what stops a run after so many skipped steps in a row."""
    return TrainParts(
        modules=(STABILITY,),
        imports=("from .stability import NonfiniteSteps",),
        load_state=(f'nonfinite = NonfiniteSteps(limit={limit}, in_a_row=state.get("nonfinite", 0))',),
        before_step=("nonfinite.check()",),
        after_step=("nonfinite.note(run, result)",),
        save_state=('"nonfinite": nonfinite.in_a_row',),
    )


LOGGERS: Mapping[str, Callable[[int], TrainParts]] = {"tensorboard": tensorboard}
"""Where metrics go besides `metrics.jsonl`, by the tag of `train.logging.to`, every so many steps."""
