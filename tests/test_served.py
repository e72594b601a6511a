"""A real server, started as a user would, answers as the checkpoint does, and leaves nothing behind.

`make test` runs SGLang: on a CPU, with the declared stand-ins for its kernel package. `make proof` runs vLLM too, and
every layout, with 200 prompts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROOF
from tests.serving import GPT2, LLAMA, REMOTE, START, Server, make_served, serving

LAYOUTS = {"llama": LLAMA, "gpt2": GPT2, "remote": REMOTE}
SERVED = [
    ("sglang", "llama"),
    *(
        [("vllm", "llama"), ("sglang", "gpt2"), ("vllm", "gpt2"), ("sglang", "remote"), ("vllm", "remote")]
        if PROOF
        else []
    ),
]
PROMPTS = 200 if PROOF else 40


@pytest.fixture(scope="module", params=SERVED, ids="-".join)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    engine, layout = request.param
    project = make_served(tmp_path_factory.mktemp(engine) / "project", LAYOUTS[layout], engine)
    with serving(project, engine) as started:
        ready = started.client("smoke", "--wait", str(START))
        said = started.said.read_text(encoding="utf-8")
        assert ready.returncode == 0, f"{ready.stdout}{ready.stderr}{said[-3000:]}"
        assert [line.split()[0] for line in ready.stdout.splitlines()] == ["ok"] * 8
        yield started


def test_answers_are_those_of_the_checkpoint(server: Server) -> None:
    done = server.client("parity", "--checkpoint", "checkpoint", "--prompts", str(PROMPTS))

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"greedy tokens equal for {PROMPTS} of {PROMPTS} prompts" in done.stdout
    found = re.search(r"largest difference of a log-probability: (\S+)", done.stdout)
    assert found
    assert float(found[1]) < 1e-4


def test_another_checkpoint_is_a_mismatch(server: Server) -> None:
    done = server.client("parity", "--checkpoint", "other", "--prompts", "3")

    assert done.returncode == 1
    assert done.stdout.count("FAILED") == 3
    assert "0 of 3 prompts" in done.stdout


def test_label_says_how_it_runs(server: Server) -> None:
    said = server.said.read_text(encoding="utf-8")

    assert "SGLang 0.5.23, CPU, stand-in kernel package, at" in said or "vLLM 0.32.0, CPU, the third-party" in said


def test_second_server_on_the_port_is_refused(server: Server) -> None:
    done = launch(server.project, "checkpoint", PORT=server.port)

    assert done.returncode == 1
    assert done.stderr.strip().endswith("stop what is there, or set PORT to another")


def test_nothing_is_left_of_a_server_that_is_stopped(server: Server) -> None:
    """The last test of this file: the launcher hands the signal on, and ends what remains."""
    assert len(server.processes.pids()) > 2

    assert server.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert server.processes.pids() == []
    exports = [path.name for path in (server.project / "out" / "serve").iterdir()]
    assert len(exports) == 1
    assert not exports[0].startswith(".")


@pytest.mark.skipif(not PROOF, reason="one more start of an engine; `make proof` takes the time")
def test_nothing_is_left_of_a_launcher_that_is_killed(tmp_path: Path) -> None:
    with serving(make_served(tmp_path / "project", LLAMA, "sglang"), "sglang") as started:
        assert started.client("smoke", "--wait", str(START)).returncode == 0
        started.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_served(tmp_path_factory.mktemp("refused") / "project", LLAMA, "sglang", template=None)


def launch(project: Path, checkpoint: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher with this Python alone, which has no engine."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "PORT": "30123", **environment}
    command = ["bash", "serve/launch.sh", checkpoint]
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False, timeout=120)


def test_engine_that_is_not_installed(project: Path) -> None:
    done = launch(project, "checkpoint")

    assert done.returncode == 1
    assert "SGLang is not installed" in done.stderr
    assert "pip install --no-deps -r requirements/serve.txt" in done.stderr
    assert not (project / "out").exists()


def test_checkpoint_without_a_tokenizer(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "checkpoint", tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()
    done = launch(project, str(tmp_path / "bare"))

    assert done.returncode == 1
    assert re.fullmatch(r"error: \S+/bare has no tokenizer.json, and without a tokenizer .*\n", done.stderr)


@pytest.mark.parametrize("folder", ["nowhere", "words"])
def test_folder_that_is_no_checkpoint(project: Path, folder: str) -> None:
    done = launch(project, folder)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{folder} is no checkpoint: manifest.json is missing\n")


@pytest.mark.parametrize("port", ["0", "80x", "70000"])
def test_port_that_is_none(project: Path, port: str) -> None:
    done = launch(project, "checkpoint", PORT=port)

    assert done.returncode == 1
    assert "give a number from 1 to 65535" in done.stderr


def test_port_in_use(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = launch(project, "checkpoint", PORT=str(taken.getsockname()[1]))

    assert done.returncode == 1
    assert "Address already in use; stop what is there, or set PORT to another" in done.stderr


def test_clients_without_a_server(project: Path) -> None:
    for script in ("smoke.py", "parity.py"):
        command = [sys.executable, f"serve/{script}", "--url", "http://127.0.0.1:9"]
        arguments = ["--checkpoint", "checkpoint"] if script == "parity.py" else []
        variables = {**os.environ, "PYTHONPATH": str(project)}
        done = subprocess.run(
            [*command, *arguments], cwd=project, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "error: http://127.0.0.1:9 does not answer" in done.stderr


def test_checks_follow_from_the_spec(project: Path) -> None:
    """Without a chat template there is no conversation to check."""
    assert "def chat(" not in (project / "serve" / "smoke.py").read_text(encoding="utf-8")


def test_damaged_checkpoint_is_not_exported(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "checkpoint", tmp_path / "damaged")
    manifest = json.loads((tmp_path / "damaged" / "manifest.json").read_text(encoding="utf-8"))
    manifest["sha256"]["model.safetensors"] = "0"
    (tmp_path / "damaged" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    engine = tmp_path / "python"
    found = {"package": "sglang", "version": "0.5.23", "device": "cpu"}
    engine.write_text(f"#!/bin/sh\necho '{json.dumps(found)}'\n", encoding="utf-8")
    engine.chmod(0o755)
    done = launch(project, str(tmp_path / "damaged"), SERVE_PYTHON=str(engine), OUT=str(tmp_path / "out"))

    assert done.returncode == 1
    assert "model.safetensors is damaged" in done.stderr
    assert done.stderr.endswith("was not exported, for the reason above\n")
    assert list((tmp_path / "out" / "serve").iterdir()) == []
