"""One loss: what a step learns does not depend on how its work is cut and dealt out, and is what the field would learn.

Documents are of unequal length, and the first token of each is no target: ranks and micro-batches have unequal numbers
of targets, so a mean of means would be another loss.
"""

from __future__ import annotations

import importlib
import json
import math
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.emitted import imported
from tests.trainer import (
    ALONE,
    BATCH,
    DEEPSPEED,
    PACKAGE,
    SPEC,
    TWO_RANKS,
    Launcher,
    edited,
    events,
    journal,
    make_trainer,
    newest,
    once,
    random_documents,
    start,
    tensors,
    train,
    write_data,
)

STEPS = 30
# Sums are taken in another order. Measured over these steps, relative: up to 2.1e-7 for the loss, 2.7e-7 for the norm,
# which are two or three units in the last place of float32. A wrong mean changes them by 4e-4 and 5e-3.
ROUNDING = 1e-6
# bfloat16 has 8 bits. Measured: up to 7e-4 for the loss, 1e-2 for the norm.
BF16_ROUNDING = 5e-2


def make(folder: Path) -> None:
    make_trainer(folder)
    write_data(folder / "data", random_documents([3 + number * number * 37 % 90 for number in range(300)]))
    stage_2 = json.loads((folder / "ds_config.json").read_text(encoding="utf-8"))
    assert stage_2["zero_optimization"] == {"stage": 1}
    stage_2["zero_optimization"]["stage"] = 2
    (folder / "stage-2.json").write_text(json.dumps(stage_2), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data; tests must not change it."""
    return once(tmp_path_factory, "one-loss", make)


@pytest.fixture(scope="module")
def whole(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process that takes each step at once."""
    return once(tmp_path_factory, "one-loss-whole", lambda folder: learn(project, folder, ALONE, BATCH))


def learn(project: Path, run: Path, launcher: Launcher, micro_batch_size: int, *options: str) -> Path:
    """Train for all steps, so many sequences at a time."""
    sizes = ("--steps", str(STEPS), "--set", f"train.micro_batch_size={micro_batch_size}")
    return train(project, run, *sizes, *options, launcher=launcher)


def curve(run: Path) -> torch.Tensor:
    """Return loss and gradient norm of each step, [STEPS, 2]."""
    return torch.tensor(
        [[line["loss"], line["grad_norm"]] for line in journal(run / "metrics.jsonl")], dtype=torch.float64
    )


def difference(run: Path, other: Path) -> float:
    """Return the largest relative difference of the curves."""
    ours, theirs = curve(run), curve(other)
    assert ours.shape == theirs.shape == (STEPS, 2)
    return float(((ours - theirs) / theirs).abs().max())


ZERO_1, ZERO_2 = ("--deepspeed", "ds_config.json"), ("--deepspeed", "stage-2.json")
LAYOUTS: dict[str, tuple[Launcher, int, tuple[str, ...]]] = {
    "accumulated": (ALONE, 2, ()),
    "two ranks": (TWO_RANKS, 4, ()),
    "two ranks, accumulated": (TWO_RANKS, 1, ()),
    "ZeRO 1": (TWO_RANKS, 4, ZERO_1),
    "ZeRO 2": (TWO_RANKS, 4, ZERO_2),
    "ZeRO 2, accumulated": (TWO_RANKS, 1, ZERO_2),
}


@pytest.mark.parametrize(("launcher", "size", "options"), list(LAYOUTS.values()), ids=list(LAYOUTS))
def test_loss_and_gradient_do_not_depend_on_the_layout(
    project: Path, whole: Path, launcher: Launcher, size: int, options: tuple[str, ...], tmp_path: Path
) -> None:
    learn(project, tmp_path / "run", launcher, size, *options)
    assert difference(tmp_path / "run", whole) < ROUNDING


WRONG = {
    "mean of each micro-batch": (ALONE, r"/ targets$", f"/ (batch.targets != IGNORED).sum() / {BATCH // 2}"),
    "mean of each rank": (
        TWO_RANKS,
        r"return ranks.sum\(torch.stack\(counts\).sum\(\)\)",
        "return 2 * torch.stack(counts).sum()",
    ),
}


@pytest.mark.parametrize(("launcher", "right", "wrong"), list(WRONG.values()), ids=list(WRONG))
def test_a_wrong_mean_would_be_seen(
    project: Path, whole: Path, launcher: Launcher, right: str, wrong: str, tmp_path: Path
) -> None:
    other = edited(project, tmp_path / "project", f"{PACKAGE}/training.py", right, wrong)
    learn(other, tmp_path / "run", launcher, 2)
    assert difference(tmp_path / "run", whole) > 100 * ROUNDING


def test_a_run_moves_between_layouts(project: Path, whole: Path, tmp_path: Path) -> None:
    """From one process to two, to ZeRO 1 as users start it, to ZeRO 2 and back, wherever it is when asked to stop."""
    run = tmp_path / "run"
    for launcher, options in ((ALONE, ()), (TWO_RANKS, ()), (DEEPSPEED, ()), (TWO_RANKS, ZERO_2)):
        sizes = ("--steps", str(STEPS), "--set", "train.checkpoint_every=1")
        training = start(project, run, *sizes, *options, launcher=launcher)
        training.wait_for_steps(2)
        training.processes.signal(signal.SIGTERM)
        status, said = training.end()
        assert status == 128 + signal.SIGTERM, said
    learn(project, run, ALONE, BATCH)

    assert difference(run, whole) < ROUNDING
    ours, expected = tensors(newest(run)), tensors(newest(whole))
    assert ours.keys() == expected.keys()
    assert max(float((ours[name] - tensor).norm() / tensor.norm()) for name, tensor in expected.items()) < 1e-5


def test_zero_skips_steps_without_a_finite_loss(project: Path, tmp_path: Path) -> None:
    wild = edited(
        project, tmp_path / "project", f"{PACKAGE}/training.py", "^LEARNING_RATE = .*", "LEARNING_RATE = 1e30"
    )
    run = tmp_path / "run"
    train(wild, run, "--steps", "3", "--set", "train.checkpoint_every=1", *ZERO_1, launcher=TWO_RANKS)
    first, second, third = (tensors(run / "checkpoints" / f"step-{step}") for step in (1, 2, 3))

    assert [line["skipped"] for line in journal(run / "metrics.jsonl")] == [False, True, True]
    assert events(run).count("nonfinite") == 2
    assert [name for name, tensor in first.items() if not torch.equal(tensor, second[name])] == []
    assert [name for name, tensor in first.items() if not torch.equal(tensor, third[name])] == []


def test_bf16_learns_what_fp32_does(project: Path, whole: Path, tmp_path: Path) -> None:
    """Alone, with ZeRO, whose weights are bf16 beside a copy in fp32, and when ZeRO goes on from what has no copy."""
    rounded = make_trainer(tmp_path / "project", train={"precision": "bf16"})
    shutil.copytree(project / "data", rounded / "data")
    alone, zero, both = (tmp_path / name for name in ("alone", "zero", "both"))
    learn(rounded, alone, ALONE, BATCH)
    learn(rounded, zero, TWO_RANKS, 4, *ZERO_1)
    training = start(rounded, both, "--steps", str(STEPS), "--set", "train.checkpoint_every=1")
    training.wait_for_steps(8)
    training.processes.signal(signal.SIGTERM)
    training.end()
    assert len(journal(both / "metrics.jsonl")) < STEPS
    learn(rounded, both, TWO_RANKS, 4, *ZERO_1)

    for run in (alone, zero, both):
        assert 100 * ROUNDING < difference(run, whole) < BF16_ROUNDING


@pytest.fixture
def package(project: Path) -> Iterator[Any]:
    with imported(PACKAGE, project) as model:
        yield model


def test_the_curve_is_that_of_a_plain_loop_with_hugging_face(project: Path, whole: Path, package: Any) -> None:
    dataset = importlib.import_module(f"{PACKAGE}.data").Dataset
    data = dataset(project / "data", "train", package.Config().vocab_size, 24, 0)
    torch.manual_seed(0)
    theirs = hugging_face(package.Model(package.Config()).state_dict())
    matrices = [parameter for parameter in theirs.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in theirs.parameters() if parameter.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for step in range(STEPS):
        tokens, targets, documents = data.batch(range(step * BATCH, (step + 1) * BATCH))
        for group in optimizer.param_groups:
            group["lr"] = cosine(step)
        optimizer.zero_grad()
        same = documents[:, None, :, None] == documents[:, None, None, :]
        seen = same & torch.ones(same.shape[-2:], dtype=torch.bool).tril()
        mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
        logits = theirs(tokens, attention_mask=mask, position_ids=seen[:, 0].sum(-1) - 1).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        losses.append([loss.item(), norm.item()])

    expected = torch.tensor(losses, dtype=torch.float64)
    assert float(((curve(whole) - expected) / expected).abs().max()) < ROUNDING


def hugging_face(weights: dict[str, torch.Tensor]) -> Any:
    sizes = SPEC["model"]
    config = LlamaConfig(
        vocab_size=sizes["vocab_size"],
        hidden_size=sizes["hidden_size"],
        intermediate_size=sizes["ffn"]["intermediate_size"],
        num_hidden_layers=sizes["num_layers"],
        num_attention_heads=sizes["num_heads"],
        num_key_value_heads=sizes["num_kv_heads"],
        rms_norm_eps=1e-5,
    )
    model: Any = LlamaForCausalLM(config)
    model.load_state_dict(weights)
    return model


def cosine(step: int, warmup: int = 4, peak: float = 1e-2) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine down to a tenth."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - warmup) / (STEPS - warmup))))
