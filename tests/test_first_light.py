"""The emitted stages, run one after another as a user does: text, tokenizer, data, training, a completion."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from types import ModuleType

import numpy as np
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
    write_corpus,
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
    keys = {"step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second", "mfu", "skipped"}
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


def test_tokens_are_the_documents_each_with_its_end(project: Path, tmp_path: Path) -> None:
    texts = write_corpus(tmp_path / "words")
    tokens = np.fromfile(project / "data" / "tokens.bin", dtype="<u2")
    tokenizer = Tokenizer.from_file(str(project / "data" / "tokenizer.json"))
    (ends,) = np.nonzero(tokens == tokenizer.token_to_id("<|end|>"))
    starts = [0, *(end + 1 for end in ends[:-1])]

    assert "<|end|>" in "".join(texts)
    assert [tokenizer.decode(tokens[a:b].tolist()) for a, b in zip(starts, ends, strict=True)] == texts
    assert ends[-1] == len(tokens) - 1


def test_the_data_card_counts_what_went_in_and_out(project: Path, tmp_path: Path) -> None:
    texts = write_corpus(tmp_path / "words")
    card = json.loads((project / "data" / "data_card.json").read_text(encoding="utf-8"))
    size = sum(len(text.encode()) for text in texts)

    assert card["sources"] == [{"name": "words", "path": "words", "license": "CC0-1.0"}]
    assert card["steps"] == [
        {
            "kind": "read",
            "documents_in": len(texts) + 1,
            "documents_out": len(texts),
            "bytes_in": size + 3,
            "bytes_out": size,
        }
    ]
    assert card["files"]["tokens.bin"]["bytes"] == 2 * card["tokens"]
    assert card["bytes_per_token"] == size / card["tokens"]


def test_an_unreadable_file_is_reported_and_skipped(project: Path, tmp_path: Path) -> None:
    shutil.copy(project / "data" / "tokenizer.json", tmp_path)
    done = stage(project, "prepare_data.py", "--out", str(tmp_path))

    assert done.returncode == 0
    assert "skipped words/binary.bin: not UTF-8 at byte 0" in done.stderr


def test_an_unreadable_file_ends_the_stage_where_the_spec_says_so(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project", data={"on_error": "fail"})
    must(folder, "train_tokenizer.py", "--out", "data")
    (folder / "words" / "binary.bin").write_bytes(b"ok \xff")
    done = stage(folder, "prepare_data.py", "--out", "data")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: words/binary.bin: not UTF-8 at byte 3"
    assert not (folder / "data" / "data_card.json").exists()


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
    "no steps": ((*TRAIN, "data", "--steps", "0"), "at least one step"),
    "run is finished": (("train.py", "--data", "data", "--out", "run"), "holds a trained model already"),
    "no corpus": (("prepare_data.py", "--out", "data", "--input", "{tmp}/none"), "there are no files"),
    "all excluded": (("prepare_data.py", "--out", "data", "--exclude", "*"), "are excluded"),
    "no tokenizer": (("prepare_data.py", "--out", "{tmp}/none"), "run train_tokenizer.py"),
    "no text": (("prepare_data.py", "--out", "data", "--input", "words/binary.bin"), "can be read"),
    "little text": (("train_tokenizer.py", "--out", "{tmp}", "--input", "{tmp}/few.txt"), "too little text for 300"),
    "no checkpoint": (("generate.py", "--prompt", "a", "--checkpoint", "{tmp}/none"), "is no folder"),
    "empty prompt": (("generate.py", "--checkpoint", CHECKPOINT, "--prompt", ""), "no prompt"),
    "too many tokens": (
        ("generate.py", "--checkpoint", CHECKPOINT, "--prompt", "a", "--max-new-tokens", "64"),
        "exceed the longest sequence",
    ),
}


@pytest.mark.parametrize(("command", "said"), list(ERRORS.values()), ids=list(ERRORS))
def test_wrong_input_is_one_clear_line(project: Path, tmp_path: Path, command: tuple[str, ...], said: str) -> None:
    (tmp_path / "few.txt").write_text("few words", encoding="utf-8")
    before = (project / "data" / "tokens.bin").read_bytes()
    done = stage(project, *(part.format(tmp=tmp_path) for part in command))

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    assert (project / "data" / "tokens.bin").read_bytes() == before
    assert (project / "data" / "data_card.json").exists()


def test_training_refuses_a_launcher(project: Path, tmp_path: Path) -> None:
    done = stage(project, "train.py", "--data", "data", "--out", str(tmp_path), WORLD_SIZE="2")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "one process" in done.stderr


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


def test_an_epoch_has_every_window_once(project: Path, package: ModuleType) -> None:
    data = package.Dataset(project / "data", 300, LENGTH, 0)
    tokens = np.fromfile(project / "data" / "tokens.bin", dtype="<u2")

    def epoch(number: int) -> list[tuple[int, ...]]:
        return [tuple(data.window(number * data.windows + place)) for place in range(data.windows)]

    expected = sorted(tuple(tokens[i * LENGTH : (i + 1) * LENGTH + 1]) for i in range(data.windows))
    assert sorted(epoch(0)) == sorted(epoch(1)) == expected
    assert epoch(0) != epoch(1)
    assert data.windows == (len(tokens) - 1) // LENGTH


def test_steps_take_one_sequence_after_another(project: Path, package: ModuleType) -> None:
    data = package.Dataset(project / "data", 300, LENGTH, 0)
    training = importlib.import_module("tiny_model.training")
    steps = [list(training.micro_batches(data, training.Work(), step)) for step in range(3)]
    tokens = torch.cat([batch.tokens for batches in steps for batch in batches])

    assert [len(batch.tokens) for batch in steps[0]] == [2] * (BATCH // 2)
    assert torch.equal(tokens, data.batch(0, 3 * BATCH).tokens)


def test_no_target_lies_in_another_document(project: Path, package: ModuleType) -> None:
    data = package.Dataset(project / "data", 300, LENGTH, 0)
    batch = data.batch(0, data.windows)
    end = batch.tokens == data.end

    assert end.any()
    assert (batch.targets[end] == package.IGNORED).all()
    assert (batch.targets[~end] != package.IGNORED).all()
    assert (batch.targets[:, :-1][~end[:, :-1]] == batch.tokens[:, 1:][~end[:, :-1]]).all()
    assert (batch.documents[:, 1:] - batch.documents[:, :-1] == end[:, :-1].long()).all()


def change_card(folder: Path, **changes: int) -> None:
    card = folder / "data_card.json"
    card.write_text(json.dumps({**json.loads(card.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated tokens": (lambda f: os.truncate(f / "tokens.bin", 100), "is damaged"),
    "another tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "by another tokenizer"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "foreign card": (lambda f: (f / "data_card.json").write_text("[]"), "is no data card"),
    "vocabulary too large": (lambda f: change_card(f, vocab_size=301), "301 tokens, and the model has 300"),
}


@pytest.mark.parametrize(("harm", "said"), list(HARM.values()), ids=list(HARM))
def test_harmed_data_is_refused(
    project: Path, package: ModuleType, tmp_path: Path, harm: Callable[[Path], object], said: str
) -> None:
    shutil.copytree(project / "data", tmp_path / "data")
    harm(tmp_path / "data")
    with pytest.raises(package.DataError, match=said):
        package.Dataset(tmp_path / "data", 300, LENGTH, 0)


def test_data_shorter_than_a_sequence_is_refused(project: Path, package: ModuleType) -> None:
    with pytest.raises(package.DataError, match="fewer than a sequence of"):
        package.Dataset(project / "data", 300, 10**6, 0)
