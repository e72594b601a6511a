"""The emitted `loop.py`, which every stage of training runs, and the features of this spec in it."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.loop import (
    LOGGERS,
    RECOMPUTING,
    TrainParts,
    clipping,
    compiling,
    dropping,
    nonfinite,
    objective,
    utilization,
    validating,
)
from specc.catalog.packing import packing
from specc.emit.imports import merge_imports
from specc.emit.render import render
from specc.emit.views import HEADER
from specc.plan import Decided
from specc.resolve import Resolved
from specc.spec.data_schema import Packing
from specc.spec.train_schema import Train

# Validation reads at most so many batches: it costs a third of as many training steps.
VALIDATION_STEPS = 20

LOOP = (
    "import time",
    "from collections.abc import Callable, Sequence",
    "from dataclasses import asdict, dataclass",
    "from pathlib import Path",
    "from typing import Any, Protocol",
    "from .data import Batch",
    "from .interrupt import Interrupt",
    "from .model import Config",
    "from .run import Engine, Run, finite",
    "from .training import Objective, Sequences, Step, Work, micro_batches",
)


@dataclass(frozen=True, slots=True)
class LoopView:
    """What `train/loop.py.j2` says."""

    header: str
    name: str
    imports: str
    fields: tuple[str, ...]
    mfu: str
    load_state: tuple[str, ...]
    before_step: tuple[str, ...]
    after_step: tuple[str, ...]
    save_state: tuple[str, ...]


def loop_module(name: str, parts: TrainParts) -> str:
    """Return `loop.py`, not yet formatted."""
    measured = any("utilization" in statement for statement in parts.imports)
    view = LoopView(
        header=HEADER,
        name=name,
        imports=merge_imports((*LOOP, *parts.imports)),
        fields=parts.stage,
        mfu="utilization(speed / ranks.size)" if measured else "None",
        load_state=parts.load_state,
        before_step=parts.before_step,
        after_step=parts.after_step,
        save_state=parts.save_state,
    )
    return render("train/loop.py.j2", view)


def loop_parts(decided: Decided, train: Train) -> TrainParts:
    """Return the features of the loop in the order in which the emitted modules have them."""
    recomputing, data = decided.strategy.activation_checkpointing, decided.resolved.spec.data
    batches = packing((data.packing if data else Packing()).isolate_documents)
    run = decided.resolved.run
    parts = (
        train.optimizer.parts()
        + train.schedule.parts()
        + objective(run.precision.compute, batches.inputs)
        + compiling(train.compile, decided.resolved.network.dims.num_layers, recomputing)
        + RECOMPUTING[recomputing]
        + dropping(_most_dropped(decided.resolved))
        + clipping(train.grad_clip)
        + _validation(decided.resolved)
    )
    for logger in train.logging.to:
        parts += LOGGERS[logger](train.logging.every)
    return parts + nonfinite(train.stability[0].limit) + _utilization(decided)


def _validation(resolved: Resolved) -> TrainParts:
    """Return the validation, where the spec holds data out of training or of a later stage."""
    run, every = resolved.run, resolved.run.validate_every
    later = any(stage.trains_here and stage.validation for stage in resolved.spec.align or ())
    if every is None and not later:
        return TrainParts()
    sequences = VALIDATION_STEPS * run.global_batch_size
    return validating(every or run.checkpoint_every, sequences, while_training=every is not None)


def _most_dropped(resolved: Resolved) -> float:
    """Return the largest rate of dropout, of the model or of a stage's adapters."""
    dropout = resolved.network.dropout
    adapters = (stage.peft.dropout for stage in resolved.spec.align or () if stage.trains_here and stage.peft)
    return max(dropout.embedding, dropout.attention, dropout.residual, *adapters)


def _utilization(decided: Decided) -> TrainParts:
    """Return the measure of MFU, where the spec names a device whose peak is known."""
    resolved = decided.resolved
    gpu, precision = resolved.machines.gpu, resolved.run.precision.compute
    peak = gpu.flops.get(precision)
    if "cluster" in resolved.assumed or not peak:
        return TrainParts()
    return utilization(gpu.name, precision, peak, decided.estimate.shapes.flops_per_token)
