"""Diagnostics as text for people, rustc-like, as one line each, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from specc.diagnostics.excerpt import excerpt
from specc.diagnostics.values import Diagnostic, Label, Severity, Source, printable

_RESET = "\x1b[0m"
_ANSI = {
    Severity.ERROR: "\x1b[1;31m",
    Severity.WARNING: "\x1b[1;33m",
    "gutter": "\x1b[1;34m",
    "related": "\x1b[1;34m",
    "strong": "\x1b[1m",
}


def render(diagnostics: Iterable[Diagnostic], colour: bool) -> str:
    """Return every diagnostic with its source lines, and a summary; ends with a newline unless empty."""
    found = tuple(diagnostics)
    if not found:
        return ""
    blocks = ["\n".join(_block(d, _Paint(colour))) for d in found]
    severity, _, counts = summary(found).partition(": ")
    return "\n\n".join([*blocks, f"{_Paint(colour)(severity, Severity(severity))}: {counts}"]) + "\n"


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """Return what was found in numbers: `error: 3 errors, 1 warning`."""
    severities = [d.severity for d in diagnostics]
    counts = [(s, severities.count(s)) for s in Severity if s in severities]
    text = ", ".join(f"{n} {s}{'' if n == 1 else 's'}" for s, n in counts)
    return f"{counts[0][0]}: {text}" if counts else ""


def one_line(diagnostic: Diagnostic) -> str:
    """Return `file:line:column: error[code]: message`."""
    d = diagnostic
    return f"{d.primary.span}: {d.severity}[{d.code}]: {printable(d.message)}"


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return the diagnostic as `specc check --json` prints it; lines and columns are 1-based."""
    d = diagnostic
    return {
        "code": d.code,
        "severity": str(d.severity),
        "path": d.path,
        **_place(d.primary),
        "message": d.message,
        "note": d.note,
        "help": d.help,
        "related": [{"message": label.text, **_place(label)} for label in d.related],
    }


def _place(label: Label) -> dict[str, Any]:
    return {"file": label.span.source.name, "line": label.span.line, "column": label.span.column}


class _Paint(NamedTuple):
    """Colours text, or leaves it alone."""

    on: bool

    def __call__(self, text: str, style: str) -> str:
        return f"{_ANSI[style]}{text}{_RESET}" if self.on and text else text


def _block(diagnostic: Diagnostic, paint: _Paint) -> Iterator[str]:
    d = diagnostic
    labels = (d.primary, *d.related)
    width = len(str(max(label.span.line for label in labels)))
    bar = " " * width + paint(" |", "gutter")
    yield paint(f"{d.severity}[{d.code}]", d.severity) + paint(f": {printable(d.message)}", "strong")
    for source in dict.fromkeys(label.span.source for label in labels):
        here = [label for label in labels if label.span.source == source]
        yield " " * width + paint("--> ", "gutter") + str(here[0].span)
        yield from _excerpts(source, here, d, paint, width)
    remarks = [(title, text) for title, text in (("note", d.note), ("help", d.help)) if text]
    if remarks:
        yield bar
    for title, text in remarks:
        yield " " * width + paint(" = ", "gutter") + paint(title, "strong") + f": {printable(text)}"


def _excerpts(source: Source, labels: list[Label], diagnostic: Diagnostic, paint: _Paint, width: int) -> Iterator[str]:
    """Yield the labelled lines of one source, in its order, with `...` where lines are left out."""
    numbers = sorted({label.span.line for label in labels})
    if not any(source.line(number) for number in numbers):
        return
    bar = " " * width + paint(" |", "gutter")
    yield bar
    for before, number in zip([0, *numbers], numbers, strict=False):
        if before and number > before + 1:
            yield paint("...", "gutter")
        on_line = [label for label in labels if label.span.line == number]
        shown = excerpt(source.line(number), [label.span for label in on_line])
        yield paint(f"{number:>{width}} |", "gutter") + f" {shown.text}".rstrip()
        for label, (indent, length) in zip(on_line, shown.marks, strict=True):
            primary = label is diagnostic.primary
            mark = ("^" if primary else "-") * length + f" {printable(label.text)}".rstrip()
            yield f"{bar} {' ' * indent}" + paint(mark, diagnostic.severity if primary else "related")
