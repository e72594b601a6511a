"""Stages that learn from pairs: they learn, end once, go on after any end, and say what is wrong with a row."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests import preferring
from tests.emitted import imported

KINDS = tuple(preferring.LR)
PATIENCE = 120.0  # seconds until a stage counts as hanging


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preferring.make(tmp_path_factory.mktemp("preferring") / "project", preferring.LLAMA)


@pytest.fixture(scope="module")
def runs(project: Path) -> dict[str, Path]:
    """Return a run of each kind that nothing has disturbed."""
    runs = {kind: project.with_name(kind) for kind in KINDS}
    assert [preferring.perform(project, kind, run) for kind, run in runs.items()] == [None, None]
    return runs


@pytest.fixture
def package(project: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Lend the modules of the project, by name."""
    with imported(preferring.PACKAGE, project):
        yield lambda name: importlib.import_module(f"{preferring.PACKAGE}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_pairs_are_told_apart_better(runs: dict[str, Path], kind: str) -> None:
    first, *_, last = preferring.validations(runs[kind])
    assert first["step"] == 0
    assert first["accuracy"] <= 0.7
    assert last["accuracy"] >= 0.9
    assert last["margin"] > first["margin"] + 0.5
    assert last["loss"] < first["loss"] / 2


@pytest.mark.parametrize("kind", KINDS)
def test_result_is_a_checkpoint(
    runs: dict[str, Path], project: Path, kind: str, package: Callable[[str], ModuleType]
) -> None:
    result, start = runs[kind] / "checkpoint", project / "start"
    model, before = package("model").load(result), package("model").load(start)
    prompt = torch.tensor([[5, 6, 7]])
    assert package("generation").generate(model, prompt, 4).shape == (1, 7)
    assert not torch.equal(model.model.norm.weight, before.model.norm.weight)
    kept = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"}
    assert all((result / name).read_bytes() == (start / name).read_bytes() for name in kept)
    own = {"score.safetensors"} if kind == "reward" else set()
    assert set(package("checkpoint").checksums(result)) == {*kept, *own, "model.safetensors"}


def test_reward_model_prefers_the_better_answers(runs: dict[str, Path], package: Callable[[str], ModuleType]) -> None:
    reward, preferences = package("reward"), package("preferences")
    tokenizer = preferences.read_tokenizer(runs["reward"] / "checkpoint")
    model = reward.load_reward(runs["reward"] / "checkpoint")
    better = [
        reward.score(model, tokenizer, row["prompt"], row["chosen"])
        > reward.score(model, tokenizer, row["prompt"], row["rejected"])
        for row in preferring.rows()
    ]
    assert sum(better) >= 0.9 * len(better)


def test_only_a_reward_model_is_read_as_one(
    runs: dict[str, Path], tmp_path: Path, package: Callable[[str], ModuleType]
) -> None:
    reward, error = package("reward"), package("checkpoint").CheckpointError
    with pytest.raises(error, match="is of no reward model"):
        reward.load_reward(runs["dpo"] / "checkpoint")
    damaged = tmp_path / "damaged"
    shutil.copytree(runs["reward"] / "checkpoint", damaged)
    (damaged / "score.safetensors").write_bytes(b"")
    with pytest.raises(error, match=r"score\.safetensors is damaged"):
        reward.load_reward(damaged)


@pytest.mark.parametrize("kind", KINDS)
def test_finished_run_says_so_and_changes_nothing(
    runs: dict[str, Path], project: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = preferring.files(runs[kind])
    assert preferring.perform(project, kind, runs[kind]) is None
    assert "trained already" in capfd.readouterr().err
    assert preferring.files(runs[kind]) == before


def test_run_of_other_settings_is_refused(runs: dict[str, Path], project: Path, tmp_path: Path) -> None:
    other = preferring.write_rows(tmp_path / "other.jsonl", preferring.rows()[:30])
    before = preferring.files(runs["dpo"])
    said = preferring.perform(project, "dpo", runs["dpo"], "--set", "train.epochs=2")
    assert "was begun with train.epochs 3, and this is 2" in str(said)
    said = preferring.perform(project, "dpo", runs["dpo"], "--data", str(other))
    assert "was begun with data" in str(said)
    assert preferring.files(runs["dpo"]) == before


def same(run: Path, expected: Path) -> bool:
    """Say whether two runs took the same steps to the same result, bit by bit."""
    return preferring.learned(run) == preferring.learned(expected) and (
        preferring.files(run / "checkpoint") == preferring.files(expected / "checkpoint")
    )


def harmed(project: Path, run: Path, number: int) -> tuple[int, str]:
    """Send a signal to a stage that has saved its state once; return its exit status and what it said."""
    process = preferring.launch(project, "dpo", run)
    deadline = time.monotonic() + PATIENCE
    while not list((run / "trl").glob("checkpoint-*/manifest.json")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    said = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, said


def test_killed_run_goes_on_from_its_last_whole_state(
    runs: dict[str, Path], project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    status, _ = harmed(project, run, signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert not (run / "checkpoint").exists()
    # As if it had been killed while it wrote one more state.
    whole = max((run / "trl").glob("checkpoint-*/manifest.json"), key=os.path.getmtime).parent
    torn = whole.with_name("checkpoint-23")
    shutil.copytree(whole, torn)
    (torn / "manifest.json").unlink()

    assert preferring.perform(project, "dpo", run) is None
    assert f"going on from {whole}" in capfd.readouterr().err
    assert same(run, runs["dpo"])
    assert not [path for path in run.iterdir() if path.name.startswith(".") and path.name != ".lock"]


def test_interrupted_run_stops_between_steps_and_goes_on(runs: dict[str, Path], project: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    status, said = harmed(project, run, signal.SIGTERM)
    assert (status, "run this again to go on" in said) == (128 + signal.SIGTERM, True), said
    assert [event["event"] for event in preferring.lines(run / "events.jsonl")][-1] == "stopped"
    taken = len(preferring.lines(run / "metrics.jsonl"))

    assert preferring.perform(project, "dpo", run) is None
    resumed = next(event for event in preferring.lines(run / "events.jsonl") if event["event"] == "resumed")
    assert resumed["step"] == taken
    assert same(run, runs["dpo"])


def test_two_processes_do_not_share_a_run(project: Path, tmp_path: Path, package: Callable[[str], ModuleType]) -> None:
    with package("files").locked(tmp_path):
        assert "is in use by another process" in str(preferring.perform(project, "dpo", tmp_path))


def test_smoke_takes_few_steps_in_any_precision(tmp_path: Path) -> None:
    """The result is compared in float32, whatever trained it."""
    project = preferring.make(tmp_path / "project", preferring.LLAMA, {"precision": "bf16", "grad_clip": None})
    for kind in KINDS:
        assert preferring.perform(project, kind, tmp_path / kind, "--smoke") is None
        assert len(preferring.lines(tmp_path / kind / "metrics.jsonl")) == 3
        weights = load_file(tmp_path / kind / "checkpoint" / "model.safetensors")
        assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


ROW: dict[str, Any] = {"prompt": "How?", "chosen": "So.", "rejected": "dunno..."}
SAYS = {"role": "assistant", "content": "So."}
ASKS = {"role": "user", "content": "How?"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"prompt": "How?", "chosen": "So."}, "no rejected; the row has prompt, chosen: rename its columns to"),
        ({"question": "How?", "good": "So.", "bad": "No."}, "no prompt, chosen, rejected; the row has question, good"),
        ({**ROW, "chosen": " "}, "chosen is empty: write it, or leave the row out"),
        ({**ROW, "rejected": ROW["chosen"]}, "both answers are the same: leave the row out"),
        ({**ROW, "chosen": [SAYS], "rejected": "So."}, "both answers are the same"),
        ({**ROW, "rejected": None}, "rejected is neither text nor a list of messages"),
        ({**ROW, "prompt": []}, "prompt is neither text nor a list of messages"),
        ({**ROW, "prompt": [{"role": "user"}]}, "prompt holds a message without role and content"),
        ({**ROW, "prompt": [{**ASKS, "role": "tool"}]}, "a message of 'tool': its role must be system, user or"),
        ({**ROW, "prompt": [ASKS, SAYS]}, "prompt must end with what the user says"),
        ({**ROW, "chosen": [SAYS, SAYS]}, "chosen must be what the assistant says, and nothing else"),
        ({**ROW, "prompt": "How? " * 200}, "tokens, more than the 256 of a sequence: shorten the row"),
        ({**ROW, "chosen": "\n\n So."}, "the prompt has other tokens once an answer follows"),
        (["How?", "So."], "no JSON object: write one with prompt, chosen, rejected"),
    ],
)
def test_bad_row_is_named(
    row: Any, why: str, project: Path, tmp_path: Path, package: Callable[[str], ModuleType]
) -> None:
    preferences = package("preferences")
    file = preferring.write_rows(tmp_path / "pairs.jsonl", [ROW, {**ROW, "prompt": [ASKS]}, row])
    tokenizer = preferences.read_tokenizer(project / "start")
    with pytest.raises(preferences.PreferenceError) as refused:
        preferences.read_pairs([file], tokenizer, 256)
    assert str(refused.value).startswith(f"{file}:3: ")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def missing(folder: Path) -> list[str]:
    return ["--data", str(folder / "missing.jsonl")]


def no_json(folder: Path) -> list[str]:
    (folder / "pairs.jsonl").write_bytes(json.dumps(ROW).encode() + b"\n\n\xff{\n")
    return ["--data", str(folder / "pairs.jsonl")]


def no_rows(folder: Path) -> list[str]:
    return ["--data", str(preferring.write_rows(folder / "pairs.jsonl", []))]


def one_prompt(folder: Path) -> list[str]:
    return ["--data", str(preferring.write_rows(folder / "pairs.jsonl", [ROW, {**ROW, "chosen": "Thus."}]))]


def few_rows(folder: Path) -> list[str]:
    rows = preferring.write_rows(folder / "pairs.jsonl", preferring.rows()[:3])
    return ["--data", str(rows), "--set", "train.epochs=1"]


def odd_batch(_: Path) -> list[str]:
    return ["--set", "train.micro_batch_size=3"]


def too_long(_: Path) -> list[str]:
    return ["--set", "train.sequence_length=257"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (missing, "No such file or directory"),
        (no_json, "pairs.jsonl:3: no JSON object in UTF-8"),
        (no_rows, "there are no rows"),
        (one_prompt, "all rows have one prompt: none of them can be held out"),
        (few_rows, "2 pairs to learn from, 1 times, are fewer than the 8 of one step"),
        (odd_batch, "8 pairs per step cannot be split evenly into 3 per forward pass"),
        (too_long, "train.sequence_length is 257, the model's 256"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    options: Callable[[Path], list[str]], why: str, project: Path, tmp_path: Path
) -> None:
    said = preferring.perform(project, "dpo", tmp_path / "run", *options(tmp_path))
    assert str(said).startswith("error: ")
    assert why in str(said)
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".lock"}


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
def test_model_without_a_tokenizer_is_refused(
    name: str, project: Path, tmp_path: Path, package: Callable[[str], ModuleType]
) -> None:
    preferences = package("preferences")
    bare = preferring.without(project / "start", name, tmp_path / "bare")
    with pytest.raises(preferences.PreferenceError, match=f"bare holds no {name}"):
        preferences.read_tokenizer(bare)


@pytest.mark.parametrize(
    ("template", "row", "why"),
    [
        (
            "{% for m in messages if m.role != 'system' %}{{ m.content }}<|im_end|>{% endfor %}",
            {**ROW, "prompt": [{"role": "system", "content": "Be brief."}, ASKS]},
            "the chat template leaves out what the system says",
        ),
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", ROW, "ends no answer with a special token"),
    ],
)
def test_template_that_loses_something_is_refused(
    template: str, row: Any, why: str, project: Path, tmp_path: Path, package: Callable[[str], ModuleType]
) -> None:
    preferences = package("preferences")
    tokenizer = preferences.read_tokenizer(project / "start")
    tokenizer.chat_template = template
    with pytest.raises(preferences.PreferenceError, match=rf"pairs\.jsonl:1: .*{why}"):
        preferences.read_pairs([preferring.write_rows(tmp_path / "pairs.jsonl", [row])], tokenizer, 256)
