"""Emitted trainers, data made to measure for them, and what their runs leave behind."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import sys
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.emitted import compiled, lay_out
from tests.first_light import TINY
from tests.processes import Forked, Job, Launched, Processes, Training
from tests.spec_space import SpecValues

VOCABULARY, END = 300, 0
BATCH = 8  # sequences of a step
PACKAGE = "tiny_model"
BLOCK = 64 * 1024  # bytes of a shard that share a checksum

SPEC: SpecValues = {
    "specc": 1,
    "name": TINY["name"],
    "model": {**TINY["model"], "vocab_size": VOCABULARY},
    "train": {
        **TINY["train"],
        "steps": 40,
        "global_batch_size": BATCH,
        "micro_batch_size": 4,
        "checkpoint": {"every": 2},
    },
}

Launcher = Callable[[Job], Processes]
ALONE: Launcher = partial(Forked, ranks=1)
TWO_RANKS: Launcher = partial(Forked, ranks=2)
COMMAND: Launcher = partial(Launched, (sys.executable, "train.py"))
TORCHRUN: Launcher = partial(Launched, ("bash", "launch/torchrun.sh"))
DEEPSPEED: Launcher = partial(Launched, ("bash", "launch/deepspeed.sh"))


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that is made by the first of pytest's processes to need it."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / f"{name}.made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            (root / f"{name}.made").touch()
    return folder


def make_trainer(folder: Path, model: SpecValues | None = None, train: SpecValues | None = None) -> Path:
    """Lay out the tiny project, with these keys in place of its own."""
    values = {**SPEC, "model": {**SPEC["model"], **(model or {})}, "train": {**SPEC["train"], **(train or {})}}
    return lay_out(compiled(values), folder)


def edited(project: Path, folder: Path, file: str, before: str, after: str) -> Path:
    """Return a copy of a project whose code was changed, as a user may."""
    shutil.copytree(project, folder)
    text, count = re.subn(before, after, (folder / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count == 1
    (folder / file).write_text(text, encoding="utf-8")
    return folder


def random_documents(lengths: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Return documents of so many tokens, the end included, in which a token foretells the next one a little."""
    random = np.random.default_rng(seed)
    documents = []
    for length in lengths:
        steps = random.integers(1, 5, length - 1)
        documents.append(np.append(1 + (random.integers(VOCABULARY) + steps.cumsum()) % (VOCABULARY - 1), END))
    return documents


def write_data(folder: Path, documents: Sequence[np.ndarray], shards: int = 2) -> Path:
    """Write documents as `prepare_data.py` would, without text and tokenizer."""
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    split = {
        "documents": len(documents),
        "tokens": sum(map(len, documents)),
        "shards": [
            _write_shard(folder / f"train-{number:05}.bin", np.concatenate(documents[number::shards]))
            for number in range(shards)
        ],
    }
    card = {
        "splits": {"train": split},
        "token_type": "<u2",
        "vocab_size": VOCABULARY,
        "eos": END,
        "tokenizer_sha256": hashlib.sha256(b"{}").hexdigest(),
    }
    (folder / "data_card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def _write_shard(file: Path, tokens: np.ndarray) -> dict[str, Any]:
    content = tokens.astype("<u2").tobytes()
    sums = [zlib.crc32(content[start : start + BLOCK]) for start in range(0, len(content), BLOCK)]
    checksums = np.array(sums, dtype="<u4").tobytes()
    file.write_bytes(content)
    file.with_suffix(".crc").write_bytes(checksums)
    return {
        "file": file.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "crc_sha256": hashlib.sha256(checksums).hexdigest(),
    }


def learned(run: Path) -> list[tuple[Any, ...]]:
    """Return what does not depend on the clock in each line of a run's metrics."""
    keys = ("step", "loss", "lr", "grad_norm", "skipped", "sample_ids")
    return [tuple(line[key] for key in keys) for line in journal(run / "metrics.jsonl")]


def journal(file: Path) -> list[dict[str, Any]]:
    """Return the lines of `metrics.jsonl` or `events.jsonl`."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def events(run: Path) -> list[str]:
    """Return the kinds of a run's events."""
    return [event["event"] for event in journal(run / "events.jsonl")]


def saved(run: Path) -> dict[str, Path]:
    """Return all that lies in the folder of checkpoints, by name."""
    return {path.name: path for path in (run / "checkpoints").iterdir()}


def tensors(checkpoint: Path) -> dict[str, Tensor]:
    """Return the weights of a checkpoint and what the optimizer keeps of them."""
    return {
        **load_file(checkpoint / "model.safetensors"),
        **load_file(checkpoint / "trainer" / "optimizer.safetensors"),
    }


def assert_same_run(run: Path, expected: Path) -> None:
    """Assert that two runs learned the same and ended with the same tensors, bit by bit."""
    assert learned(run) == learned(expected)
    ours, theirs = tensors(newest(run)), tensors(newest(expected))
    assert ours.keys() == theirs.keys()
    assert [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])] == []


def flip_bit(file: Path, position: float = 0.5) -> None:
    """Flip a bit at this share of a file."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * position)] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    """Cut a file in half."""
    os.truncate(file, file.stat().st_size // 2)


def start(
    project: Path, run: Path, *options: str, launcher: Launcher = ALONE, file_size: int = resource.RLIM_INFINITY
) -> Training:
    """Start a training on the project's `data`.

    Args:
        project: Its folder.
        run: Where results go.
        options: More options of `train.py`.
        launcher: What starts it.
        file_size: The bytes after which no file can grow, as on a full disk.
    """
    said = run.with_name(f"{run.name}.{next(_numbers)}.stderr")
    data = () if "--data" in options else ("--data", "data")
    return Training(run, said, launcher(Job(project, ("--out", str(run), *data, *options), said, file_size)))


_numbers = count()


def train(project: Path, run: Path, *options: str, launcher: Launcher = ALONE) -> Path:
    """Train to the end, which has to work; return the newest checkpoint."""
    status, said = start(project, run, *options, launcher=launcher).end()
    assert status == 0, said
    return newest(run)


def refused(project: Path, run: Path, *options: str, launcher: Launcher = ALONE) -> str:
    """Train, which has to fail with one clear error; return it."""
    status, said = start(project, run, *options, launcher=launcher).end()
    assert status == 1, said
    assert "Traceback" not in said
    return said


def newest(run: Path) -> Path:
    """Return the newest checkpoint of a run."""
    return max(saved(run).values(), key=lambda path: int(path.name.removeprefix("step-")))
