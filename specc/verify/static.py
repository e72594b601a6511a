"""Checks of emitted text that need no torch: it parses, lints clean, and says nothing it should not."""

from __future__ import annotations

import ast
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruff import find_ruff_bin

from specc.emit.fileset import FileSet
from specc.emit.format import STYLE

LINT = "E,F,I,ERA,ARG,RET,SIM,UP,B"
LINES = {"model.py": 300}
MOST_LINES = 450
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
    problems += _lint(modules)
    if problems:
        raise UnsoundOutput("\n".join(problems))


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


def _lint(modules: Mapping[str, str]) -> list[str]:
    """Return ruff's findings; the tree is laid out as in the project, so that its own modules are known."""
    with tempfile.TemporaryDirectory(prefix="specc-") as folder:
        for path, text in modules.items():
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
        own = ("--config", 'src=[".","tests"]', "--select", LINT, "--exclude", EXEMPT, "--output-format=concise")
        command = [find_ruff_bin(), "check", *STYLE, *own, "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).splitlines() if done.returncode else []
