"""Failures of writing and verifying as diagnostics, so that `--json` and people see them like all others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specc.diagnostics import CompileFailed, Diagnostic, Label, Source, explained
from specc.emit.failure import WriteFailed
from specc.verify.execute import VerifyFailed

WRITE_FAILED = explained(
    "write-failed",
    """The project folder could not be read or written. What was there before is whole.

    Why: a full or read-only disk, a missing permission, another build at work, or a folder that is not specc's.
    Example: `specc build spec.yaml -o /proc`.
    Fix: the message names the file and what to do; `-o` chooses another folder.
    """,
)
VERIFY_FAILED = explained(
    "verify-failed",
    """The tests of a project could not be run at all.

    Why: the folder is no project of specc, or the interpreter lacks what the tests import.
    Example: `specc verify .` in an empty folder.
    Fix: build the project first, and install its `requirements/test.txt` and `requirements/train.txt`.
    """,
)


@contextmanager
def as_diagnostics(place: str) -> Iterator[None]:
    """Turn failures of the block into diagnostics about a folder.

    Raises:
        CompileFailed: The block failed; carries one diagnostic.
    """
    try:
        yield
    except WriteFailed as failed:
        raise _failure(WRITE_FAILED, failed.path, failed.reason, failed.help) from failed
    except VerifyFailed as failed:
        raise _failure(VERIFY_FAILED, place, str(failed), failed.help) from failed


def unwritable(path: Path, error: OSError) -> CompileFailed:
    """Return the diagnostic of a single file that could not be written."""
    there = isinstance(error, FileExistsError)
    advice = "choose another name, or replace it with `--force`" if there else "check its folder and permissions"
    return _failure(WRITE_FAILED, str(path), (error.strerror or str(error)).lower(), advice)


def _failure(code: str, place: str, reason: str, help_text: str) -> CompileFailed:
    span = Source(place, "").span(1, 1)
    return CompileFailed([Diagnostic(code, f"`{place}`: {reason}", "", Label(span), help=help_text)])
