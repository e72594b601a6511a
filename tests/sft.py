"""A tiny project with stages of fine-tuning, a checkpoint to start from, and conversations for it."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

import torch

from tests.emitted import compiled, imported, lay_out
from tests.first_light import TINY, must, write_corpus
from tests.processes import Forked, Job, Training
from tests.spec_space import SpecValues

PACKAGE = "tiny_model"
LENGTH = 112
STAGE: SpecValues = {
    "kind": "sft",
    "data": [{"path": "chats.jsonl", "format": "chat"}, {"path": "tasks.jsonl", "format": "alpaca"}],
    "epochs": 6,
    "global_batch_size": 4,
    "micro_batch_size": 2,
    "validation": {"fraction": 0.15},
}
SPEC: SpecValues = {
    **TINY,
    "model": {**TINY["model"], "max_seq_len": LENGTH},
    "tokenizer": {**TINY["tokenizer"], "chat_template": "chatml"},
    "align": [
        {"name": "sft", **STAGE, "optimizer": {"lr": 1e-2}},
        {
            **{"name": "adapters", "from": "sft", **STAGE, "optimizer": {"lr": 5e-2}},
            "peft": {"rank": 4, "alpha": 8, "dropout": 0.1},
        },
    ],
}
COLOURS = {"sea": "blue", "grass": "green", "snow": "white", "coal": "black", "rose": "red", "sky": "blue"}

_numbers = count()


def chats() -> list[list[dict[str, str]]]:
    """Return conversations of one or two turns, some with a system turn: there is a rule to learn in them."""
    draw = random.Random(0)
    found = []
    for number in range(70):
        turns = []
        for thing in draw.sample(sorted(COLOURS), 1 + number % 2):
            turns.append({"role": "user", "content": f"{thing} {number}?"})
            turns.append({"role": "assistant", "content": f"{COLOURS[thing]}."})
        system = [{"role": "system", "content": "Say it."}] if number % 5 == 0 else []
        found.append([*system, *turns])
    return found


def write_rows(file: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write a file of rows."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def make_tuner(folder: Path) -> None:
    """Lay out the project with its data, and `checkpoint` with weights that were not trained."""
    lay_out(compiled(SPEC), folder)
    write_corpus(folder / "words")
    must(folder, "train_tokenizer.py", "--out", "data")
    write_rows(folder / "chats.jsonl", ({"messages": messages} for messages in chats()))
    tasks = [{"instruction": "Name it.", "input": thing, "output": COLOURS[thing]} for thing in sorted(COLOURS)]
    write_rows(folder / "tasks.jsonl", tasks)
    with imported(PACKAGE, folder) as modules:
        checkpoint = importlib.import_module(f"{PACKAGE}.checkpoint")
        tokenizer = importlib.import_module(f"{PACKAGE}.tokenizer")
        torch.manual_seed(0)
        model = modules.Model(modules.Config())
        files = tokenizer.tokenizer_files(folder / "data" / "tokenizer.json")
        checkpoint.write_checkpoint(folder / "checkpoint", vars(model.config), model.state_dict(), files)


def start(project: Path, name: str, run: Path, *options: str, ranks: int = 1) -> Training:
    """Start a stage on the checkpoint, unless the options name another."""
    said = run.with_name(f"{run.name}.{next(_numbers)}.stderr")
    model = () if "--model" in options else ("--model", "checkpoint")
    job = Job(project, (*model, "--out", str(run), *options), said, script=f"align/{name}.py")
    return Training(run, said, Forked(job, ranks))


def tune(project: Path, name: str, run: Path, *options: str, ranks: int = 1) -> Path:
    """Run a stage to its end, which has to work; return its folder."""
    status, said = start(project, name, run, *options, ranks=ranks).end()
    assert status == 0, said
    return run
