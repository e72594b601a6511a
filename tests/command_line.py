"""The command line run in this process: what it prints where, and its exit code."""

from __future__ import annotations

import gc
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from specc.cli import main

SPEC = """\
specc: 1
name: tiny
model:
  num_layers: 2
  hidden_size: 64
  num_heads: 4
  vocab_size: 512
"""
WRONG = SPEC.replace("num_heads: 4", "num_heads: 12")


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the one document on standard output."""
        return json.loads(self.out)


def run(*arguments: str) -> Ended:
    """Run `specc ARGUMENTS`."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["specc", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stopped:
            main()
    finally:
        sys.argv = before
        gc.unfreeze()  # this process goes on
    assert isinstance(stopped.value.code, int)
    return Ended(stopped.value.code, out.getvalue(), err.getvalue())


def specs_in(folder: Path) -> None:
    """Write `spec.yaml` and `wrong.yaml`."""
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "wrong.yaml").write_text(WRONG)
