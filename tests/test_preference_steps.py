"""Stages that learn from pairs through TRL: every step is that of a loop written by hand, and of the formula."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from specc import reference
from specc.reference import preference
from specc.reference.tensors import Array
from tests import preferring
from tests.emitted import imported

FAMILIES = {"llama": preferring.LLAMA, "gpt2": preferring.GPT2, "remote": preferring.REMOTE}
# TRL computes in float32, and AdamW lets its rounding grow from step to step.
LIMIT = 2e-4
EXACT = 1e-10


class Performed(NamedTuple):
    """A project, and the finished run of one of its stages."""

    project: Path
    kind: str
    run: Path


@pytest.fixture(scope="module", params=[(kind, family) for family in FAMILIES for kind in preferring.LR], ids="-".join)
def performed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Performed:
    kind, family = request.param
    folder = tmp_path_factory.mktemp(f"{kind}-{family}")
    project = preferring.make(folder / "project", FAMILIES[family])
    assert preferring.perform(project, kind, folder / "run") is None
    return Performed(project, kind, folder / "run")


def batches(project: Path, steps: int) -> Iterator[Sequence[Any]]:
    """Yield the pairs of every step: those that are not held out, each epoch in a random order of its own."""
    preferences = importlib.import_module(f"{preferring.PACKAGE}.preferences")
    tokenizer = preferences.read_tokenizer(project / "start")
    pairs, _ = preferences.hold_out(preferences.read_pairs([preferring.PAIRS], tokenizer, 256), preferring.HELD_OUT)
    order: list[int] = []
    for epoch in range(math.ceil(steps * preferring.BATCH / len(pairs))):
        order += torch.randperm(len(pairs), generator=torch.Generator().manual_seed(epoch)).tolist()
    for step in range(steps):
        yield [pairs[number] for number in order[step * preferring.BATCH : (step + 1) * preferring.BATCH]]


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return a fifth of linear warm-up, then half a cosine down to a tenth."""
    warmup = math.ceil(0.2 * steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (0.1 + 0.9 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2)


class Judge(nn.Module):
    """By hand, in float64: the reward of an answer, or the log-probability that the model gives it."""

    def __init__(self, model: nn.Module, head: Tensor | None) -> None:
        super().__init__()
        self.model: Any = model.double()
        self.head = None if head is None else nn.Parameter(head.double())

    def forward(self, prompt: list[int], answer: list[int]) -> Tensor:
        tokens = torch.tensor([prompt + answer])
        if self.head is not None:
            reward: Tensor = self.model.model(tokens)[0, -1] @ self.head[0]
            return reward
        logits = self.model(tokens)[0, len(prompt) - 1 : -1]
        total: Tensor = logits.log_softmax(-1)[range(len(answer)), answer].sum()
        return total


def by_formula(judge: Judge, decided: dict[str, Any], prompt: list[int], answer: list[int]) -> Array:
    """Return the same from the reference alone."""
    weights = {name: tensor.detach().numpy() for name, tensor in judge.model.named_parameters()}
    tokens = np.array([prompt + answer])
    if judge.head is None:
        targets = np.array([-100] * (len(prompt) - 1) + answer + [-100])
        return preference.log_probability(reference.forward(decided, weights, tokens)[0], targets)
    rows = np.repeat(judge.head.detach().numpy(), decided["vocab_size"], axis=0)
    untied = {**decided, "tie_embeddings": False}
    last: Array = reference.forward(untied, {**weights, "lm_head.weight": rows}, tokens)[0, -1, 0]
    return last


def sides(pairs: Sequence[Any], judge: Callable[[list[int], list[int]], Any]) -> tuple[list[Any], list[Any]]:
    """Return what a judge says of the chosen and of the rejected answers."""
    return [judge(p.prompt, p.chosen) for p in pairs], [judge(p.prompt, p.rejected) for p in pairs]


def head_of(start: Path) -> Tensor:
    """Return the head that a reward stage begins with."""
    torch.manual_seed(0)
    loaded = {"num_labels": 1, "dtype": torch.float32, "trust_remote_code": True}
    model = AutoModelForSequenceClassification.from_pretrained(start, **loaded)
    head: Tensor = model.score.weight.detach()
    return head


def optimizer_of(judge: Judge, peak: float) -> torch.optim.AdamW:
    matrices = [parameter for parameter in judge.parameters() if parameter.dim() == 2]
    vectors = [parameter for parameter in judge.parameters() if parameter.dim() == 1]
    groups = [{"params": matrices, "weight_decay": preferring.WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=peak, betas=preferring.BETAS, eps=preferring.EPS)


def by_hand(judge: Judge, start: Judge, pairs: Sequence[Any]) -> Tensor:
    """Return by how much each chosen answer is ahead [B]."""
    chosen, rejected = map(torch.stack, sides(pairs, judge))
    if judge.head is not None:
        return chosen - rejected
    with torch.no_grad():
        before, after = map(torch.stack, sides(pairs, start))
    return preferring.BETA * ((chosen - before) - (rejected - after))


def loss_by_formula(judge: Judge, start: Judge, decided: dict[str, Any], pairs: Sequence[Any]) -> float:
    """Return the loss of a batch from the reference alone."""
    chosen, rejected = map(np.array, sides(pairs, lambda *text: by_formula(judge, decided, *text)))
    if judge.head is not None:
        return float(preference.bradley_terry_loss(chosen, rejected))
    before, after = map(np.array, sides(pairs, lambda *text: by_formula(start, decided, *text)))
    return float(preference.dpo_loss(chosen, rejected, before, after, preferring.BETA))


def test_every_step_is_that_of_a_loop_written_by_hand(performed: Performed, tmp_path: Path) -> None:
    project, kind, run = performed
    decided = json.loads((project / "tests" / "model.json").read_text(encoding="utf-8"))
    lines = preferring.learned(run)
    with imported(preferring.PACKAGE, project) as model:
        importlib.import_module(f"{preferring.PACKAGE}.convert").to_hf(project / "start", tmp_path / "start")
        head = head_of(tmp_path / "start") if kind == "reward" else None
        judge, start = (Judge(model.load(project / "start").eval(), head) for _ in range(2))
        optimizer = optimizer_of(judge, preferring.LR[kind])
        for line, pairs in zip(lines, batches(project, len(lines)), strict=True):
            margins = by_hand(judge, start, pairs)
            loss = -margins.sigmoid().log().mean()
            if line["step"] % 8 == 1:
                formula = loss_by_formula(judge, start, decided, pairs)
                assert loss.item() == pytest.approx(formula, rel=EXACT, abs=EXACT)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            norm = nn.utils.clip_grad_norm_(judge.parameters(), preferring.CLIP).item()
            lr = learning_rate(line["step"] - 1, len(lines), preferring.LR[kind])
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            expected = {"loss": loss.item(), "margin": margins.mean().item(), "lr": lr, "grad_norm": norm}
            assert {name: line[name] for name in expected} == pytest.approx(expected, rel=LIMIT, abs=LIMIT)
            assert line["accuracy"] == pytest.approx((margins > 0).double().mean().item())
