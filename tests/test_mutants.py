"""The proof notices mistakes: each mutant of the templates or the catalog makes a property test fail.

The work is done in one process of its own, `python -m tests.mutation`: it loads torch once and forks for each mutant.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def verdicts() -> dict[str, list[str]]:
    """Run every mutant, and none, and return which tests failed for each."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: failed for line in done.stdout.splitlines() for name, failed in json.loads(line).items()}


def test_there_are_enough_mutants() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    assert sum(not mutant.survives for mutant in MUTANTS) >= 28


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_changes_one_place(mutant: Mutant) -> None:
    assert mutant.old in (ROOT / mutant.path).read_text(encoding="utf-8")
    assert mutant.old != mutant.new


@pytest.mark.xdist_group("mutants")
def test_every_mutant_is_noticed(verdicts: dict[str, list[str]]) -> None:
    assert verdicts.pop("") == [], "the proof fails without a mutant"
    assert set(verdicts) == {mutant.name for mutant in MUTANTS}
    missed = [m.name for m in MUTANTS if not m.survives and not verdicts[m.name]]
    assert missed == [], "no test notices these"
    noticed = [m.name for m in MUTANTS if m.survives and verdicts[m.name]]
    assert noticed == [], "these are noticed after all: say so"
