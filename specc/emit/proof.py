"""The emitted `tests/`: property tests of this model against the reference, and the reference itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specc.catalog.base import ModelParts, Size
from specc.catalog.model import Network
from specc.emit.imports import script_imports
from specc.emit.render import render
from specc.emit.views import HEADER, HeaderView, ModuleView
from specc.resources import reference_root

# What the reference says of training, beyond the model itself.
TRAINING_ONLY = frozenset({"optimizer.py", "schedule.py"})
# What it says of losses that TRL computes; they are compared where specc itself is tested.
NOT_COPIED = frozenset({"preference.py"})
# Modules of `tests/` that its other modules import by their names.
BESIDE = ("cases", "reference")

COMMON = ("from cases import Case, cases", "from hypothesis import given", "from torch.testing import assert_close")
CASES = (
    "import copy",
    "import json",
    "from dataclasses import dataclass",
    "from pathlib import Path",
    "from typing import Any",
    "import numpy as np",
    "import torch",
    "from hypothesis import strategies as st",
    "from torch import Tensor",
    "from {package}.model import IGNORED, Config, Model",
)
INIT = ("import torch", "from cases import DECIDED", "from {package}.model import Config, Model")
# What each test module imports; `{package}` is the project's.
TESTS: Mapping[str, tuple[str, ...]] = {
    "test_model": (
        *COMMON,
        "import json",
        "from collections.abc import Callable",
        "from pathlib import Path",
        "import numpy as np",
        "import reference",
        "import torch",
        "from {package}.model import Config, Model, loss_sum",
    ),
    "test_packing": (*COMMON, "import torch", "from {package}.model import loss_sum"),
    "test_decoding": (
        *COMMON,
        "import torch",
        "from hypothesis import strategies as st",
        "from torch import Tensor",
        "from {package}.generation import beam_search, generate",
        "from {package}.model import Cache, Model",
    ),
}
TRAINING = (
    *COMMON,
    "import copy",
    "import json",
    "import math",
    "from pathlib import Path",
    "import torch",
    "from hypothesis import strategies as st",
    "from reference import optimizer, schedule",
    "from torch import Tensor",
    "from {package}.data import Batch",
    "from {package}.model import IGNORED, loss_sum",
    "from {package}.training import Objective, Step, accumulate, learning_rate, make_optimizer",
    "from {package}.training import train_step",
)
DROPOUT = (*COMMON[:2], "from unittest import mock", "import torch.nn.functional as F")


@dataclass(frozen=True, slots=True)
class CasesView:
    """What `tests/cases.py.j2` says."""

    header: str
    imports: str
    sizes: tuple[Size, ...]
    assignments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InitView:
    """What `tests/test_init.py.j2` says."""

    header: str
    imports: str
    sizes: tuple[Size, ...]
    statements: tuple[str, ...]


def training_proof(package: str) -> dict[str, str]:
    """Return the test module about training, by path, not yet formatted."""
    return {"tests/test_training.py": proof_module("test_training", package, TRAINING)}


def proof_modules(package: str, network: Network, parts: ModelParts) -> dict[str, str]:
    """Return the test modules about the model, by path, not yet formatted."""
    dropout = network.dropout
    tests = dict(TESTS)
    if dropout.embedding or dropout.attention or dropout.residual:
        tests["test_dropout"] = DROPOUT
    return {
        "tests/conftest.py": render("tests/conftest.py.j2", HeaderView(HEADER)),
        "tests/cases.py": _cases(package, parts),
        "tests/test_init.py": _init(package, network, parts),
        **{f"tests/{name}.py": proof_module(name, package, imports) for name, imports in tests.items()},
    }


def proof_module(name: str, package: str, imports: tuple[str, ...]) -> str:
    """Return a test module that depends on nothing but the project's package."""
    return render(f"tests/{name}.py.j2", ModuleView(HEADER, script_imports(package, imports, BESIDE)))


def reference_files(*, training: bool) -> dict[str, str]:
    """Return the reference as it is copied into a project, by path."""
    return {
        f"tests/reference/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted(reference_root().glob("*.py"))
        if path.name not in NOT_COPIED and (training or path.name not in TRAINING_ONLY)
    }


def decided_section(section: Mapping[str, Any]) -> str:
    """Return `tests/model.json` or `tests/train.json`: a decided section, as the reference reads it."""
    return json.dumps(section, indent=2, sort_keys=True) + "\n"


def _cases(package: str, parts: ModelParts) -> str:
    view = CasesView(HEADER, script_imports(package, CASES, BESIDE), parts.sizes, _assignments(parts))
    return render("tests/cases.py.j2", view)


def _assignments(parts: ModelParts) -> tuple[str, ...]:
    """Return the statements that put the sizes of `config` into a decided `model` section."""
    sizes = tuple(
        f"model{_index(size.section) if size.section else ''}{_index(size.name)} = config.{size.name}"
        for size in parts.sizes
    )
    return (*sizes, *(f"model{_index(name)} = {expression}" for name, expression in parts.implied))


def _index(key: str) -> str:
    return f'["{key}"]'


def _init(package: str, network: Network, parts: ModelParts) -> str:
    expected = network.init.expected
    maths = ("import math",) if any("math." in statement for statement in expected) else ()
    view = InitView(HEADER, script_imports(package, (*INIT, *maths), BESIDE), parts.sizes, expected)
    return render("tests/test_init.py.j2", view)
