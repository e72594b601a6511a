"""What a mutated copy of the compiler is put through. Only a child of `tests.mutation` imports this module."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import specc
from tests.emitted import compiled, lay_out
from tests.spec_space import FIXED

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


def digest(folder: Path, number: int) -> list[str]:
    """Return the digest of a fixed spec's output, by the copy in `folder`."""
    assert folder in Path(specc.__file__).parents
    return [compiled(FIXED[number]).digest()]


def run_project(folder: Path, number: int, sound: str) -> list[str]:
    """Compile a fixed spec with the copy in `folder`; return the tests of its project that fail.

    A mistake that does not change the output has nothing there to be noticed by.
    """
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
