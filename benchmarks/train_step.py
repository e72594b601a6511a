"""Compare a training step of an emitted project with peers: same shape, weights, batches, optimizer and precision.

python -m benchmarks.train_step [--spec SPEC | --project DIR] [--data DIR] [--peers DIR] [--modes eager compiled]
                                [--restarts N] [--rounds N] [--steps N] [--keep-memory] [--json FILE] [--strict]

A step is forward, backward, clipping and AdamW. Each program runs in a process of its own; all of them live at the same
time and take turns, a few steps each, while the others sleep; then all start again. The emitted program runs twice:
what the two differ by is noise. Ratios are taken within a turn, so that a busy machine slows both sides of each.

Peers are plainly causal, so the emitted program is compared without isolating packed documents; what isolation costs is
a row of its own. The emitted project compiles block by block; peers are compiled whole and block by block, and the
better of the two counts. How many pages the C library gives back to the system, and asks for again, in each step
differs from program to program by chance; --keep-memory makes all of them keep what they have. --peers names a folder
with the packages of benchmarks/requirements.txt; a peer that is not installed is reported as absent. With --strict,
exits 1 when the emitted program is slower than the best peer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.subject import ROOT, Subject, add_options, environment, subject

MATMUL_FLOPS = 8 * 2 * 1024**3  # of one step of the program that only multiplies
NOISE = 0.95  # two runs of one program differ by as much
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**63)}  # for glibc
LOSS_TOLERANCE = 1e-3  # nats: programs that take the same steps round differently


@dataclass(frozen=True)
class Entry:
    """A program of the comparison, and how it is compiled."""

    label: str
    program: str
    compiled: str = "none"
    peer: bool = False


MODES = {
    "eager": (
        Entry("specc", "specc"),
        Entry("specc, again", "specc"),
        Entry("specc, documents isolated", "specc-isolated"),
        Entry("transformers", "transformers", peer=True),
        Entry("litgpt", "litgpt", peer=True),
        Entry("matmul", "matmul"),
    ),
    "compiled": (
        Entry("specc", "specc", "blocks"),
        Entry("specc, again", "specc", "blocks"),
        Entry("specc, documents isolated", "specc-isolated", "blocks"),
        Entry("transformers, whole", "transformers", "whole", peer=True),
        Entry("transformers, by block", "transformers", "blocks", peer=True),
        Entry("litgpt, whole", "litgpt", "whole", peer=True),
        Entry("litgpt, by block", "litgpt", "blocks", peer=True),
        Entry("matmul", "matmul"),
    ),
}


@dataclass
class Result:
    """What was seen of a program."""

    entry: Entry
    absent: str = ""
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # medians, one for each turn
    memory: dict[str, int] = field(default_factory=dict)
    profile: dict[str, float] = field(default_factory=dict)


class Process:
    """A program that waits for its turns."""

    def __init__(self, entry: Entry, of: Subject, env: dict[str, str]) -> None:
        """Start it; `first` is what it says once it is ready: losses, or why it is absent."""
        asked = {
            "program": entry.program,
            "compile": entry.compiled,
            "project": str(of.project),
            "package": of.package,
            "data": str(of.data),
        }
        command = [sys.executable, "-m", "benchmarks.step_programs", json.dumps(asked)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.first = self.answer()

    def ask(self, command: int | str) -> Any:
        """Send a command; return the answer."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        """Return what the program says next.

        Raises:
            RuntimeError: It ended instead.
        """
        assert self.process.stdout and self.process.stderr
        if line := self.process.stdout.readline():
            return json.loads(line)
        raise RuntimeError(self.process.stderr.read())

    def close(self) -> None:
        """End it."""
        self.process.communicate()


@contextmanager
def started(entry: Entry, of: Subject, env: dict[str, str]) -> Iterator[Process]:
    """Hold a program for a while."""
    process = Process(entry, of, env)
    try:
        yield process
    finally:
        process.close()


def measure(entries: Sequence[Entry], of: Subject, env: dict[str, str], options: argparse.Namespace) -> list[Result]:
    """Let programs take turns, in processes that are restarted."""
    results = [Result(entry) for entry in entries]
    for start in range(options.restarts):
        print(f"start {start + 1} of {options.restarts}", file=sys.stderr)
        take_turns(results, of, env, options)
    return results


def take_turns(results: Sequence[Result], of: Subject, env: dict[str, str], options: argparse.Namespace) -> None:
    """Start all programs; in each round, every one takes some steps, in an order that moves on; then look closer."""
    with ExitStack() as stack:
        running = []
        for result in results:
            process = stack.enter_context(started(result.entry, of, env))
            result.absent = process.first.get("absent", "")
            if not result.absent:
                result.losses = process.first["losses"]
                running.append((result, process))
        for turn in range(options.rounds):
            first = turn % len(running)
            for result, process in running[first:] + running[:first]:
                result.seconds.append(statistics.median(process.ask(options.steps)))
        for result, process in running:
            result.memory, result.profile = process.ask("memory"), process.ask("profile")


def ratios(of: Result, to: Result) -> tuple[float, float, float]:
    """Return the quartiles, the median in the middle, of the time of one program over that of another."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(of.seconds, to.seconds, strict=True)], n=4)
    return low, middle, high


def check_losses(results: Sequence[Result]) -> None:
    """Raise unless all programs that do the same work came to the same losses.

    Raises:
        ValueError: The comparison would be of different things.
    """
    reference = results[0].losses
    for result in results:
        if result.losses and result.entry.program not in ("matmul", "specc-isolated"):
            apart = max(abs(a - b) for a, b in zip(result.losses, reference, strict=True))
            if apart > LOSS_TOLERANCE:
                raise ValueError(f"{result.entry.label} trains another model: its loss is {apart} off")


def table(results: Sequence[Result], tokens: int, flops: float) -> Iterator[str]:
    """Yield the rows of a Markdown table."""
    ours, multiply = results[0], results[-1]
    peak = MATMUL_FLOPS / statistics.median(multiply.seconds)
    yield f"fp32 matmul of this machine, median of {len(multiply.seconds)} turns: {peak / 1e9:.0f} GFLOP/s"
    yield ""
    yield "| program | ms a step | times specc (quartiles) | tokens/s | of matmul peak | tensors | process |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for result in results[:-1]:
        if result.absent:
            yield f"| {result.entry.label} | absent: {result.absent} | | | | | |"
            continue
        seconds = statistics.median(result.seconds)
        low, middle, high = ratios(result, ours)
        share = flops / MATMUL_FLOPS / ratios(result, multiply)[1]
        sizes = " | ".join(f"{result.memory[kind] / 2**20:.0f} MiB" for kind in ("tensors", "process"))
        yield (
            f"| {result.entry.label} | {seconds * 1e3:.1f} | {middle:.3f} ({low:.3f} to {high:.3f}) | "
            f"{tokens / seconds:,.0f} | {share:.0%} | {sizes} |"
        )


def profiles(results: Sequence[Result]) -> Iterator[str]:
    """Yield a Markdown table of what the milliseconds of a step went to."""
    shown = [result for result in results if result.profile and result.entry.program != "matmul"]
    yield f"| ms a step, profiled | {' | '.join(result.entry.label for result in shown)} |"
    yield f"|---|{'--:|' * len(shown)}"
    for place in shown[0].profile:
        yield f"| {place} | {' | '.join(f'{result.profile[place]:.1f}' for result in shown)} |"


def best_peer(results: Sequence[Result]) -> tuple[str, float] | None:
    """Return the fastest peer, and how many times faster than it the emitted program is; None without peers."""
    peers = [result for result in results if result.entry.peer and result.seconds]
    found = [(ratios(result, results[0])[1], result.entry.label) for result in peers]
    return min(found)[::-1] if found else None


def work_of(project: Path, package: str) -> tuple[int, float]:
    """Return the tokens and the floating-point operations of a step; the plan counts causal attention at half."""
    code = (
        f"from {package}.training import Work; from {package}.model import Config; work = Work(); "
        "print(work.micro_batch_size * work.sequence_length)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    plan = json.loads((project / "plan.json").read_text(encoding="utf-8"))
    return int(done.stdout), int(done.stdout) * plan["model"]["flops_per_token"]


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Compare a training step of an emitted project with peers.")
    add_options(parser)
    parser.add_argument("--peers", type=Path, metavar="DIR", help="where benchmarks/requirements.txt is installed")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--restarts", type=int, default=3, help="of all processes (%(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="of turns for each start (%(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="in a turn (%(default)s)")
    parser.add_argument("--keep-memory", action="store_true", help="all programs keep the pages that they free")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a peer is faster, noise allowed")
    return parser.parse_args()


def main() -> int:
    """Print the tables of each mode."""
    options = parsed()
    env = environment(options)
    paths = [str(path.resolve()) for path in (options.peers,) if path] + [env.get("PYTHONPATH", "")]
    env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    env |= KEEP_MEMORY if options.keep_memory else {}
    met, kept = True, {}
    with TemporaryDirectory() as folder:
        of = subject(options, folder)
        tokens, flops = work_of(of.project, of.package)
        for mode in options.modes:
            results = measure(MODES[mode], of, env, options)
            check_losses(results)
            print(f"\n## {mode}: {options.threads} threads, {tokens:,} tokens a step\n")
            print("\n".join([*table(results, tokens, flops), "", *profiles(results)]), flush=True)
            if best := best_peer(results):
                print(f"\nspecc takes its steps {best[1]:.2f} times as fast as the best peer, {best[0]}")
                met &= best[1] >= NOISE
            kept[mode] = {each.entry.label: {**vars(each), "entry": vars(each.entry)} for each in results}
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return int(options.strict and not met)


if __name__ == "__main__":
    sys.exit(main())
