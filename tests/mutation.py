"""Runs the proof of the fixed specs against each mutant: `python -m tests.mutation [NAME ...]`.

Prints one JSON document per mutant: its name, and the tests that failed. The empty name is no mutant at all.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

# Loaded once, before any fork. Nothing of specc may be among them: each child imports its own mutated copy.
import hypothesis  # noqa: F401
import jinja2  # noqa: F401
import numpy  # noqa: F401
import pydantic  # noqa: F401
import pytest
import torch

from tests.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
SPECS = 3  # the fixed specs of tests/spec_space.py, which this process must not import
PROJECT_TESTS = (
    "test_model.py",
    "test_packing.py",
    "test_decoding.py",
    "test_init.py",
    "test_dropout.py",
    "test_training.py",
)


class Failures:
    """A pytest plugin that keeps the names of tests that did not pass."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid.rpartition("/")[2])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.names.append(f"{report.nodeid}: cannot be collected")


def mutated(mutant: Mutant | None, folder: Path) -> None:
    """Copy the compiler into `folder`, with one mistake in it."""
    for name in ("specc", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").symlink_to(ROOT / "tests")
    if mutant is not None:
        path = folder / mutant.path
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")


def digest(number: int) -> list[str]:
    """Return the digest of a fixed spec's output."""
    from tests.emitted import compiled  # noqa: PLC0415 - the mutated copy, which only a child may import
    from tests.spec_space import FIXED  # noqa: PLC0415 - as above

    return [compiled(FIXED[number]).digest()]


def run_project(number: int, sound: str, folder: Path) -> list[str]:
    """Compile a fixed spec with the copy in `folder`; return the tests of its project that fail.

    A mistake that does not change the output has nothing there to be noticed by.
    """
    from tests.emitted import compiled, lay_out  # noqa: PLC0415 - as above
    from tests.spec_space import FIXED  # noqa: PLC0415 - as above

    values = FIXED[number]
    files = compiled(values)
    if files.digest() == sound:
        return []
    project = lay_out(files, folder / "projects" / str(values["name"]))
    conftest = project / "tests" / "conftest.py"
    # A mistake shows in the first examples; the rest is for the rare ones.
    fewer = conftest.read_text(encoding="utf-8").replace("max_examples=25", "max_examples=4")
    conftest.write_text(fewer, encoding="utf-8")
    os.chdir(project)
    return run_tests(project, [f"tests/{name}" for name in PROJECT_TESTS if Path("tests", name).exists()])


def run_plan_tests(folder: Path) -> list[str]:
    """Return the tests of the planner that fail with the copy in `folder`."""
    return run_tests(folder, [str(folder / "tests" / "test_plan.py")])


def run_tests(root: Path, tests: list[str]) -> list[str]:
    """Return the names of the tests that fail, up to the first."""
    failures = Failures()
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", f"--rootdir={root}"]
    pytest.main([*options, *tests], plugins=[failures])
    return failures.names


def verdict(mutant: Mutant | None, sound: tuple[str, ...]) -> list[str]:
    """Return the tests that fail with this mistake, from the first suite that notices it.

    Args:
        mutant: The mistake; None for none.
        sound: The digest of each fixed spec's output without a mistake; empty ones run every project.
    """
    projects: list[Callable[[Path], list[str]]]
    projects = [partial(run_project, number, digest) for number, digest in enumerate(sound)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        mutated(mutant, folder)
        for suite in (*projects, run_plan_tests):
            failed = in_a_child(partial(suite, folder), folder)
            if failed:
                return failed
    return []


def in_a_child(suite: Callable[[], list[str]], folder: Path) -> list[str]:
    """Return what a suite finds in a process of its own, so that no module of one mutant meets another."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        sys.path.insert(0, str(folder))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                found = suite()
            except Exception as error:  # whatever a mistake breaks, it is noticed
                found = ["".join(traceback.format_exception_only(error)).strip()]
        os.write(writing, json.dumps(found)[:60000].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return list(json.loads(answer)) if answer else ["the process died"]


def main() -> None:
    """Print the verdict on every mutant, or on those named on the command line."""
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    sound = tuple(in_a_child(partial(digest, number), ROOT)[0] for number in range(SPECS))
    print(json.dumps({"": verdict(None, ("",) * SPECS)}), flush=True)
    for mutant in MUTANTS:
        if not wanted or mutant.name in wanted:
            print(json.dumps({mutant.name: verdict(mutant, sound)}), flush=True)


if __name__ == "__main__":
    main()
