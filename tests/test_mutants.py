"""The proof notices mistakes: each mutant of the templates or the catalog makes a property test fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
Ask = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def failures() -> Iterator[Ask]:
    """Lend a function from a mutant's name to the tests that fail for it.

    One process answers all: it loads torch once, and forks for each mutant.
    """
    command = [sys.executable, "-m", "tests.mutation"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        asking, answering = process.stdin, process.stdout
        assert asking is not None
        assert answering is not None

        def ask(name: str) -> list[str]:
            asking.write(f"{name}\n")
            asking.flush()
            return list(json.loads(answering.readline()))

        yield ask
        asking.close()


def test_there_are_enough_mutants() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    assert sum(not mutant.survives for mutant in MUTANTS) >= 28


def test_without_a_mutant_nothing_fails(failures: Ask) -> None:
    assert failures("") == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_noticed(mutant: Mutant, failures: Ask) -> None:
    assert mutant.old in (ROOT / mutant.path).read_text(encoding="utf-8")
    assert mutant.old != mutant.new
    failed = failures(mutant.name)
    if mutant.survives:
        assert failed == [], "it is noticed after all: say so"
    else:
        assert failed, "no test notices it"
