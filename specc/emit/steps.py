"""The emitted `steps.py` and `splits.py`: which documents are kept, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.base import Constant
from specc.catalog.packing import assigning
from specc.emit.imports import merge_imports
from specc.emit.model import constant_line
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.spec.data_schema import Data

_STEPS = (
    "from collections import Counter",
    "from collections.abc import Mapping",
    "from hashlib import sha256",
    "from typing import Any, NamedTuple",
    "from .documents import Document",
)
_SPLITS = (
    "from collections.abc import Iterable, Iterator",
    "from typing import NamedTuple",
    "from .steps import Examined",
)


@dataclass(frozen=True, slots=True)
class StepsView:
    """What `data/steps.py.j2` says; `steps` are the items of a tuple."""

    header: str
    imports: str
    constants: tuple[str, ...]
    definitions: tuple[str, ...]
    steps: str


@dataclass(frozen=True, slots=True)
class SplitsView:
    """What `data/splits.py.j2` says; `splits` is a tuple of names."""

    header: str
    imports: str
    splits: str
    constants: tuple[str, ...]
    definitions: tuple[str, ...]


def steps_module(data: Data) -> str:
    """Return the module of the steps, in the order of the spec."""
    parts = [step.parts() for step in data.steps]
    partials = [partial for part in parts for partial in part.partials]
    view = StepsView(
        header=HEADER,
        imports=merge_imports((*_STEPS, *(line for partial in partials for line in partial.imports))),
        constants=tuple(constant_line(constant) for part in parts for constant in part.constants),
        definitions=definitions(partials),
        steps="".join(f"{part.instance}, " for part in parts).rstrip(),
    )
    return render("data/steps.py.j2", view)


def splits_module(data: Data) -> str:
    """Return the module that assigns documents to splits."""
    partial = assigning(data.validation is not None)
    fraction = data.validation.fraction if data.validation else 0.0
    view = SplitsView(
        header=HEADER,
        imports=imports((partial,), *_SPLITS),
        splits='("train", "validation")' if fraction else '("train",)',
        constants=(constant_line(Constant("VALIDATION_FRACTION", fraction, "of all documents")),) if fraction else (),
        definitions=definitions((partial,)),
    )
    return render("data/splits.py.j2", view)
