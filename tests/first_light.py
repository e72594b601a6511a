"""A tiny project with every stage, and a corpus for it, for the tests that train."""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from tests.emitted import compiled, imported, lay_out
from tests.spec_space import SpecValues

LR, WARMUP, STEPS, LENGTH, BATCH = 1e-2, 4, 24, 24, 6
TINY: SpecValues = {
    "specc": 1,
    "name": "tiny-model",
    "model": {
        "num_layers": 2,
        "hidden_size": 24,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 6,
        "max_seq_len": 64,
        "ffn": {"intermediate_size": 40},
    },
    "tokenizer": {"kind": "bpe", "vocab_size": 300},
    "data": {"sources": [{"name": "words", "path": "words", "license": "CC0-1.0"}]},
    "train": {
        "steps": STEPS,
        "sequence_length": LENGTH,
        "global_batch_size": BATCH,
        "micro_batch_size": 2,
        "optimizer": {"lr": LR},
        "schedule": {"warmup": WARMUP},
        "precision": "fp32",
        "compile": False,
    },
}
WORDS = ("alpha", "beta", "gamma", "delta", "über", "naïve", "語", "def f(x):\n    return x\n", "<|end|>")


def write_corpus(folder: Path, files: int = 30, words: int = 60) -> list[str]:
    """Write text files and return their texts in the order of their names."""
    random_words = random.Random(0)
    texts = [" ".join(random_words.choices(WORDS, k=words)) for _ in range(files)]
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number:03}.txt").write_text(text, encoding="utf-8")
    return texts


def make_project(folder: Path, train: SpecValues | None = None, data: SpecValues | None = None) -> Path:
    """Lay out the tiny project, with these keys in place of its own, and its corpus `words`."""
    values = {**TINY, "train": {**TINY["train"], **(train or {})}, "data": {**TINY["data"], **(data or {})}}
    lay_out(compiled(values), folder)
    write_corpus(folder / "words")
    return folder


def stage(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a stage of a project as a user would."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def must(project: Path, *command: str) -> str:
    """Run a stage that has to succeed; return what it printed."""
    done = stage(project, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare(project: Path) -> None:
    """Run the stages before training."""
    must(project, "train_tokenizer.py", "--out", "data")
    must(project, "prepare_data.py", "--out", "data")


def write_untrained(project: Path) -> None:
    """Write `checkpoint` beside prepared data, with weights that were not trained, and `bare` without a tokenizer."""
    with imported("tiny_model", project) as modules:
        checkpoint = importlib.import_module("tiny_model.checkpoint")
        torch.manual_seed(0)
        model = modules.Model(modules.Config())
        for name, extra in (("bare", []), ("checkpoint", [project / "data" / "tokenizer.json"])):
            checkpoint.write_checkpoint(project / name, vars(model.config), model.state_dict(), extra)


def metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
