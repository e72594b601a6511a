"""What a training refuses: damage, a full disk, numbers without meaning, the folder of another. It says why.

Each test trains a tiny model in processes of its own, harms a file as a disk or a user might, and trains on.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from tests.trainer import (
    ALONE,
    PACKAGE,
    TWO_RANKS,
    Launcher,
    assert_same_run,
    edited,
    events,
    flip_bit,
    journal,
    learned,
    make_trainer,
    newest,
    once,
    random_documents,
    refused,
    saved,
    start,
    tensors,
    train,
    truncate,
    write_data,
)

EVERY = 3  # steps between checkpoints
STEPS = ("--steps", "12")
MORE = ("--steps", "15")


def make(folder: Path) -> None:
    make_trainer(folder, train={"checkpoint": {"every": EVERY}})
    write_data(folder / "data", random_documents([20 + number * 37 % 60 for number in range(200)]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data; tests must not change it."""
    return once(tmp_path_factory, "refused", make)


@pytest.fixture(scope="module")
def whole(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to; tests must not change it."""
    return once(tmp_path_factory, "refused-whole", lambda folder: train(project, folder, *STEPS))


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """That run, for a test to harm."""
    return shutil.copytree(whole, tmp_path / "run")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights, flipped bit": (lambda f: flip_bit(f / "model.safetensors"), "model.safetensors is damaged"),
    "weights, truncated": (lambda f: truncate(f / "model.safetensors"), "model.safetensors is damaged"),
    "optimizer, flipped bit": (
        lambda f: flip_bit(f / "trainer/optimizer.safetensors"),
        "optimizer.safetensors is damaged",
    ),
    "optimizer, missing": (
        lambda f: (f / "trainer/optimizer.safetensors").unlink(),
        "optimizer.safetensors is missing",
    ),
    "state, truncated": (lambda f: truncate(f / "trainer/state.json"), "state.json is damaged"),
    "manifest, flipped bit": (lambda f: flip_bit(f / "manifest.json"), "step-12"),
    "manifest, truncated": (lambda f: truncate(f / "manifest.json"), "manifest.json is no JSON"),
    "manifest, missing": (lambda f: (f / "manifest.json").unlink(), "manifest.json is missing"),
}


@pytest.mark.parametrize(("harm", "said"), list(DAMAGE.values()), ids=list(DAMAGE))
def test_a_damaged_checkpoint_is_refused_and_the_last_good_one_is_named(
    project: Path, run: Path, harm: Callable[[Path], object], said: str
) -> None:
    harm(newest(run))
    lines = learned(run)
    reason = refused(project, run, *MORE)

    assert said in reason
    assert f"the last good checkpoint is {run}/checkpoints/step-9\n" in reason
    assert learned(run) == lines
    assert events(run)[-1] == "failed"


def test_without_its_damaged_checkpoint_a_training_goes_on_from_the_one_before(
    project: Path, run: Path, whole: Path
) -> None:
    shutil.rmtree(newest(run))
    train(project, run, *STEPS)
    assert_same_run(run, whole)


def test_a_half_written_checkpoint_is_cleared_away(project: Path, run: Path) -> None:
    for name in (".step-2.new", ".step-14.new"):
        (run / "checkpoints" / name).mkdir()
        (run / "checkpoints" / name / "model.safetensors").write_text("half")
    train(project, run, *MORE)

    assert sorted(saved(run)) == ["step-12", "step-15", "step-9"]


SHARD_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncate, r"train-00000.bin is damaged: [0-9,]+ bytes instead of"),
    "flipped bit": (flip_bit, "train-00000.bin is damaged: block 0 fails its checksum"),
    "missing": (Path.unlink, "train-00000.bin is missing"),
}


@pytest.mark.parametrize(("harm", "said"), list(SHARD_DAMAGE.values()), ids=list(SHARD_DAMAGE))
def test_a_damaged_shard_is_refused_and_the_last_good_checkpoint_is_named(
    project: Path, run: Path, tmp_path: Path, harm: Callable[[Path], object], said: str
) -> None:
    data = shutil.copytree(project / "data", tmp_path / "data")
    harm(data / "train-00000.bin")
    lines = learned(run)
    reason = refused(project, run, *MORE, "--data", str(data))

    assert re.search(said, reason)
    assert f"the last good checkpoint is {run}/checkpoints/step-12\n" in reason
    assert learned(run) == lines


def test_a_training_that_cannot_start_leaves_no_run_behind(project: Path, tmp_path: Path) -> None:
    data = shutil.copytree(project / "data", tmp_path / "data")
    truncate(data / "train-00000.bin")
    reason = refused(project, tmp_path / "run", "--data", str(data))

    assert reason.endswith("\nthere is no checkpoint yet\n")
    assert [file.name for file in (tmp_path / "run").iterdir()] == [".lock"]


def test_a_shard_that_shrinks_under_a_training_is_refused(project: Path, tmp_path: Path) -> None:
    data = shutil.copytree(project / "data", tmp_path / "data")
    training = start(project, tmp_path / "run", "--steps", "100000", "--data", str(data), launcher=TWO_RANKS)
    training.wait_for_steps(4)
    for shard in data.glob("*.bin"):
        truncate(shard)
    status, said = training.end()

    assert status == 1, said
    assert ".bin is damaged" in said
    assert "the last good checkpoint is" in said


@pytest.mark.parametrize(
    ("options", "limit"),
    [(MORE, 30_000), ((*MORE, "--set", "train.checkpoint_every=1000"), 0)],
    ids=["in a checkpoint", "in a line of metrics.jsonl"],
)
def test_on_a_full_disk_a_training_stops_and_goes_on_once_there_is_room(
    project: Path, run: Path, tmp_path: Path, options: tuple[str, ...], limit: int
) -> None:
    longer = shutil.copytree(run, tmp_path / "longer")
    size = limit or (run / "metrics.jsonl").stat().st_size + 400
    status, said = start(project, run, *options, file_size=size).end()

    assert status == 1
    assert "File too large" in said
    assert f"the last good checkpoint is {run}/checkpoints/step-12\n" in said
    assert sorted(saved(run)) == ["step-12", "step-6", "step-9"]
    train(project, run, *MORE)
    train(project, longer, *MORE)
    assert_same_run(run, longer)


OTHERS: Mapping[str, tuple[str, ...]] = {
    "model.hidden_size": ("--set", "model.hidden_size=32"),
    "model.num_layers": ("--set", "model.num_layers=1"),
    "train.sequence_length": ("--set", "train.sequence_length=12"),
    "train.global_batch_size": ("--set", "train.global_batch_size=4"),
}


@pytest.mark.parametrize(("name", "options"), list(OTHERS.items()), ids=list(OTHERS))
def test_a_checkpoint_of_another_training_is_refused(
    project: Path, run: Path, name: str, options: tuple[str, ...]
) -> None:
    lines = learned(run)
    reason = refused(project, run, *MORE, *options)

    assert f"step-12 was trained with {name} " in reason
    assert learned(run) == lines


def test_a_checkpoint_of_other_data_is_refused(project: Path, run: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "data", random_documents([50] * 100, seed=1))
    assert "step-12 was trained with data " in refused(project, run, *MORE, "--data", str(tmp_path / "data"))


def test_a_checkpoint_of_another_seed_is_refused(project: Path, run: Path, tmp_path: Path) -> None:
    other = edited(project, tmp_path / "project", "train.py", "^SEED = 0$", "SEED = 1")
    assert "step-12 was trained with train.seed 0, and this run has 1" in refused(other, run, *MORE)


def test_a_training_can_be_made_longer(project: Path, run: Path) -> None:
    before = learned(run)
    train(project, run, *MORE)
    after = learned(run)

    assert after[: len(before)] == before
    assert [line[0] for line in after] == list(range(1, 16))
    assert [kind for kind in events(run) if kind != "checkpoint"] == ["started", "finished", "resumed", "finished"]
    assert after[12][2] > before[11][2]  # the learning rate is that of the longer training


def test_a_training_that_is_done_says_so_and_changes_nothing(project: Path, run: Path) -> None:
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.suffix != ".html"}
    status, said = start(project, run, *STEPS).end()

    assert (status, said) == (0, f"trained: {run}/checkpoints/step-12\n")
    assert {file: file.read_bytes() for file in before} == before


def test_a_folder_with_a_run_is_not_taken_for_a_new_one(project: Path, run: Path) -> None:
    lines = learned(run)
    assert f"{run} holds a run" in refused(project, run, *MORE, "--resume", "never")
    assert learned(run) == lines


def test_two_trainings_cannot_share_a_folder(project: Path, tmp_path: Path) -> None:
    first = start(project, tmp_path / "run", "--steps", "100000")
    first.wait_for_steps(1)
    said = refused(project, tmp_path / "run", "--resume", "auto")
    first.kill()
    first.end()

    assert f"{tmp_path / 'run'} is in use by another process" in said


NONFINITE = "3 steps in a row had no finite loss and gradient"


@pytest.mark.parametrize("ranks", [ALONE, TWO_RANKS], ids=["alone", "two ranks"])
def test_steps_without_a_finite_loss_are_skipped_and_counted_beyond_a_pause(
    project: Path, tmp_path: Path, ranks: Launcher
) -> None:
    wild = edited(
        project, tmp_path / "project", f"{PACKAGE}/training.py", "^LEARNING_RATE = .*", "LEARNING_RATE = 1e30"
    )
    run = tmp_path / "run"
    always = ("--set", "train.checkpoint_every=1")
    train(wild, run, "--steps", "3", *always, launcher=ranks)
    first, *later = (tensors(run / "checkpoints" / f"step-{step}") for step in (1, 2, 3))
    lines = journal(run / "metrics.jsonl")

    assert [line["skipped"] for line in lines] == [False, True, True]
    assert [line["loss"] is None or line["grad_norm"] is None for line in lines] == [False, True, True]
    assert all(torch.equal(tensor, other[name]) for other in later for name, tensor in first.items())
    assert events(run).count("nonfinite") == 2

    reason = refused(wild, run, "--steps", "10", *always, launcher=ranks)
    assert NONFINITE in reason
    assert [line["skipped"] for line in journal(run / "metrics.jsonl")] == [False, True, True, True]
    assert events(run)[-1] == "failed"


def test_a_training_without_any_finite_step_can_be_saved_and_goes_on(project: Path, tmp_path: Path) -> None:
    wild = edited(project, tmp_path / "project", f"{PACKAGE}/model.py", "^INIT_STD = .*", "INIT_STD = 1e30")
    train(wild, tmp_path / "run", "--steps", "2")
    assert NONFINITE in refused(wild, tmp_path / "run", "--steps", "10")


def test_the_checkpoints_that_the_spec_keeps_stay(project: Path, tmp_path: Path) -> None:
    folder = make_trainer(tmp_path / "project", train={"checkpoint": {"every": 2, "keep_last": 1, "keep_every": 4}})
    train(folder, tmp_path / "run", "--steps", "11", "--data", str(project / "data"))
    assert sorted(saved(tmp_path / "run")) == ["step-11", "step-4", "step-8"]
