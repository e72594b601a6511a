"""The files that `extends` names."""

from __future__ import annotations

import os.path
from pathlib import Path
from typing import NamedTuple

from specc.diagnostics import CompileFailed, Diagnostic, Label, Span, did_you_mean
from specc.resources import presets_root
from specc.spec import codes
from specc.spec.nodes import Kind, Mapping, Node, Scalar, Sequence, joined

EXTENDS = "extends"
_PRESETS = "presets/"
_SUFFIXES = ("", ".yaml", ".yml")


class Base(NamedTuple):
    """One path that `extends` names."""

    text: str
    path: str
    span: Span


class Found(NamedTuple):
    """A file to merge: what people call it, where it lies, and who wrote it."""

    name: str
    path: Path
    kind: Kind


def bases_of(root: Mapping) -> tuple[list[Base], list[Diagnostic]]:
    """Return the paths that a file extends, the strongest last, and what is wrong with them."""
    entry = root.entry(EXTENDS)
    if entry is None:
        return [], []
    value = entry.value
    named: list[tuple[str, Node]] = [(EXTENDS, value)]
    if isinstance(value, Sequence):
        named = [(joined(EXTENDS, i), item) for i, item in enumerate(value.items)]
    bases, problems = [], []
    for path, node in named:
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
            bases.append(Base(node.value, path, node.span))
        else:
            message = f"`{EXTENDS}` is a path or a list of paths"
            fix = "write `extends: presets/llama`, or the path of a file"
            problems.append(Diagnostic(codes.BAD_EXTENDS, message, path, Label(node.span), help=fix))
    return bases, problems


def find(base: Base, extending: Path | None) -> Found:
    """Return the preset, or the file relative to the extending file, with or without its suffix.

    Args:
        base: What the user wrote.
        extending: The file that says so; None for standard input, which counts from the working folder.

    Raises:
        CompileFailed: There is none.
    """
    if base.text.startswith(_PRESETS):
        return _preset(base)
    beside = os.path.normpath((extending.parent if extending else Path()) / base.text)
    path = _existing(Path(beside))
    if path is None:
        fix = f"paths count from the folder of the extending file; presets are called `{_PRESETS}NAME`"
        raise _missing(base, f"the file `{beside}` does not exist", fix)
    return Found(path.as_posix(), path, "user")


def cycle(base: Base) -> CompileFailed:
    """Return the error of a file that leads back to itself."""
    message = f"`{base.text}` leads back to a file that extends it"
    fix = "move what both share into a third file"
    return CompileFailed([Diagnostic(codes.EXTENDS_CYCLE, message, base.path, Label(base.span), help=fix)])


def _preset(base: Base) -> Found:
    root = presets_root()
    names = sorted(path.stem for path in root.glob("*.yaml"))
    name = base.text.removeprefix(_PRESETS).removesuffix(".yaml")
    if name not in names:
        raise _missing(base, f"there is no preset `{name}`", did_you_mean(name, names, "presets"))
    return Found(_PRESETS + name, root / f"{name}.yaml", "preset")


def _existing(path: Path) -> Path | None:
    candidates = (path.with_name(path.name + suffix) for suffix in _SUFFIXES if path.name)
    try:
        return next((candidate for candidate in candidates if candidate.is_file()), None)
    except (OSError, ValueError):  # a name too long, or with a NUL
        return None


def _missing(base: Base, message: str, fix: str) -> CompileFailed:
    return CompileFailed([Diagnostic(codes.EXTENDS_NOT_FOUND, message, base.path, Label(base.span), help=fix)])
