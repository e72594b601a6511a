"""What is seen of a run while it trains: the loss of held-out documents, and what TensorBoard shows."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.emitted import imported
from tests.first_light import BATCH, LENGTH, STEPS, make_project, metrics, must, prepare

EVERY = 6
LOGGING = {"checkpoint": {"every": EVERY}, "logging": {"every": 4, "to": ["tensorboard"]}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that held documents out, trained for half of its steps, and then for the rest."""
    data = {"validation": {"fraction": 0.3}}
    folder = make_project(tmp_path_factory.mktemp("watching") / "project", train=LOGGING, data=data)
    prepare(folder)
    must(folder, "train.py", "--data", "data", "--out", "run", "--steps", str(STEPS // 2))
    must(folder, "train.py", "--data", "data", "--out", "run")
    return folder


def validations(run: Path) -> dict[int, float]:
    """Return the losses of held-out documents in the journal of a run, by step."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return {event["step"]: event["loss"] for event in events if event["event"] == "validation"}


def test_the_held_out_loss_is_that_of_the_checkpoint(project: Path) -> None:
    losses = validations(project / "run")
    with imported("tiny_model", project) as model, torch.no_grad():
        data = importlib.import_module("tiny_model.data")
        held_out = data.Dataset(project / "data", "validation", 300, LENGTH, 7)
        batch = held_out.batch(range(held_out.windows))
        network = model.load(project / "run" / "checkpoints" / f"step-{STEPS}").double()
        total = model.loss_sum(network(batch.tokens, batch.documents), batch.targets)
        expected = float(total / (batch.targets != model.IGNORED).sum())

    assert sorted(losses) == list(range(EVERY, STEPS + 1, EVERY))
    assert held_out.windows <= 20 * BATCH  # else only some are read
    assert losses[STEPS] == pytest.approx(expected, rel=1e-5)
    assert losses[STEPS] < losses[EVERY]


def test_the_lines_of_these_steps_have_it_too(project: Path) -> None:
    lines = {line["step"]: line["validation_loss"] for line in metrics(project / "run") if "validation_loss" in line}
    assert lines == validations(project / "run")


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard shows of a run, by name."""
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    return {name: [(event.step, event.value) for event in board.Scalars(name)] for name in board.Tags()["scalars"]}


def test_tensorboard_shows_the_metrics(project: Path) -> None:
    lines: list[dict[str, Any]] = [line for line in metrics(project / "run") if line["step"] % 4 == 0]
    shown = scalars(project / "run")

    for name in ("loss", "lr", "grad_norm"):
        assert [step for step, _ in shown[name]] == [line["step"] for line in lines]
        assert [value for _, value in shown[name]] == pytest.approx([line[name] for line in lines], rel=1e-6)
    assert [step for step, _ in shown["validation_loss"]] == [12, 24]


def test_a_corpus_too_small_to_hold_some_out_trains_all_the_same(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project", train=LOGGING, data={"validation": {"fraction": 0.3}})
    for file in sorted((folder / "words").iterdir())[1:]:
        file.unlink()
    (text,) = (folder / "words").iterdir()
    text.write_text(text.read_text(encoding="utf-8") * 30, encoding="utf-8")
    must(folder, "train_tokenizer.py", "--out", "data", "--smoke")
    must(folder, "prepare_data.py", "--out", "data")
    must(folder, "train.py", "--data", "data", "--out", "run", "--steps", "2")

    assert validations(folder / "run") == {}
