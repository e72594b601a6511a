"""Projects that are served, and the environments of the engines that serve them."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from benchmarks.measures import ROOT
from tests.emitted import compiled, imported, lay_out
from tests.first_light import must, write_corpus
from tests.processes import Job, Launched, free_port
from tests.spec_space import SpecValues

START = 240  # seconds that an engine may take to start, on a machine that does other things too
ENVIRONMENTS = {"sglang": "serve", "vllm": "serve-vllm"}
LLAMA: SpecValues = {
    "num_layers": 2,
    "hidden_size": 64,
    "num_heads": 2,
    "num_kv_heads": 1,
    "max_seq_len": 128,
    "ffn": {"intermediate_size": 96},
}
# No public family has this shape: its code travels with its weights.
REMOTE: SpecValues = {
    **LLAMA,
    "attention": {"kind": "gqa", "bias": "qkv"},
    "ffn": {"activation": "gelu", "intermediate_size": 96},
}
GPT2: SpecValues = {
    "num_layers": 2,
    "hidden_size": 64,
    "num_heads": 2,
    "max_seq_len": 128,
    "tie_embeddings": True,
    "attention": {"kind": "mha", "bias": "all"},
    "position": "learned",
    "norm": {"kind": "layernorm"},
    "ffn": {"activation": "gelu_tanh", "bias": True},
}


@cache
def engine_python(engine: str) -> str:
    """Return the Python of an engine's environment: the one that `make` names, or one built here, in minutes."""
    name = ENVIRONMENTS[engine]
    folder = os.environ.get(f"SPECC_{name.upper().replace('-', '_')}")
    if folder is None:
        # The Python that `make` would take, so that both find the same environment.
        python = Path(sys.base_prefix) / "bin" / "python3"
        command = [str(python), ".ci/environment.py", name, f"requirements/{name}.txt"]
        folder = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return str(Path(folder) / "bin" / "python")


def make_served(folder: Path, model: SpecValues, engine: str, template: str | None = "chatml") -> Path:
    """Lay out a project with a server, train its tokenizer, and write `checkpoint` and `other` with random weights."""
    values = {
        "specc": 1,
        "name": "served",
        "model": model,
        "tokenizer": {"kind": "bpe", "vocab_size": 300, "chat_template": template},
        "serve": {"engine": engine},
        "cluster": {"gpu": "cpu"},
    }
    lay_out(compiled(values), folder)
    write_corpus(folder / "words")
    must(folder, "train_tokenizer.py", "--input", "words", "--out", "data")
    with imported("served", folder) as modules:
        checkpoint = importlib.import_module("served.checkpoint")
        files = importlib.import_module("served.tokenizer").tokenizer_files(folder / "data" / "tokenizer.json")
        for seed, name in enumerate(("checkpoint", "other")):
            write_random(modules, checkpoint, folder / name, files, seed)
    return folder


def write_random(modules: Any, checkpoint: Any, folder: Path, files: list[Path], seed: int) -> None:
    """Write a checkpoint whose every tensor is random: biases of 0 and norms of 1 would hide mistakes."""
    model = modules.Model(modules.Config())
    random = torch.Generator().manual_seed(seed)
    for tensor in model.parameters():
        torch.nn.init.normal_(tensor, mean=0.1, std=0.2, generator=random)
    checkpoint.write_checkpoint(folder, vars(model.config), model.state_dict(), files)


class Server(NamedTuple):
    """A server that was started, perhaps not ready yet."""

    project: Path
    url: str
    port: str
    processes: Launched
    said: Path

    def client(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a client of the project against it."""
        command = [sys.executable, f"serve/{script}.py", "--url", self.url, *arguments]
        variables = {**os.environ, "PYTHONPATH": str(self.project), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=self.project, env=variables, capture_output=True, text=True, check=False, timeout=600
        )

    def end(self, number: int) -> int:
        """Send the launcher a signal, wait until nothing of the server is left, and return its exit status."""
        self.processes.signal(number)
        deadline = time.monotonic() + 60
        while (status := self.processes.status()) is None:
            assert time.monotonic() < deadline, f"still there: {self.processes.pids()}"
            time.sleep(0.1)
        return status


@contextmanager
def serving(project: Path, engine: str) -> Iterator[Server]:
    """Start a server of `checkpoint` on a port of its own; nothing of it is left afterwards."""
    port, said = free_port(), project / "said.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVE_PYTHON", engine_python(engine))
        patch.setenv("PORT", port)
        job = Job(project, ["checkpoint"], said)
        server = Server(project, f"http://127.0.0.1:{port}", port, Launched(["bash", "serve/launch.sh"], job), said)
    try:
        yield server
    finally:
        for pid in server.processes.pids():
            os.kill(pid, signal.SIGKILL)
        server.processes.process.wait()
