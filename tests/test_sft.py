"""Fine-tuning as it is run: it learns, is killed and goes on, and what it writes is a checkpoint like any other."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.emitted import imported
from tests.first_light import must, stage
from tests.sft import LENGTH, PACKAGE, make_tuner, start, tune
from tests.trainer import assert_same_run, journal, learned, newest, once

# Adapters cannot do much about weights that were not trained.
STAGES = {"sft": 0.5, "adapters": 0.97}
"""The share of the loss before each stage that is left of it at most."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data and a checkpoint; tests must not change it."""
    return once(tmp_path_factory, "tuner", make_tuner)


def undisturbed(project: Path, name: str, factory: pytest.TempPathFactory) -> Path:
    """Return a run of a stage that nothing happened to."""
    return once(factory, f"tuned-{name}", lambda folder: tune(project, name, folder))


def held_out_loss(project: Path, checkpoint: Path) -> float:
    """Return the mean loss over what the assistant says in rows that are held out, each conversation alone."""
    with imported(PACKAGE, project) as model, torch.no_grad():
        chat = importlib.import_module(f"{PACKAGE}.chat")
        _, kept = chat.split(chat.read_rows([project / "chats.jsonl", project / "tasks.jsonl"]), 0.15)
        network = model.load(checkpoint).eval()
        total, count = 0.0, 0
        for tokens, said in chat.encode(chat.open_tokenizer(checkpoint), kept, LENGTH):
            logits = network(torch.from_numpy(tokens)[None, :-1])[0]
            rows = torch.from_numpy(said[1:])
            targets = torch.from_numpy(tokens[1:])[rows]
            total += float(torch.nn.functional.cross_entropy(logits[rows], targets, reduction="sum"))
            count += len(targets)
    return total / count


@pytest.mark.parametrize("name", STAGES)
def test_it_learns_what_holds_for_rows_it_never_saw(
    project: Path, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = undisturbed(project, name, tmp_path_factory)
    losses = [event["loss"] for event in journal(run / "events.jsonl") if event["event"] == "validation"]
    before = held_out_loss(project, project / "checkpoint")

    assert losses[-1] == pytest.approx(held_out_loss(project, newest(run)), rel=1e-4)
    assert losses[-1] < losses[0] < before
    assert losses[-1] < before * STAGES[name]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_is_killed_goes_on_bit_equal(
    project: Path, name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = undisturbed(project, name, tmp_path_factory)
    often = ("--set", "sft.checkpoints=1000")
    tuning = start(project, name, tmp_path / "run", *often)
    tuning.wait_for_steps(6)
    tuning.kill()
    assert tuning.end()[0] != 0
    tune(project, name, tmp_path / "run")

    assert_same_run(tmp_path / "run", expected)


def test_two_ranks_learn_the_same(project: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    alone = learned(undisturbed(project, "sft", tmp_path_factory))
    together = learned(tune(project, "sft", tmp_path / "run", ranks=2))

    assert [line[5] for line in together] == [line[5] for line in alone]
    assert [line[1] for line in together] == pytest.approx([line[1] for line in alone], rel=1e-3)


def test_adapters_are_merged_into_what_is_saved(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    saved = newest(undisturbed(project, "adapters", tmp_path_factory))
    before, after = (load_file(folder / "model.safetensors") for folder in (project / "checkpoint", saved))
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}

    assert before.keys() == after.keys()
    assert {name.split(".")[-2] for name in changed} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }


def test_a_tuned_checkpoint_is_one_like_any_other(
    project: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    saved = newest(undisturbed(project, "sft", tmp_path_factory))
    must(project, "generate.py", "--checkpoint", str(saved), "--prompt", "sea", "--max-new-tokens", "2")
    done = stage(project, "align/adapters.py", "--model", str(saved), "--out", str(tmp_path / "run"), "--smoke")

    assert done.returncode == 0, done.stderr
    assert (newest(tmp_path / "run") / "chat_template.jinja").is_file()
    assert len(learned(tmp_path / "run")) == 4
    with imported(PACKAGE, project) as model:
        assert model.load(newest(tmp_path / "run")).config == model.Config()
    names = set(json.loads((saved / "manifest.json").read_text(encoding="utf-8"))["sha256"])
    assert names >= {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "trainer/state.json"}


def test_the_project_proves_its_masks_packing_and_adapters(project: Path) -> None:
    done = stage(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_chat.py", "tests/test_lora.py")

    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout
