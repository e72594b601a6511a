"""Runs the proof of the fixed specs against mutants: `python -m tests.mutation`.

Reads the name of a mutant from each line of its input, and answers with the tests that fail for it, as a JSON list on
one line. The empty name is no mutant at all.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tests.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
# Loaded once, before any fork. Nothing of specc may be among them: each child imports its own mutated copy.
SHARED = ("hypothesis", "jinja2", "numpy", "pydantic", "pytest", "torch")
SPECS = 3  # the fixed specs of tests/spec_space.py, which this process must not import


def mutated(mutant: Mutant | None, folder: Path) -> None:
    """Copy the compiler into `folder`, with one mistake in it."""
    for name in ("specc", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").symlink_to(ROOT / "tests")
    if mutant is not None:
        path = folder / mutant.path
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")


def verdict(mutant: Mutant | None, sound: tuple[str, ...]) -> list[str]:
    """Return the tests that fail with this mistake, from the first suite that notices it.

    Args:
        mutant: The mistake; None for none.
        sound: The digest of each fixed spec's output without a mistake; empty ones run every project.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        mutated(mutant, folder)
        for number, digest in enumerate(sound):
            if failed := in_a_child("run_project", folder, number, digest):
                return failed
        return in_a_child("run_plan_tests", folder)


def in_a_child(suite: str, folder: Path, *arguments: object) -> list[str]:
    """Return what a function of `tests.mutation_suite` finds with the copy of the compiler in `folder`.

    It runs in a process of its own, so that no module of one mutant meets another.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        sys.path.insert(0, str(folder))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                found = getattr(importlib.import_module("tests.mutation_suite"), suite)(folder, *arguments)
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
    """Answer until the input ends."""
    for module in SHARED:
        importlib.import_module(module)
    torch.set_num_threads(1)
    mutants = {mutant.name: mutant for mutant in MUTANTS}
    sound = tuple(in_a_child("digest", ROOT, number)[0] for number in range(SPECS))
    for line in sys.stdin:
        mutant = mutants.get(line.strip())
        print(json.dumps(verdict(mutant, sound if mutant else ("",) * SPECS)), flush=True)


if __name__ == "__main__":
    main()
