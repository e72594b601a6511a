"""The emitted `checkpoint.py`, `generation.py` and what they need; `generate.py` for a model with a tokenizer."""

from __future__ import annotations

import json
from dataclasses import dataclass

from specc.emit.imports import merge_imports, script_imports
from specc.emit.render import render
from specc.emit.views import HEADER, HeaderView, ModuleView
from specc.resolve import Resolved
from specc.spec.schema import package_of

CHECKPOINT = (
    "import json",
    "import shutil",
    "from collections.abc import Iterable, Mapping",
    "from pathlib import Path",
    "from typing import Any, NamedTuple",
    "from safetensors import SafetensorError",
    "from safetensors.torch import load_file, save_file",
    "from torch import Tensor",
    "from .files import sha256, sync",
)
GENERATION = (
    "import math",
    "from collections.abc import Callable, Iterator",
    "from contextlib import contextmanager",
    "import torch",
    "import torch.nn.functional as F",
    "from torch import Tensor",
    "from .model import Cache, Model",
)
GENERATE = (
    "import argparse",
    "import sys",
    "from collections.abc import Callable",
    "from pathlib import Path",
    "import torch",
    "from tokenizers import Tokenizer",
    "from torch import Tensor",
    "from {package}.checkpoint import CheckpointError",
    "from {package}.generation import beam_search, generate, greedy, sampler",
    "from {package}.model import load",
)


@dataclass(frozen=True, slots=True)
class GenerateView:
    """What `generate/generate.py.j2` says.

    Attributes:
        opening: Statements after the `tokenizer` is opened.
        end: Expression of the token that ends a text.
    """

    header: str
    name: str
    imports: str
    opening: tuple[str, ...]
    end: str


def generation_modules(resolved: Resolved) -> dict[str, str]:
    """Return the modules that save a model and continue text with it, by path, not yet formatted."""
    package = package_of(resolved.spec.name)
    return {
        f"{package}/checkpoint.py": module("package/checkpoint.py.j2", CHECKPOINT),
        f"{package}/files.py": render("package/files.py.j2", HeaderView(HEADER)),
        f"{package}/generation.py": module("package/generation.py.j2", GENERATION),
        **_generate(resolved, package),
    }


def module(template: str, statements: tuple[str, ...]) -> str:
    """Return a module of the package that depends on nothing but its imports."""
    return render(template, ModuleView(HEADER, merge_imports(statements)))


def python_string(text: str) -> str:
    """Return a literal in double quotes, which Python and JSON read alike."""
    return json.dumps(text, ensure_ascii=False)


def _generate(resolved: Resolved, package: str) -> dict[str, str]:
    tokenizer = resolved.spec.tokenizer
    if tokenizer is None:
        return {}
    parts = tokenizer.parts()
    own = f"from {package}.tokenizer import {parts.end_name}"
    view = GenerateView(
        header=HEADER,
        name=resolved.spec.name,
        imports=script_imports(package, (*GENERATE, own)),
        opening=parts.opening,
        end=parts.end,
    )
    return {"generate.py": render("generate/generate.py.j2", view)}
