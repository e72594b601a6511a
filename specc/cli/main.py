"""The entry point: runs the command line, and turns whatever happens into an exit code."""

from __future__ import annotations

import gc
import importlib
import os
import sys

from specc.cli import console
from specc.diagnostics import CompileFailed


def main() -> None:
    """Run the command line and exit: 0, 1 for a spec with errors, 2 for wrong usage, 70 for a bug of specc."""
    # Nearly all that a command allocates lives until it ends; looking for garbage is a tenth of the time to start.
    # Hence the commands, and typer with them, are imported only after this.
    gc.disable()
    # No installed plugin has a say in how a spec is read, and looking for them takes time.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        sys.exit(_flushed(_run()))
    finally:
        gc.freeze()  # the interpreter looks once more as it ends
        gc.enable()


def _run() -> int:
    try:
        importlib.import_module("specc.cli.commands").run()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else console.OK
    except CompileFailed as failed:
        console.report(failed.diagnostics, as_json="--json" in sys.argv)
        return console.FAILED
    except Exception as bug:
        console.report_bug(bug, as_json="--json" in sys.argv)
        return console.BUG
    return console.OK


def _flushed(code: int) -> int:
    """Write out what is buffered; a reader that has gone away is no error worth a traceback."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return console.FAILED
    return code
