"""What the command line writes: people read stderr, programs read stdout."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from specc.diagnostics import Diagnostic, render
from specc.diagnostics import as_json as diagnostic_as_json

OK = 0
FAILED = 1
BUG = 70

_FRAMES = 5


def write(text: str) -> None:
    """Write what a program may read."""
    sys.stdout.write(text)


def write_json(value: object) -> None:
    """Write the one JSON document of `--json`; numbers that JSON has no form for are a bug."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Write a line for a person."""
    sys.stderr.write(f"{text}\n")


def report(diagnostics: Iterable[Diagnostic], *, as_json: bool = False) -> None:
    """Write diagnostics, as a JSON document or for a person."""
    if as_json:
        write_json({"diagnostics": [diagnostic_as_json(diagnostic) for diagnostic in diagnostics]})
    else:
        sys.stderr.write(render(diagnostics, colour=in_colour()))


def in_colour() -> bool:
    """Say whether stderr shows colours: a terminal, unless NO_COLOR (no-color.org) or a dumb one says otherwise."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def report_bug(bug: Exception, *, as_json: bool = False) -> None:
    """Ask for a report of an error that is specc's own; SPECC_DEBUG=1 shows all of it."""
    error = "".join(traceback.format_exception_only(bug)).strip()
    if as_json:
        write_json({"diagnostics": [], "bug": error})
    say(f"specc failed: this is a bug of specc, not of your spec.\n\n  {error}")
    for frame in traceback.extract_tb(bug.__traceback__)[-_FRAMES:]:
        say(f"    at {Path(frame.filename).name}:{frame.lineno} in {frame.name}")
    say("\nPlease report it with the command, the spec, and the lines above.")
    if os.environ.get("SPECC_DEBUG"):
        traceback.print_exception(bug)
    else:
        say("SPECC_DEBUG=1 shows the whole traceback.")
