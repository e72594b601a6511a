"""Nothing that is killed or stopped costs a training a step: it goes on bit-equal.

Real processes on real files. The model drops values at random, so that a step depends on all that a checkpoint could
forget. There is a checkpoint each step, of a model with a wide vocabulary, so that much of the time goes into them.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import PROOF
from tests.processes import Training
from tests.trainer import (
    ALONE,
    COMMAND,
    TORCHRUN,
    TWO_RANKS,
    assert_same_run,
    events,
    make_trainer,
    newest,
    once,
    random_documents,
    saved,
    start,
    train,
    write_data,
)

# The ways to start a training: how, the seconds until its first step, and how often it is killed in a test.
LAUNCHERS = {"alone": ALONE, "two ranks": TWO_RANKS, "torchrun": TORCHRUN}
AT_LAST = {**LAUNCHERS, "torchrun": TWO_RANKS}  # it takes long to start, and changes nothing for the last one
START_SECONDS = {"alone": 0.5, "two ranks": 1.0, "torchrun": 5.0}
KILLS = {"alone": 4, "two ranks": 4, "torchrun": 2}
ROUNDS = 5 if PROOF else 1
STEPS = 40


def make(folder: Path, precision: str = "fp32") -> None:
    model = {"vocab_size": 4000, "hidden_size": 64, "head_dim": 16, "dropout": 0.1}
    train_section = {"steps": STEPS, "checkpoint": {"every": 1}, "precision": precision}
    make_trainer(folder, model=model, train=train_section)
    write_data(folder / "data", random_documents([20 + number * 37 % 60 for number in range(200)]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data; tests must not change it."""
    return once(tmp_path_factory, "faults", make)


def undisturbed(project: Path, name: str, factory: pytest.TempPathFactory) -> Path:
    """Return a run that nothing happened to; alone, started as a user does."""
    if name == "alone":
        return once(factory, "undisturbed", lambda folder: train(project, folder, launcher=COMMAND))
    return once(factory, "undisturbed-ranks", lambda folder: train(project, folder, launcher=TWO_RANKS))


def kill_at_random(training: Training, name: str, instants: random.Random) -> None:
    """Kill one rank or all: while they start, anywhere in a step, or while a checkpoint is written."""
    phase = instants.choice(("start", "step", "checkpoint", "checkpoint"))
    rank = None if name == "alone" else instants.choice((0, 1, None))
    if phase == "start":
        training.wait(instants.uniform(0, START_SECONDS[name]))
    else:
        training.wait_for_steps(1)
    if phase == "step":
        time.sleep(instants.uniform(0, 0.1))
    if phase == "checkpoint":
        training.wait_for(lambda: any(training.run.glob("checkpoints/.step-*.new")))
        time.sleep(instants.uniform(0, 0.02))
    training.kill(rank)


def assert_checkpoints_are_whole(run: Path) -> None:
    for folder in run.glob("checkpoints/step-*"):
        sums = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["sha256"]
        for file, expected in sums.items():
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == expected


@pytest.mark.parametrize("name", LAUNCHERS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_training_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    project: Path, name: str, seed: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    instants = random.Random(f"{seed} {name}")
    run = tmp_path / "run"
    for _ in range(KILLS[name]):
        training = start(project, run, launcher=LAUNCHERS[name])
        kill_at_random(training, name, instants)
        status, said = training.end()
        assert status != 0, said
        assert_checkpoints_are_whole(run)
    train(project, run, launcher=AT_LAST[name])

    assert_same_run(run, undisturbed(project, name, tmp_path_factory))
    assert sorted(saved(run)) == [f"step-{step}" for step in range(STEPS - 2, STEPS + 1)]


@pytest.mark.parametrize("name", ["alone", "torchrun"])
def test_a_training_that_is_asked_to_stop_saves_the_step_and_goes_on_later(
    project: Path, name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = tmp_path / "run"
    rarely = ("--set", "train.checkpoint_every=1000")
    for wanted in (signal.SIGINT, signal.SIGTERM):
        training = start(project, run, *rarely, launcher=LAUNCHERS[name])
        training.wait_for_steps(3)
        training.processes.signal(wanted)
        status, said = training.end()

        assert status == (128 + wanted if name == "alone" else 1), said  # torchrun has a status of its own
        assert f"stopped by {wanted.name} after step" in said
        assert events(run)[-2:] == ["checkpoint", "stopped"]
        assert newest(run).name == f"step-{training.lines()}"
    train(project, run, *rarely, launcher=AT_LAST[name])

    assert_same_run(run, undisturbed(project, name, tmp_path_factory))
    kinds = [kind for kind in events(run) if kind != "checkpoint"]
    assert kinds == ["started", "stopped", "resumed", "stopped", "resumed", "finished"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_zero_goes_on_bit_equal(precision: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    make(project, precision)
    zero = ("--deepspeed", "ds_config.json", "--steps", "20", "--set", "train.checkpoint_every=4")
    train(project, tmp_path / "expected", *zero, launcher=TWO_RANKS)
    training = start(project, tmp_path / "run", *zero, launcher=TWO_RANKS)
    training.wait_for_steps(6)
    training.kill(1)
    assert training.end()[0] != 0
    train(project, tmp_path / "run", *zero, launcher=TWO_RANKS)

    assert_same_run(tmp_path / "run", tmp_path / "expected")
    assert "resumed" in events(tmp_path / "run")
