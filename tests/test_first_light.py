"""The emitted stages, run one after another as a user does: text, tokenizer, data, training, a completion."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from types import ModuleType

import pytest
import torch
from tokenizers import Tokenizer

from specc.reference.schedule import cosine
from tests.emitted import imported
from tests.first_light import (
    BATCH,
    LENGTH,
    LR,
    STEPS,
    WARMUP,
    make_project,
    metrics,
    must,
    prepare,
    stage,
)

CHECKPOINT = f"run/checkpoints/step-{STEPS}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was trained; tests must not change it."""
    folder = make_project(tmp_path_factory.mktemp("light") / "project")
    (folder / "words" / "binary.bin").write_bytes(b"\xff\xfe\x00")
    prepare(folder)
    must(folder, "train.py", "--data", "data", "--out", "run")
    return folder


def test_the_loss_falls(project: Path) -> None:
    losses = [line["loss"] for line in metrics(project / "run")]
    assert mean(losses[-5:]) < 0.8 * mean(losses[:5])


def test_metrics_have_a_line_for_each_step(project: Path) -> None:
    lines = metrics(project / "run")
    keys = {"step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second", "mfu", "skipped", "sample_ids"}
    assert all(set(line) == keys for line in lines)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert [line["tokens"] for line in lines] == [step * BATCH * LENGTH for step in range(1, STEPS + 1)]
    assert all(line["grad_norm"] > 0 and line["tokens_per_second"] > 0 for line in lines)
    assert {(line["mfu"], line["skipped"]) for line in lines} == {(None, False)}


def test_the_learning_rate_is_the_references(project: Path) -> None:
    schedule = {"warmup": WARMUP, "min_lr_ratio": 0.1}
    expected = [cosine(step, STEPS, schedule, LR) for step in range(STEPS)]
    assert [line["lr"] for line in metrics(project / "run")] == pytest.approx(expected, rel=1e-12)


def test_the_same_seed_gives_the_same_run(project: Path, tmp_path: Path) -> None:
    must(project, "train.py", "--data", "data", "--out", str(tmp_path / "again"))

    def learned(run: Path) -> list[tuple[float, ...]]:
        return [(line["loss"], line["lr"], line["grad_norm"]) for line in metrics(run)]

    assert learned(tmp_path / "again") == learned(project / "run")


def test_the_same_text_gives_the_same_tokenizer(project: Path, tmp_path: Path) -> None:
    must(project, "train_tokenizer.py", "--out", str(tmp_path))
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))

    assert (tmp_path / "tokenizer.json").read_bytes() == (project / "data" / "tokenizer.json").read_bytes()
    assert tokenizer.get_vocab_size() == 300


def complete(project: Path, *options: str) -> str:
    return must(project, "generate.py", "--checkpoint", CHECKPOINT, "--prompt", "alpha beta", *options)


def test_a_completion_depends_on_the_seed_alone(project: Path) -> None:
    drawn = ("--temperature", "1.5", "--max-new-tokens", "30", "--seed")
    first = complete(project, *drawn, "1")

    assert first.startswith("alpha beta")
    assert complete(project, *drawn, "1") == first
    assert complete(project, *drawn, "2") != first


TRAIN = ("train.py", "--out", "{tmp}/run", "--data")
ERRORS = {
    "no data": ((*TRAIN, "{tmp}/none"), "data_card.json is missing"),
    "no steps": ((*TRAIN, "data", "--steps", "0"), "is no whole number above 0"),
    "no launcher": ((*TRAIN, "data", "--deepspeed", "ds_config.json"), "--deepspeed needs a launcher"),
    "no such size": ((*TRAIN, "data", "--set", "train.stops=3"), "train.stops is no size"),
    "no checkpoint": (("generate.py", "--prompt", "a", "--checkpoint", "{tmp}/none"), "is no folder"),
    "empty prompt": (("generate.py", "--checkpoint", CHECKPOINT, "--prompt", ""), "no prompt"),
    "too many tokens": (
        ("generate.py", "--checkpoint", CHECKPOINT, "--prompt", "a", "--max-new-tokens", "64"),
        "exceed the longest sequence",
    ),
}


@pytest.mark.parametrize(("command", "said"), list(ERRORS.values()), ids=list(ERRORS))
def test_wrong_input_is_one_clear_line(project: Path, tmp_path: Path, command: tuple[str, ...], said: str) -> None:
    done = stage(project, *(part.format(tmp=tmp_path) for part in command))

    assert done.returncode == 1
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert said in error
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_run_that_is_done_stays_as_it_is(project: Path) -> None:
    def written() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (project / "run").glob("*.jsonl")}

    before = written()
    done = stage(project, "train.py", "--data", "data", "--out", "run")

    assert (done.returncode, done.stderr) == (0, f"trained: {CHECKPOINT}\n")
    assert written() == before


def test_sizes_can_be_set_for_a_run(project: Path, tmp_path: Path) -> None:
    sizes = ("model.num_layers=1", "train.global_batch_size=4", "train.steps=3", "train.checkpoint_every=2")
    must(project, "train.py", "--data", "data", "--out", str(tmp_path), *(f"--set={size}" for size in sizes))
    config = json.loads((tmp_path / "checkpoints" / "step-2" / "config.json").read_text(encoding="utf-8"))

    assert config["num_layers"] == 1
    assert [line["tokens"] for line in metrics(tmp_path)] == [step * 4 * LENGTH for step in (1, 2, 3)]


def test_every_stage_has_a_small_version(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project")
    must(folder, "train_tokenizer.py", "--smoke", "--out", "data")
    must(folder, "prepare_data.py", "--smoke", "--out", "data")
    must(folder, "train.py", "--smoke", "--data", "data", "--out", "run")
    printed = must(folder, "generate.py", "--smoke", "--checkpoint", "run/checkpoints/step-20", "--prompt", "alpha")

    assert printed.startswith("alpha")


@pytest.fixture
def package(project: Path) -> Iterator[ModuleType]:
    with imported("tiny_model", project):
        yield importlib.import_module("tiny_model.data")


def test_steps_take_one_sequence_after_another(project: Path, package: ModuleType) -> None:
    data = package.Dataset(project / "data", "train", 300, LENGTH, 0)
    training = importlib.import_module("tiny_model.training")
    steps = [list(training.micro_batches(data, training.Work(), step)) for step in range(3)]
    tokens = torch.cat([batch.tokens for batches in steps for batch in batches])

    assert [len(batch.tokens) for batch in steps[0]] == [2] * (BATCH // 2)
    assert torch.equal(tokens, data.batch(range(3 * BATCH)).tokens)
