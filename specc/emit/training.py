"""The emitted `train.py` and `training.py`: the loop, and one step of it."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.base import Size
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
from specc.catalog.packing import Batches, packing
from specc.emit.imports import script_imports
from specc.emit.model import constant_line
from specc.emit.proof import training_proof
from specc.emit.render import definitions, imports, render
from specc.emit.runs import run_modules
from specc.emit.views import HEADER
from specc.plan import Decided
from specc.resolve import Resolved
from specc.spec.data_schema import Packing
from specc.spec.schema import package_of
from specc.spec.train_schema import Train

# The run of `--smoke`: sequences per step and per forward pass, steps, and at most so many tokens per sequence.
SMOKE_BATCH, SMOKE_MICRO_BATCH, SMOKE_STEPS, SMOKE_LENGTH = 8, 4, 20, 64
SMOKE_EVERY = 10
# Validation reads at most so many batches: it costs a third of as many training steps.
VALIDATION_STEPS = 20
# What prepared data was made with.
TOKENS = 'args.data / "tokenizer.json"'
# These fit the data, or cost nothing; all other sizes shrink for `--smoke`.
KEPT_SIZES = frozenset({"vocab_size", "max_seq_len"})

TRAINING = (
    "import math",
    "from collections.abc import Sequence",
    "from dataclasses import dataclass, replace",
    "from typing import NamedTuple",
    "import torch",
    "from torch import Tensor",
    "from .data import Batch, Dataset",
    "from .model import IGNORED, Model, loss_sum",
    "from .ranks import ALONE, Ranks",
)
TRAIN = (
    "import argparse",
    "import sys",
    "import time",
    "from dataclasses import asdict",
    "from pathlib import Path",
    "from typing import Any",
    "import torch",
    "from torch.distributed import is_initialized",
    "from {package}.data import DataError, Dataset",
    "from {package}.engine import TorchEngine",
    "from {package}.interrupt import Interrupt",
    "from {package}.model import Config, Model",
    "from {package}.overrides import overridden",
    "from {package}.ranks import Ranks, joined",
    "from {package}.run import Engine, Run, RunError, finite, opened",
    "from {package}.training import Objective, Work, learning_rate, micro_batches",
)


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
    checkpoint_every: int
    sizes: tuple[str, ...]
    definitions: tuple[str, ...]
    after_backward: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainView:
    """What `train/train.py.j2` says."""

    header: str
    name: str
    package: str
    imports: str
    seed: int
    smoke_config: tuple[str, ...]
    smoke_work: tuple[str, ...]
    mfu: str
    tokenizer_files: str
    setup: tuple[str, ...]
    load_state: tuple[str, ...]
    before_step: tuple[str, ...]
    after_step: tuple[str, ...]
    save_state: tuple[str, ...]


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
        **run_modules(package, train, parts),
        f"{package}/training.py": _training(decided, parts),
        "train.py": _train(resolved, package, train, parts, measured),
        **training_proof(package),
    }


def _parts(decided: Decided, train: Train, batches: Batches) -> TrainParts:
    """Return the features of the loop in the order in which the emitted modules have them."""
    recomputing = decided.strategy.activation_checkpointing
    run, dropout = decided.resolved.run, decided.resolved.network.dropout
    parts = (
        train.optimizer.parts()
        + train.schedule.parts()
        + objective(run.precision.compute, batches.inputs)
        + compiling(train.compile, decided.resolved.network.dims.num_layers, recomputing)
        + RECOMPUTING[recomputing]
        + dropping(max(dropout.embedding, dropout.attention, dropout.residual))
        + clipping(train.grad_clip)
        + _validation(decided.resolved)
    )
    for logger in train.logging.to:
        parts += LOGGERS[logger](train.logging.every)
    return parts + nonfinite(train.stability[0].limit)


def _validation(resolved: Resolved) -> TrainParts:
    """Return the validation, where the spec holds data out."""
    run = resolved.run
    if run.validate_every is None:
        return TrainParts()
    return validating(run.validate_every, VALIDATION_STEPS * run.global_batch_size)


def _utilization(decided: Decided) -> TrainParts:
    """Return the measure of MFU, where the spec names a device whose peak is known."""
    resolved = decided.resolved
    gpu, precision = resolved.machines.gpu, resolved.run.precision.compute
    peak = gpu.flops.get(precision)
    if "cluster" in resolved.assumed or not peak:
        return TrainParts()
    return utilization(gpu.name, precision, peak, decided.estimate.shapes.flops_per_token)


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
        checkpoint_every=run.checkpoint_every,
        sizes=parts.sizes,
        definitions=definitions(parts.partials),
        after_backward=parts.after_backward,
    )
    return render("train/training.py.j2", view)


def _train(resolved: Resolved, package: str, train: Train, parts: TrainParts, measured: TrainParts) -> str:
    own = ("from {package}.tokenizer import tokenizer_files",) if resolved.spec.tokenizer else ()
    view = TrainView(
        header=HEADER,
        name=resolved.spec.name,
        package=package,
        imports=script_imports(package, (*TRAIN, *own, *parts.imports)),
        seed=train.seed,
        smoke_config=smoke_config(resolved.network.parts(resolved.spec.model.attention.backend).sizes),
        smoke_work=smoke_work(resolved.run.sequence_length, validates=resolved.run.validate_every is not None),
        mfu="utilization(speed / ranks.size)" if measured.partials else "None",
        tokenizer_files=f"tokenizer_files({TOKENS})" if own else f"[{TOKENS}]",
        setup=parts.setup,
        load_state=parts.load_state,
        before_step=parts.before_step,
        after_step=parts.after_step,
        save_state=parts.save_state,
    )
    return render("train/train.py.j2", view)


def smoke_config(sizes: tuple[Size, ...]) -> tuple[str, ...]:
    """Return the arguments of a small `Config` that reads the same tokens."""
    return tuple(f"{size.name}={size.test}" for size in sizes if size.name not in KEPT_SIZES)


def smoke_work(sequence_length: int, validates: bool) -> tuple[str, ...]:
    """Return the arguments of a small `Work`."""
    return (
        f"steps={SMOKE_STEPS}",
        f"sequence_length={min(sequence_length, SMOKE_LENGTH)}",
        f"global_batch_size={SMOKE_BATCH}",
        f"micro_batch_size={SMOKE_MICRO_BATCH}",
        f"checkpoint_every={SMOKE_EVERY}",
        *([f"validation_every={SMOKE_EVERY}"] if validates else []),
    )
