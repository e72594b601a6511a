"""The emitted `train.py`, `training.py` and `data.py`."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.base import Size
from specc.catalog.loop import RECOMPUTING, TrainParts, batch_loss, clipping, compiling, utilization
from specc.catalog.packing import Batches, packing
from specc.emit.imports import script_imports
from specc.emit.model import constant_line
from specc.emit.proof import training_proof
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.plan import Decided
from specc.resolve import Resolved
from specc.spec.data_schema import Packing
from specc.spec.schema import package_of
from specc.spec.train_schema import Train

# The run of `--smoke`: sequences per step and per forward pass, steps, and at most so many tokens per sequence.
SMOKE_BATCH, SMOKE_MICRO_BATCH, SMOKE_STEPS, SMOKE_LENGTH = 8, 4, 20, 64
# These fit the data, or cost nothing; all other sizes shrink for `--smoke`.
KEPT_SIZES = frozenset({"vocab_size", "max_seq_len"})

DATA = (
    "import json",
    "from functools import lru_cache",
    "from pathlib import Path",
    "from typing import Any",
    "import numpy as np",
    "from .files import sha256",
)
TRAINING = (
    "from collections.abc import Iterator, Sequence",
    "from dataclasses import dataclass",
    "import torch",
    "from torch import Tensor",
    "from .data import Batch, Dataset",
    "from .model import IGNORED, Model, loss_sum",
)
TRAIN = (
    "import argparse",
    "import json",
    "import math",
    "import os",
    "import sys",
    "import time",
    "from dataclasses import asdict, replace",
    "from pathlib import Path",
    "from typing import TextIO",
    "import torch",
    "from {package}.checkpoint import CheckpointError, write_checkpoint",
    "from {package}.data import DataError, Dataset",
    "from {package}.model import Config, Model",
    "from {package}.progress import Progress",
    "from {package}.training import Work, learning_rate, make_optimizer, micro_batches, train_step",
)


@dataclass(frozen=True, slots=True)
class DataView:
    """What `data/data.py.j2` says."""

    header: str
    imports: str
    definitions: tuple[str, ...]
    init: tuple[str, ...]
    batch: str


@dataclass(frozen=True, slots=True)
class TrainingView:
    """What `train/training.py.j2` says."""

    header: str
    name: str
    imports: str
    constants: tuple[str, ...]
    steps: int
    sequence_length: int
    global_batch_size: int
    micro_batch_size: int
    definitions: tuple[str, ...]
    after_backward: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainView:
    """What `train/train.py.j2` says."""

    header: str
    name: str
    imports: str
    seed: int
    smoke_config: tuple[str, ...]
    smoke_work: str
    mfu: str
    setup: tuple[str, ...]


def training_modules(decided: Decided) -> dict[str, str]:
    """Return what trains the model, by path, not yet formatted; nothing for a spec without `train`."""
    resolved = decided.resolved
    train, name = resolved.spec.train, resolved.spec.name
    if train is None:
        return {}
    package = package_of(name)
    batches = packing((resolved.spec.data.packing if resolved.spec.data else Packing()).isolate_documents)
    measured = _utilization(decided)
    parts = _parts(decided, train, batches) + measured
    return {
        f"{package}/data.py": _data(batches),
        f"{package}/training.py": _training(decided, parts),
        "train.py": _train(resolved, package, train, parts, measured),
        **training_proof(package),
    }


def _parts(decided: Decided, train: Train, batches: Batches) -> TrainParts:
    """Return the features of the loop in the order in which the emitted module defines them."""
    run = decided.resolved.run
    return (
        train.optimizer.parts()
        + train.schedule.parts(run.warmup_steps)
        + compiling(train.compile)
        + RECOMPUTING[decided.strategy.activation_checkpointing]
        + batch_loss(run.precision.compute, batches.inputs)
        + clipping(train.grad_clip)
    )


def _utilization(decided: Decided) -> TrainParts:
    """Return the measure of MFU, where the spec names a device whose peak is known."""
    resolved = decided.resolved
    gpu, precision = resolved.machines.gpu, resolved.run.precision.compute
    peak = gpu.flops.get(precision)
    if "cluster" in resolved.assumed or not peak:
        return TrainParts()
    return utilization(gpu.name, precision, peak, decided.estimate.shapes.flops_per_token)


def _data(batches: Batches) -> str:
    view = DataView(
        header=HEADER,
        imports=imports((batches.partial,), *DATA),
        definitions=definitions((batches.partial,)),
        init=batches.init,
        batch=batches.batch,
    )
    return render("data/data.py.j2", view)


def _training(decided: Decided, parts: TrainParts) -> str:
    run = decided.resolved.run
    view = TrainingView(
        header=HEADER,
        name=decided.resolved.spec.name,
        imports=imports(parts.partials, *TRAINING),
        constants=tuple(constant_line(constant) for constant in parts.constants),
        steps=run.steps,
        sequence_length=run.sequence_length,
        global_batch_size=run.global_batch_size,
        micro_batch_size=decided.strategy.micro_batch_size,
        definitions=definitions(parts.partials),
        after_backward=parts.after_backward,
    )
    return render("train/training.py.j2", view)


def _train(resolved: Resolved, package: str, train: Train, parts: TrainParts, measured: TrainParts) -> str:
    names = (*parts.setup, *(("utilization",) if measured.partials else ()))
    used = tuple(f"from {{package}}.training import {name}" for name in names)
    view = TrainView(
        header=HEADER,
        name=resolved.spec.name,
        imports=script_imports(package, (*TRAIN, *used)),
        seed=train.seed,
        smoke_config=smoke_config(resolved.network.parts(resolved.spec.model.attention.backend).sizes),
        smoke_work=smoke_work(resolved.run.sequence_length),
        mfu="utilization(speed)" if measured.partials else "None",
        setup=tuple(f"{name}(model)" for name in parts.setup),
    )
    return render("train/train.py.j2", view)


def smoke_config(sizes: tuple[Size, ...]) -> tuple[str, ...]:
    """Return the arguments of a small `Config` that reads the same tokens."""
    return tuple(f"{size.name}={size.test}" for size in sizes if size.name not in KEPT_SIZES)


def smoke_work(sequence_length: int) -> str:
    """Return the arguments of a small `Work`."""
    return (
        f"steps={SMOKE_STEPS}, sequence_length={min(sequence_length, SMOKE_LENGTH)}, "
        f"global_batch_size={SMOKE_BATCH}, micro_batch_size={SMOKE_MICRO_BATCH}"
    )
