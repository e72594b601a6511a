"""Compare specc's start-up with importing the libraries it needs, in a bare interpreter.

python -m benchmarks.startup [--spec SPEC] [--runs N] [--strict]

For each command, one run records which third-party modules it had loaded when it ended. The comparison then imports
exactly those, in the same order, and does nothing else. The two take turns, so that a busy machine slows both, and the
medians are compared. Bytecode is kept, as in any installed program. With --strict, exits 1 when a ratio is over its
target.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

TARGET = 1.3
"""specc may take this many times what its libraries take."""

DEFAULT_SPEC = Path(__file__).resolve().parent.parent / "specs" / "gpt-13b.yaml"

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

RUN = "import sys; sys.argv = ['specc', *{arguments!r}]; from specc.cli import main; sys.exit(main())"
RECORD = """
import atexit, json, sys
before = set(sys.modules)
def report():
    known = sys.stdlib_module_names | {"specc", "__main__"}
    real = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None)]
    loaded = [name for name in real if name not in before and name.partition(".")[0] not in known]
    sys.stderr.write("\\n" + json.dumps(loaded))
atexit.register(report)
"""


def libraries(arguments: Sequence[str]) -> list[str]:
    """Return the third-party modules that `specc ARGUMENTS` loads, in the order in which it does.

    Raises:
        RuntimeError: The command failed, so that its time would mean nothing.
    """
    code = RECORD + RUN.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"specc {' '.join(arguments)} exited with {done.returncode}:\n{done.stderr}")
    loaded: list[str] = json.loads(done.stderr.rpartition("\n")[2])
    # The standard library has modules without a name of their own: `_sysconfigdata__linux_x86_64-linux-gnu`.
    return [name for name in loaded if all(part.isidentifier() for part in name.split("."))]


def seconds(code: str) -> float:
    """Return the wall time of a new interpreter that runs `code`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, capture_output=True)
    return time.perf_counter() - started


def compare(arguments: Sequence[str], runs: int) -> tuple[float, float]:
    """Return the median seconds of `specc ARGUMENTS` and of importing its libraries alone."""
    command = RUN.format(arguments=list(arguments))
    bare = "\n".join(f"import {name}" for name in libraries(arguments))
    pairs = [(seconds(command), seconds(bare)) for _ in range(runs)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def main() -> int:
    """Print one row per command."""
    parser = argparse.ArgumentParser(description="Compare specc's start-up with importing the libraries it needs.")
    parser.add_argument("--spec", type=Path, default=DEFAULT_SPEC, help="spec to check and plan (%(default)s)")
    parser.add_argument("--runs", type=int, default=15, help="turns of each (%(default)s)")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a ratio is over its target")
    options = parser.parse_args()
    spec = str(options.spec)
    met = True
    print(f"{'command':16}{'specc':>9}{'libraries':>11}{'ratio':>7}  (target {TARGET})")
    for arguments in (["--help"], ["check", spec], ["plan", spec]):
        ours, bare = compare(arguments, options.runs)
        met &= ours <= TARGET * bare
        print(f"{arguments[0]:16}{ours:>8.3f}s{bare:>10.3f}s{ours / bare:>7.2f}")
    return int(options.strict and not met)


if __name__ == "__main__":
    sys.exit(main())
