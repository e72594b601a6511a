"""What learns from pairs of answers through TRL: the scripts of `align/`, and the modules that they share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from specc.catalog.align import Dpo, Reward
from specc.catalog.base import Constant
from specc.catalog.family import family_of
from specc.emit.generation import module
from specc.emit.imports import merge_imports, script_imports
from specc.emit.model import constant_line
from specc.emit.proof import COMMON, proof_module
from specc.emit.render import render
from specc.emit.views import HEADER
from specc.plan import Decided
from specc.spec.schema import package_of
from specc.spec.train_schema import Train

# The file of a reward model's head, beside the weights of its checkpoint.
HEAD = "score.safetensors"

PREFERENCES = (
    "import hashlib",
    "import json",
    "import math",
    "from collections.abc import Iterator, Sequence",
    "from pathlib import Path",
    "from typing import Any, NamedTuple",
    "from jinja2 import TemplateError",
    "from transformers import PreTrainedTokenizerFast",
)
TRL_STAGE = (
    "import json",
    "import math",
    "import shutil",
    "import sys",
    "import time",
    "from collections.abc import Iterator, Mapping, Sequence",
    "from contextlib import contextmanager",
    "from datetime import UTC, datetime",
    "from pathlib import Path",
    "from signal import Signals",
    "from typing import Any",
    "from torch import Tensor",
    "from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainerControl",
    "from transformers import TrainerState, TrainingArguments",
    "from .checkpoint import CheckpointError, checksums, read_checkpoint, seal, verify, write_checkpoint",
    "from .convert import from_hf, to_hf",
    "from .files import locked, replacing",
    "from .interrupt import Interrupt",
    "from .model import Config",
    "from .progress import Progress",
    "from .run import append, rewind",
)
PAIRWISE = (
    "import argparse",
    "import math",
    "import warnings",
    "from collections.abc import Sequence",
    "from dataclasses import asdict, dataclass, replace",
    "from pathlib import Path",
    "from typing import Any",
    "import torch",
    "from torch import nn",
    "from torch.optim import AdamW",
    "from torch.optim.lr_scheduler import LambdaLR",
    "from transformers import PreTrainedTokenizerFast",
    "from transformers.utils.logging import disable_progress_bar, set_verbosity_error",
    "from .checkpoint import MANIFEST, CheckpointError, read_checkpoint",
    "from .convert import ConversionError",
    "from .files import sha256",
    "from .overrides import overridden",
    "from .preferences import Pair, PreferenceError, hold_out, read_pairs, read_tokenizer",
    "from .trl_stage import STATES, Stage, StageError",
)
REWARD_MODEL = (
    "import argparse",
    "import sys",
    "from collections.abc import Mapping, Sequence",
    "from pathlib import Path",
    "import torch",
    "from torch import Tensor, nn",
    "from transformers import PreTrainedModel, PreTrainedTokenizerFast",
    "from .checkpoint import CheckpointError, checksums, read_checkpoint, read_tensors, verify",
    "from .convert import ConversionError",
    "from .model import Config, Decoder, Model",
    "from .preferences import Pair, PreferenceError, content, encode, read_tokenizer",
)
SCRIPT = (
    "import sys",
    "from collections.abc import Sequence",
    "from pathlib import Path",
    "from typing import Any",
    "import torch",
    "from datasets import Dataset",
    "from transformers import AutoModelForCausalLM",
)
REWARD = (
    *SCRIPT,
    "from transformers import AutoModelForSequenceClassification",
    "from trl import RewardConfig, RewardTrainer",
)
DPO = (*SCRIPT, "from trl import DPOConfig, DPOTrainer")
# What scripts import of the package, which they find first.
PACKAGE = (
    "from {package}.pairwise import PROBLEMS, Lesson, Recipe, Work, arguments, read_lesson, settings",
    "from {package}.pairwise import sizes, trainer_arguments",
    "from {package}.preferences import Pair",
)
REWARD_PACKAGE = (
    *PACKAGE,
    "from {package}.checkpoint import read_checkpoint, write_tensors",
    "from {package}.reward import HEAD, check_rewards, reward_model",
    "from {package}.trl_stage import Stage, opened",
)
DPO_PACKAGE = (*PACKAGE, "from {package}.trl_stage import opened")
TEST_PREFERENCES = (
    "import math",
    "from collections import Counter",
    "from hypothesis import assume, given",
    "from hypothesis import strategies as st",
    "from {package}.pairwise import Recipe",
    "from {package}.preferences import Pair, hold_out",
)
TEST_REWARD = (
    *COMMON,
    "import reference",
    "import torch",
    "from hypothesis import strategies as st",
    "from {package}.reward import RewardModel",
)


@dataclass(frozen=True, slots=True)
class PairwiseView:
    """What `align/pairwise.py.j2` says."""

    header: str
    imports: str
    constants: tuple[str, ...]
    bf16: str


@dataclass(frozen=True, slots=True)
class RewardModelView:
    """What `align/reward_model.py.j2` says."""

    header: str
    package: str
    imports: str
    head: str


@dataclass(frozen=True, slots=True)
class RewardView:
    """What `align/reward.py.j2` says."""

    header: str
    name: str
    package: str
    imports: str
    package_imports: str
    files: str
    work: str
    recipe: str
    held_out: float
    trust: str


@dataclass(frozen=True, slots=True)
class DpoView:
    """What `align/dpo.py.j2` says."""

    header: str
    name: str
    imports: str
    package_imports: str
    files: str
    work: str
    recipe: str
    beta: float
    held_out: float
    trust: str


def preference_modules(decided: Decided) -> dict[str, str]:
    """Return what learns from pairs, by path, not yet formatted; nothing for a spec without such a stage."""
    spec = decided.resolved.spec
    stages, package = tuple(_stages(decided)), package_of(spec.name)
    if not stages or spec.train is None:
        return {}
    # Where no class of the library is equal to the network, its export brings code along.
    trust = "" if family_of(decided.resolved.network) else ", trust_remote_code=True"
    return {
        f"{package}/preferences.py": module("align/preferences.py.j2", PREFERENCES),
        f"{package}/trl_stage.py": module("align/trl_stage.py.j2", TRL_STAGE),
        f"{package}/pairwise.py": _pairwise(decided, spec.train),
        **(_reward_model(package) if any(isinstance(stage, Reward) for stage in stages) else {}),
        "tests/test_preferences.py": proof_module("test_preferences", package, TEST_PREFERENCES),
        **{f"align/{stage.name}.py": _script(package, stage, trust) for stage in stages},
    }


def _stages(decided: Decided) -> Iterator[Reward | Dpo]:
    """Yield the stages that learn from pairs."""
    for stage in decided.resolved.spec.align or ():
        if isinstance(stage, Reward | Dpo):
            yield stage


def _pairwise(decided: Decided, train: Train) -> str:
    clip = train.grad_clip
    constants = (
        Constant("BETA1", train.optimizer.betas[0]),
        Constant("BETA2", train.optimizer.betas[1]),
        Constant("ADAM_EPS", train.optimizer.eps),
        Constant("GRAD_CLIP", clip or 0.0, "" if clip else "none"),
    )
    bf16 = decided.resolved.run.precision.compute == "bf16"
    lines = tuple(constant_line(constant) for constant in constants)
    return render("align/pairwise.py.j2", PairwiseView(HEADER, merge_imports(PAIRWISE), lines, str(bf16)))


def _reward_model(package: str) -> dict[str, str]:
    view = RewardModelView(HEADER, package, merge_imports(REWARD_MODEL), HEAD)
    return {
        f"{package}/reward.py": render("align/reward_model.py.j2", view),
        "tests/test_reward.py": proof_module("test_reward", package, TEST_REWARD),
    }


def _script(package: str, stage: Reward | Dpo, trust: str) -> str:
    """Return the script of a stage, not yet formatted; `trust` is said whenever it loads the export."""
    held_out = stage.validation.fraction if stage.validation else 0.0
    files = ", ".join(f"Path({json.dumps(rows.path)})" for rows in stage.data)
    work, recipe = _work(stage), _recipe(stage)
    if isinstance(stage, Dpo):
        own = script_imports(package, DPO_PACKAGE)
        dpo = DpoView(HEADER, stage.name, merge_imports(DPO), own, files, work, recipe, stage.beta, held_out, trust)
        return render("align/dpo.py.j2", dpo)
    own = script_imports(package, REWARD_PACKAGE)
    reward = RewardView(HEADER, stage.name, package, merge_imports(REWARD), own, files, work, recipe, held_out, trust)
    return render("align/reward.py.j2", reward)


def _work(stage: Reward | Dpo) -> str:
    return (
        f"WORK = Work(epochs={stage.epochs}, global_batch_size={stage.global_batch_size}, "
        f"micro_batch_size={stage.micro_batch_size}, sequence_length={stage.sequence_length})"
    )


def _recipe(stage: Reward | Dpo) -> str:
    optimizer, schedule = stage.optimizer, stage.schedule
    return (
        f"RECIPE = Recipe(lr={optimizer.lr}, warmup_ratio={schedule.warmup_ratio}, "
        f"min_lr_ratio={schedule.min_lr_ratio}, weight_decay={optimizer.weight_decay}, seed={stage.seed})"
    )
