"""A tiny project with stages that learn from pairs, what they start from, and runs of them."""

from __future__ import annotations

import importlib
import json
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.emitted import compiled, imported, lay_out
from tests.first_light import must
from tests.spec_space import SpecValues

PACKAGE = "tiny_model"
EXAMPLES = Path(__file__).parents[1] / "examples" / "data"
PAIRS = EXAMPLES / "preferences.jsonl"
BATCH, MICRO_BATCH, HELD_OUT, BETA = 8, 2, 0.2, 0.2
BETAS, EPS, CLIP, WEIGHT_DECAY = (0.8, 0.9), 1e-6, 0.5, 0.05
LR = {"reward": 1e-3, "dpo": 1e-3}
ROWS = [{"path": "pairs.jsonl", "format": "preference"}]
LLAMA: SpecValues = {"num_kv_heads": 1, "ffn": {"intermediate_size": 48}}
REMOTE: SpecValues = {"num_kv_heads": 1, "norm": {"kind": "layernorm"}, "ffn": {"intermediate_size": 48}}
GPT2: SpecValues = {
    "position": {"kind": "learned"},
    "norm": {"kind": "layernorm", "bias": True},
    "ffn": {"activation": "gelu_tanh", "intermediate_size": 48, "bias": True},
    "attention": {"bias": "all"},
    "dropout": 0.1,
}


def stage(kind: str) -> SpecValues:
    """Return a stage of the spec, named like its kind."""
    return {
        "name": f"{kind}-1",
        "kind": kind,
        "data": ROWS,
        "epochs": 3,
        "global_batch_size": BATCH,
        "micro_batch_size": MICRO_BATCH,
        "optimizer": {"lr": LR[kind], "weight_decay": WEIGHT_DECAY},
        "schedule": {"warmup_ratio": 0.2, "min_lr_ratio": 0.1},
        "validation": {"fraction": HELD_OUT},
        **({"beta": BETA} if kind == "dpo" else {}),
    }


def spec(model: SpecValues, train: SpecValues) -> SpecValues:
    """Return the spec of a tiny project with both kinds of stages, and these keys in place of its own."""
    sizes = {"num_layers": 2, "hidden_size": 32, "num_heads": 2, "max_seq_len": 256, "tie_embeddings": True}
    return {
        "specc": 1,
        "name": "tiny-model",
        "model": {**sizes, **model},
        "tokenizer": {"kind": "bpe", "vocab_size": 400, "chat_template": "chatml"},
        "train": {
            "steps": 10,
            "sequence_length": 64,
            "global_batch_size": 4,
            "optimizer": {"betas": list(BETAS), "eps": EPS},
            "grad_clip": CLIP,
            "precision": "fp32",
            "compile": False,
            **train,
        },
        "data": {"sources": [{"name": "words", "path": "words", "license": "CC0-1.0"}]},
        "align": [stage("reward"), stage("dpo")],
    }


def make(folder: Path, model: SpecValues, train: SpecValues | None = None) -> Path:
    """Lay out the project, with a tokenizer and an untrained model in `start`."""
    project = lay_out(compiled(spec(model, train or {})), folder)
    (project / "words").mkdir()
    text = "\n\n\n".join(text for row in rows() for text in row.values())
    (project / "words" / "pairs.txt").write_text(text, encoding="utf-8")
    must(project, "train_tokenizer.py", "--out", "data")
    with imported(PACKAGE, project) as modules:
        checkpoint = importlib.import_module(f"{PACKAGE}.checkpoint")
        tokenizer = importlib.import_module(f"{PACKAGE}.tokenizer")
        torch.manual_seed(0)
        weights = modules.Model(modules.Config()).state_dict()
        extra = tokenizer.tokenizer_files(project / "data" / "tokenizer.json")
        checkpoint.write_checkpoint(project / "start", vars(modules.Config()), weights, extra)
    return project


@contextmanager
def signals_kept() -> Iterator[None]:
    """Give this process its own handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def arguments(project: Path, kind: str, run: Path, *options: str) -> list[str]:
    """Return the command line of a stage."""
    data = () if "--data" in options else ("--data", str(PAIRS))
    script = str(project / "align" / f"{kind}-1.py")
    return [script, "--model", str(project / "start"), "--out", str(run), *data, *options]


def perform(project: Path, kind: str, run: Path, *options: str) -> str | int | None:
    """Run a stage in this process, which has imported TRL already; return its exit code or error."""
    with pytest.MonkeyPatch.context() as patch, signals_kept(), imported(PACKAGE, project):
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "argv", arguments(project, kind, run, *options))
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as stopped:
            return stopped.code
    return None


def launch(project: Path, kind: str, run: Path, *options: str) -> subprocess.Popen[str]:
    """Run a stage as a user would."""
    command = [sys.executable, *arguments(project, kind, run, *options)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def validations(run: Path) -> list[dict[str, Any]]:
    """Return the validations of a run."""
    return [event for event in lines(run / "events.jsonl") if event["event"] == "validation"]


def learned(run: Path) -> list[dict[str, Any]]:
    """Return the steps of a run without what the clock says."""
    return [{**line, "pairs_per_second": None} for line in lines(run / "metrics.jsonl")]


def files(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows() -> list[dict[str, Any]]:
    """Return the example pairs."""
    return list(_rows())


@cache
def _rows() -> Sequence[dict[str, Any]]:
    return lines(PAIRS)


def write_rows(file: Path, rows: Sequence[Any]) -> Path:
    """Write rows, which need not be good ones."""
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def without(folder: Path, name: str, copy: Path) -> Path:
    """Return a copy of a folder that lacks a file."""
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    return copy
