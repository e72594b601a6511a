"""The emitted `train.py` and `training.py`: pretraining, and one step of any training."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.base import Size
from specc.catalog.loop import TrainParts
from specc.emit.align import align_modules
from specc.emit.imports import script_imports
from specc.emit.loop import loop_module, loop_parts
from specc.emit.model import constant_line
from specc.emit.proof import training_proof
from specc.emit.render import definitions, imports, render
from specc.emit.runs import run_modules
from specc.emit.views import HEADER
from specc.plan import Decided
from specc.resolve import Resolved
from specc.spec.schema import package_of
from specc.spec.train_schema import Train

# The run of `--smoke`: sequences per step and per forward pass, steps, and at most so many tokens per sequence.
SMOKE_BATCH, SMOKE_MICRO_BATCH, SMOKE_STEPS, SMOKE_LENGTH = 8, 4, 20, 64
SMOKE_EVERY = 10
# What prepared data was made with.
TOKENS = 'args.data / "tokenizer.json"'
# What train.py gives to the loop, besides what features add.
STAGE = ("config=config", "work=work", "seed=SEED", "learning_rate=learning_rate", "data=data")
# These fit the data, or cost nothing; all other sizes shrink for `--smoke`.
KEPT_SIZES = frozenset({"vocab_size", "max_seq_len"})

TRAINING = (
    "import math",
    "from collections.abc import Sequence",
    "from dataclasses import dataclass, replace",
    "from typing import NamedTuple, Protocol",
    "import torch",
    "from torch import Tensor",
    "from .data import Batch",
    "from .model import IGNORED, Model, loss_sum",
    "from .ranks import ALONE, Ranks",
)
TRAIN = (
    "import argparse",
    "import sys",
    "from pathlib import Path",
    "import torch",
    "from torch.distributed import is_initialized",
    "from {package}.data import DataError, Dataset",
    "from {package}.engine import TorchEngine",
    "from {package}.loop import Stage, Trainer, train",
    "from {package}.model import Config, Model",
    "from {package}.overrides import overridden",
    "from {package}.ranks import Ranks, joined",
    "from {package}.run import Run, RunError, opened",
    "from {package}.training import Objective, Work, learning_rate, make_optimizer",
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
    setup: tuple[str, ...]
    stage: tuple[str, ...]


def training_modules(decided: Decided) -> dict[str, str]:
    """Return what trains the model, by path, not yet formatted; nothing for a spec without `train`."""
    resolved = decided.resolved
    train, name = resolved.spec.train, resolved.spec.name
    if train is None:
        return {}
    package = package_of(name)
    parts = loop_parts(decided, train)
    return {
        **run_modules(package, train, parts),
        f"{package}/training.py": _training(decided, parts),
        f"{package}/loop.py": loop_module(name, parts),
        "train.py": _train(resolved, package, train, parts),
        **align_modules(resolved, parts),
        **training_proof(package),
    }


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


def _train(resolved: Resolved, package: str, train: Train, parts: TrainParts) -> str:
    own = ("from {package}.tokenizer import tokenizer_files",) if resolved.spec.tokenizer else ()
    files = f"tokenizer_files({TOKENS})" if own else f"[{TOKENS}]"
    view = TrainView(
        header=HEADER,
        name=resolved.spec.name,
        package=package,
        imports=script_imports(package, (*TRAIN, *own, *parts.setup_imports, *parts.opening_imports)),
        seed=train.seed,
        smoke_config=smoke_config(resolved.network.parts(resolved.spec.model.attention.backend).sizes),
        smoke_work=smoke_work(resolved.run.sequence_length, validates=resolved.run.validate_every is not None),
        setup=parts.setup,
        stage=(*STAGE, *parts.opening, f"files={files}"),
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
