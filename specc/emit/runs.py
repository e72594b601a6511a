"""The emitted modules around the loop: ranks, engines, the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.loop import TrainParts, keeping
from specc.emit.generation import module
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.spec.train_schema import Train

RANKS = (
    "import os",
    "from collections.abc import Iterable, Iterator",
    "from contextlib import contextmanager",
    "from dataclasses import dataclass",
    "import torch",
    "import torch.distributed as dist",
    "from torch import Tensor",
)
ENGINE = (
    "from collections.abc import Mapping, Sequence",
    "import torch",
    "from torch import Tensor",
    "from .data import Batch",
    "from .ranks import Ranks",
    "from .training import MOMENTS, Objective, Step, empty_state, train_step",
)
ZERO = (
    "import json",
    "from collections.abc import Mapping, Sequence",
    "from pathlib import Path",
    "import deepspeed",
    "import torch",
    "from deepspeed.utils import lazy_init_hp_params_optimizer_state, safe_get_full_fp32_param",
    "from deepspeed.utils import safe_get_full_optimizer_state, safe_set_full_fp32_param",
    "from deepspeed.utils import safe_set_full_optimizer_state",
    "from torch import Tensor",
    "from .data import Batch",
    "from .ranks import Ranks",
    "from .training import MOMENTS, Objective, Step, Work, count_targets",
    "from .training import empty_state, make_optimizer",
)
OVERRIDES = (
    "from collections.abc import Mapping, Sequence",
    "from dataclasses import fields, replace",
    "from typing import Any",
)
INTERRUPT = ("import os", "import signal", "import time", "from types import FrameType")
RUN = (
    "import json",
    "import math",
    "import sys",
    "import time",
    "from collections.abc import Iterable, Iterator, Mapping",
    "from contextlib import contextmanager, nullcontext, suppress",
    "from datetime import UTC, datetime",
    "from pathlib import Path",
    "from signal import Signals",
    "from typing import Any, NamedTuple, NoReturn, Protocol",
    "from torch import Tensor",
    "from .checkpoint import CheckpointError, Training, checksums, read_checkpoint, read_training",
    "from .checkpoint import remove_checkpoint, remove_unfinished, verify, write_checkpoint",
    "from .files import locked, replacing, sync",
    "from .data import DataError",
    "from .progress import Progress",
    "from .ranks import Ranks",
    "from .report import write_report",
)


@dataclass(frozen=True, slots=True)
class RunView:
    """What `package/run.py.j2` says."""

    header: str
    imports: str
    definitions: tuple[str, ...]


def run_modules(package: str, train: Train, parts: TrainParts) -> dict[str, str]:
    """Return the modules of a package that trains, by path, not yet formatted."""
    keep = keeping(train.checkpoint.keep_last, train.checkpoint.keep_every)
    features = {f"{package}/{feature.name}.py": feature for feature in parts.modules}
    return {
        f"{package}/ranks.py": module("package/ranks.py.j2", RANKS),
        f"{package}/engine.py": module("package/engine.py.j2", ENGINE),
        f"{package}/zero.py": module("package/zero.py.j2", ZERO),
        f"{package}/overrides.py": module("package/overrides.py.j2", OVERRIDES),
        f"{package}/interrupt.py": module("package/interrupt.py.j2", INTERRUPT),
        f"{package}/run.py": render("package/run.py.j2", RunView(HEADER, imports((keep,), *RUN), definitions((keep,)))),
        **{path: module(f"package/{feature.name}.py.j2", feature.imports) for path, feature in features.items()},
    }
