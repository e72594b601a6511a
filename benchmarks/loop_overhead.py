"""Measure what an emitted training loop spends on anything but forward, backward and optimizer.

python -m benchmarks.loop_overhead [--spec SPEC | --project DIR] [--data DIR] [--steps N] [--strict]

Runs the project's own train.py in this process, with a clock around the functions that its loop calls. A cycle reaches
from one call of the engine to the next. Cycles with a checkpoint or a validation are left out of the shares; what these
cost at the intervals that the project has are rows of their own. With --strict, exits 1 when the loop takes too much.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.subject import Subject, add_options, environment, subject

MOST = 0.02  # of a cycle
COMPILING = 3  # cycles that are not looked at: the first compile
TIMES = 4  # that each periodic function is called in a measurement

WORK = "forward, backward, optimizer"
SPANS: Mapping[str, tuple[str, ...]] = {
    WORK: ("{package}.engine", "TorchEngine", "step"),
    "batches, read and checked": ("{package}.loop", "micro_batches"),
    "numbers of the samples": ("{package}.data", "Dataset", "sample_ids"),
    "TensorBoard": ("{package}.tensorboard", "TensorBoard", "log"),
    "line of metrics, progress": ("{package}.run", "Run", "record"),
    "signals": ("{package}.ranks", "Ranks", "any"),
}
"""Where the functions of the loop are, from the module on; not every project has every module."""

PERIODIC: Mapping[str, tuple[str, ...]] = {
    "checkpoint": ("{package}.run", "Run", "save"),
    "validation": ("{package}.validation", "held_out_loss"),
}
"""What happens every so many steps: the number `<name>_every` of the project's `Work`."""

Cycle = defaultdict[str, float]  # seconds; all of them under the key ""


class Clock:
    """The seconds of each cycle by what they were spent on."""

    def __init__(self) -> None:
        """Start before the first cycle."""
        self.cycles: list[Cycle] = []
        self.starts: list[float] = []
        self.inside = False

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that notes how long it takes, unless it is called from one that does."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            if name == WORK:
                self.starts.append(started)
                self.cycles.append(defaultdict(float))
            if self.inside or not self.cycles:
                return function(*args, **kwargs)
            self.inside = True
            try:
                return function(*args, **kwargs)
            finally:
                self.inside = False
                self.cycles[-1][name] += time.perf_counter() - started

        return timed

    def finished(self) -> list[Cycle]:
        """Return all cycles but the first ones and the last, which does not end."""
        for cycle, start, end in zip(self.cycles, self.starts, self.starts[1:], strict=False):
            cycle[""] = end - start
        return self.cycles[COMPILING:-1]


def wrap(clock: Clock, package: str) -> None:
    """Put the clock around the functions of a loop.

    Raises:
        AttributeError: A module has another structure than the one that is looked at here.
    """
    for name, (module, *path) in {**SPANS, **PERIODIC}.items():
        place = module.format(package=package)
        if importlib.util.find_spec(place) is None:
            continue
        holder: Any = importlib.import_module(place)
        for attribute in path[:-1]:
            holder = getattr(holder, attribute)
        setattr(holder, path[-1], clock.around(name, getattr(holder, path[-1])))


def watched(of: Subject, steps: int, out: Path) -> tuple[list[Cycle], dict[str, int]]:
    """Train for some steps; return what was seen, and the intervals that the project has for what is periodic."""
    sys.path.insert(0, str(of.project))
    train: Any = importlib.import_module("train")
    work = train.Work()
    intervals = {name: getattr(work, f"{name}_every") for name in PERIODIC if hasattr(work, f"{name}_every")}
    clock = Clock()
    wrap(clock, of.package)
    sizes = [part for name in intervals for part in ("--set", f"train.{name}_every={steps // TIMES}")]
    sys.argv = ["train.py", "--data", str(of.data), "--out", str(out), "--steps", str(steps), *sizes]
    train.main()
    return clock.finished(), intervals


def plain(cycles: Sequence[Cycle]) -> list[Cycle]:
    """Return the cycles in which nothing periodic happened."""
    return [cycle for cycle in cycles if not any(cycle[name] for name in PERIODIC)]


def rows(cycles: Sequence[Cycle], intervals: Mapping[str, int]) -> Iterator[str]:
    """Yield a Markdown table: means of the cycles in which nothing periodic happened, and their share."""
    usual = plain(cycles)
    whole = statistics.fmean(cycle[""] for cycle in usual)
    yield f"| of {len(usual)} steps, means | ms | share |"
    yield "|---|--:|--:|"
    for name in SPANS:
        yield row(name, statistics.fmean(cycle[name] for cycle in usual), whole)
    yield row("the rest of the loop", statistics.fmean(rest(cycle) for cycle in usual), whole)
    yield row("a step", whole, whole)
    for name, interval in intervals.items():
        # The first one may compile.
        taken = statistics.median(cycle[name] for cycle in cycles if cycle[name])
        yield row(f"a {name}, of {interval} steps", taken, whole * interval)


def row(name: str, seconds: float, whole: float) -> str:
    """Return a row of the table."""
    return f"| {name} | {seconds * 1e3:.2f} | {seconds / whole:.2%} |"


def rest(cycle: Cycle) -> float:
    """Return the seconds that no function accounts for."""
    return 2 * cycle[""] - sum(cycle.values())


def overhead(cycles: Sequence[Cycle]) -> float:
    """Return the share of the time that is no work on the model."""
    usual = plain(cycles)
    return 1 - sum(cycle[WORK] for cycle in usual) / sum(cycle[""] for cycle in usual)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure what an emitted training loop adds to its steps.")
    add_options(parser)
    parser.add_argument("--steps", type=int, default=120, help="to train (%(default)s)")
    parser.add_argument("--strict", action="store_true", help=f"exit 1 when it is over {MOST:.0%}%")
    options = parser.parse_args()
    os.environ |= environment(options)
    with TemporaryDirectory() as folder:
        cycles, intervals = watched(subject(options, folder), options.steps, Path(folder, "run"))
    print("\n".join(rows(cycles, intervals)))
    share = overhead(cycles)
    print(f"\nthe loop takes {share:.2%} of a step beside the model's work (target: {MOST:.0%})")
    return int(options.strict and share > MOST)


if __name__ == "__main__":
    sys.exit(main())
