"""The frozen values that a diagnostic consists of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

# The line breaks of YAML 1.2; `str.splitlines` knows many more.
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Source:
    """One file as it was read.

    Attributes:
        name: The path as the user gave it; `-` for stdin.
        text: Its text, without a byte order mark.
    """

    name: str
    text: str

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines, without their ends."""
        return tuple(_LINE_BREAK.split(self.text))

    def line(self, number: int) -> str:
        """Return line `number`, 1-based; empty beyond the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def span(self, line: int, column: int, length: int = 1) -> Span:
        """Return a span of this source."""
        return Span(self, line, column, length)


class Span(NamedTuple):
    """A place on one line of a source; line and column are 1-based and count characters."""

    source: Source
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{printable(self.source.name)}:{self.line}:{self.column}"


class Label(NamedTuple):
    """A span with what to say under it."""

    span: Span
    text: str = ""


class Severity(StrEnum):
    """How bad it is; warnings do not change the exit code."""

    ERROR = "error"
    WARNING = "warning"


class Diagnostic(NamedTuple):
    """One problem of a spec or a result.

    Messages are in lower case without a final full stop, with code in backticks; only `help` proposes a fix.

    Attributes:
        code: Stable name; `specc explain CODE` prints its page.
        message: One sentence that stands alone.
        path: Dotted key (`data.sources.0.path`); empty for the whole file.
        primary: The smallest span that shows the problem.
        related: Other places that contradict it or explain it.
        note: Why it is a problem.
        help: How to fix it.
        replacement: What was probably meant in place of the key or value at `primary`, where one is near.
    """

    code: str
    message: str
    path: str
    primary: Label
    severity: Severity = Severity.ERROR
    related: tuple[Label, ...] = ()
    note: str | None = None
    help: str | None = None
    replacement: str | None = None


class CompileFailed(Exception):
    """A pass found errors.

    Attributes:
        diagnostics: Everything the pass found, in the order of the files.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(f"{d.primary.span}: {d.message}" for d in self.diagnostics))


def printable(text: str) -> str:
    """Return `text` with everything escaped that a terminal could obey or hide."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
