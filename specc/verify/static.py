"""Checks of emitted text that need no torch: it parses, lints clean, and says nothing it should not."""

from __future__ import annotations

import ast
import math
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruff import find_ruff_bin

from specc.emit.fileset import FileSet
from specc.emit.format import LINE_LENGTH, STYLE

LINT = "E,F,I,ERA,ARG,RET,SIM,UP,B"
LINES = {"model.py": 300}
MOST_LINES = 450
# Templates leave room for a name of so many letters, and name the project at most twice in a line. A longer name makes
# sentences and commands longer; nobody could break such a line in a better place.
ROOM_FOR_NAME = 14
# The reference is copied verbatim and keeps its own, wider lines.
EXEMPT = "tests/reference"


class UnsoundOutput(Exception):
    """What specc emitted is not fit to hand out: a bug of specc, not of the spec."""


def verify_static(files: FileSet) -> None:
    """Check every emitted Python file.

    Raises:
        UnsoundOutput: A file does not parse, has a lint finding, imports specc, or is too long.
    """
    modules = {path: data.decode() for path, data in files.items() if path.endswith(".py")}
    own = {path: text for path, text in modules.items() if not path.startswith(f"{EXEMPT}/")}
    problems = [problem for path, text in own.items() for problem in _problems(path, text)]
    problems += _lint(modules, longest_line(modules))
    if problems:
        raise UnsoundOutput("\n".join(problems))


def longest_line(modules: Mapping[str, str]) -> int:
    """Return how long a line may be: the name of the project is not ours to shorten."""
    package = next((path.partition("/")[0] for path in modules if path.endswith("/generation.py")), "")
    return LINE_LENGTH + 2 * max(0, len(package) - ROOM_FOR_NAME)


def _problems(path: str, text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield f"{path}:{error.lineno}: {error.msg}"
        return
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.partition(".")[0] == "specc" for name in names):
            yield f"{path}: imports specc"
    most = LINES.get(path.rpartition("/")[2], MOST_LINES)
    if text.count("\n") > most:
        yield f"{path}: {text.count(chr(10))} lines, more than {most}"


def _lint(modules: Mapping[str, str], longest: int) -> list[str]:
    """Return ruff's findings; the tree is laid out as in the project, so that its own modules are known."""
    with tempfile.TemporaryDirectory(prefix="specc-") as folder:
        for path, text in modules.items():
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
        own = ("--config", 'src=[".","tests"]', "--select", LINT, "--exclude", EXEMPT, "--output-format=concise")
        command = [find_ruff_bin(), "check", *STYLE, *own, "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        findings = (done.stdout + done.stderr).splitlines() if done.returncode else []
        return [finding for finding in findings if _length(finding) > longest]


def _length(finding: str) -> float:
    """Return the length of the line that a finding is about; infinity where it is about something else."""
    found = re.search(r"E501 Line too long \((\d+) > ", finding)
    return int(found[1]) if found else math.inf
