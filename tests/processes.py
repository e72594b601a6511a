"""Processes that train: forked here, or started by a launcher; a test may harm them.

A training that is forked starts at once: its parent is a server that has imported torch, which else takes seconds. The
server is a process of its own, so that nothing of the tests is inherited: no thread, no handler, no open file.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

PATIENCE = 120.0  # seconds until a process counts as hanging
MARK = "TRAINER_TEST"  # a variable by which the children of a launcher are known
# torch imports its compiler late, when the first optimizer takes a step.
PRELOADED = ["numpy", "safetensors.torch", "torch", "torch.distributed", "torch._dynamo"]

_marks = count()
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(PRELOADED)


class Job(NamedTuple):
    """What to start: a script with these arguments, in a project's folder."""

    project: Path
    arguments: Sequence[str]
    said: Path  # where stderr goes
    file_size: int = resource.RLIM_INFINITY  # bytes after which no file can grow, as on a full disk
    script: str = "train.py"


class Processes(Protocol):
    """All processes of a training."""

    def status(self) -> int | None:
        """Return the exit status once all have ended."""

    def pids(self, rank: int | None = None) -> list[int]:
        """Return those of one rank, or all."""

    def signal(self, number: int) -> None:
        """Send a signal to what was started; a launcher passes it on."""


class Forked:
    """One process, or one for each rank as a launcher would start them."""

    def __init__(self, job: Job, ranks: int) -> None:
        """Start them."""
        self.processes = [_fork(job, variables) for variables in _rank_variables(ranks)]
        self.failed = False

    def status(self) -> int | None:
        """Return the exit status, that of the first rank that failed; when one has, ask the others to end."""
        each = [process.exitcode for process in self.processes]
        if any(each) and not self.failed:
            self.failed = True
            self.signal(signal.SIGTERM)
        return None if None in each else next(filter(None, each), 0)

    def pids(self, rank: int | None = None) -> list[int]:
        """Return the processes of one rank, or all."""
        chosen = self.processes if rank is None else [self.processes[rank]]
        return [process.pid for process in chosen if process.is_alive() and process.pid is not None]

    def signal(self, number: int) -> None:
        """Send a signal to all."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _fork(job: Job, variables: Mapping[str, str]) -> BaseProcess:
    process = _server.Process(target=_train, args=(job, dict(variables)), daemon=True)
    process.start()
    return process


def _train(job: Job, variables: dict[str, str]) -> None:
    """Become `python train.py ...`, or what else the job's script is."""
    os.setsid()
    os.environ.update(variables)
    for number, file in ((1, os.devnull), (2, job.said)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    resource.setrlimit(resource.RLIMIT_FSIZE, (job.file_size, resource.RLIM_INFINITY))
    torch.set_num_threads(1)  # the server has as many as the tests were started with
    os.chdir(job.project)
    sys.path.insert(0, str(job.project))
    sys.argv = [job.script, *job.arguments]
    runpy.run_path(job.script, run_name="__main__")


def _rank_variables(ranks: int) -> list[dict[str, str]]:
    if ranks == 1:
        return [{}]
    shared = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]


class Launched:
    """A command that trains, with all the processes that come of it."""

    def __init__(self, command: Sequence[str], job: Job) -> None:
        """Start it."""
        self.mark = f"{os.getpid()}-{next(_marks)}"
        variables = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "NPROC": "2",
            "MASTER_PORT": free_port(),
            MARK: self.mark,
        }
        with job.said.open("wb") as said:
            self.process = subprocess.Popen(
                [*command, *job.arguments],
                cwd=job.project,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )

    def status(self) -> int | None:
        """Return the exit status of the launcher, once its children are gone too."""
        status = self.process.poll()
        return None if status is None or self.pids() else status

    def pids(self, rank: int | None = None) -> list[int]:
        """Return the processes of one rank, or all; the launcher is of no rank."""
        wanted = None if rank is None else str(rank)
        return [pid for pid, variables in _environments() if self._has(variables, wanted)]

    def _has(self, variables: Mapping[str, str], rank: str | None) -> bool:
        return variables.get(MARK) == self.mark and rank in (None, variables.get("RANK"))

    def signal(self, number: int) -> None:
        """Send a signal to the launcher."""
        self.process.send_signal(number)


def _environments() -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each process of this machine with the environment that it was started with."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            variables = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            yield int(folder.name), dict(entry.partition("=")[::2] for entry in variables)


def free_port() -> str:
    """Return a port that nobody listens to."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


class Training:
    """A training that runs."""

    def __init__(self, run: Path, said: Path, processes: Processes) -> None:
        """Watch processes that were just started.

        Args:
            run: Where their results go.
            said: Where their stderr goes.
            processes: The processes.
        """
        self.run = run
        self.said = said
        self.processes = processes
        self.began_at = self.lines()  # the steps that were written before

    def lines(self) -> int:
        """Return the number of steps written so far."""
        with suppress(FileNotFoundError):
            return (self.run / "metrics.jsonl").read_bytes().count(b"\n")
        return 0

    def wait_for(self, reached: Callable[[], bool]) -> None:
        """Return once this has come to pass, which has to be before the training ends."""
        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert self.processes.status() is None, self.said.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "the training hangs"
            time.sleep(0.002)

    def wait_for_steps(self, steps: int) -> None:
        """Return once so many steps are written that were not when this training started."""
        self.wait_for(lambda: self.lines() >= self.began_at + steps)

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or with the first step if that is sooner."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.lines() <= self.began_at:
            time.sleep(0.002)

    def kill(self, rank: int | None = None) -> None:
        """Kill one rank, or every process, as the system does when memory is short; all, if there is no rank yet."""
        for pid in self.processes.pids(rank) or self.processes.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> tuple[int, str]:
        """Wait for all processes; return the exit status and what was said on stderr."""
        deadline = time.monotonic() + PATIENCE
        while (status := self.processes.status()) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the training hangs: {self.said.read_text(encoding='utf-8')}")
            time.sleep(0.01)
        return status, self.said.read_text(encoding="utf-8")
