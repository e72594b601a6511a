"""Formatting of emitted Python by ruff: a check on the templates, and the last touch."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ruff import find_ruff_bin

LINE_LENGTH = 100
STYLE = ("--isolated", "--quiet", "--no-cache", f"--line-length={LINE_LENGTH}")


class FormatError(Exception):
    """Emitted text is not Python: a bug of specc, not of the spec."""


def format_python(modules: Mapping[str, str]) -> dict[str, str]:
    """Return each module formatted, by its path.

    Raises:
        FormatError: ruff cannot read a module.
    """
    with tempfile.TemporaryDirectory(prefix="specc-") as folder:
        paths = {name: Path(folder) / f"{number}.py" for number, name in enumerate(sorted(modules))}
        for name, path in paths.items():
            path.write_text(modules[name], encoding="utf-8", newline="\n")
        command = [find_ruff_bin(), "format", *STYLE, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FormatError(done.stderr)
        return {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
