"""Specs compiled in memory, and the packages they emit imported into this process."""

from __future__ import annotations

import importlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from specc.emit import render
from specc.emit.assemble import emit, python_modules
from specc.emit.fileset import FileSet
from specc.plan import Decided, plan
from specc.resolve import resolve
from specc.spec.load import load, load_text
from tests.spec_space import FIXED, SpecValues

CASES = Path(__file__).parent / "cases"


def decide(values: SpecValues) -> Decided:
    """Return a spec, given as plain values, with every value decided."""
    return plan(resolve(load_text(json.dumps(values), "spec.yaml")))


def compiled(values: SpecValues) -> FileSet:
    """Return the project of a spec given as plain values."""
    return emit(decide(values), json.dumps(values))


def lay_out(files: FileSet, folder: Path) -> Path:
    """Write a project without any of the care that `specc build` takes, for a test that only reads it."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


@contextmanager
def imported(package: str, folder: Path) -> Iterator[ModuleType]:
    """Lend the modules of a project; nothing of it stays in this process."""
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(f"{package}.model")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


class RecordingEnvironment:
    """The environment of templates, which notes what each template was given."""

    def __init__(self) -> None:
        self.views: dict[str, list[Any]] = defaultdict(list)
        self.environment = render._environment()

    def get_template(self, name: str) -> Any:
        """Return an object with the one method that `render` calls."""
        views, template = self.views[name], self.environment.get_template(name)

        class Recorded:
            def render(self, v: Any) -> str:
                views.append(v)
                return template.render(v=v)

        return Recorded()


@cache
def rendered_views() -> dict[str, list[Any]]:
    """Return every view that the fixed specs, and those of the cases, gave to each template."""
    recording = RecordingEnvironment()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "_environment", lambda: recording)
        for values in FIXED:
            compiled(values)
        for expected in sorted(CASES.glob("*/expected")):
            python_modules(plan(resolve(load(str(expected.with_name("spec.yaml"))))))
    return dict(recording.views)
