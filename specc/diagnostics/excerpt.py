"""One source line as a terminal can show it, with the columns of its spans."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from specc.diagnostics.values import Span, printable

_TAB = "    "
_ELLIPSIS = "..."
_BEFORE = 60  # characters kept before the first span
_AFTER = 60  # characters kept after its start


class Excerpt(NamedTuple):
    """A line to show.

    Attributes:
        text: The line, escaped and cut to what is near the first span.
        marks: For each span, the columns before it and the columns it covers.
    """

    text: str
    marks: tuple[tuple[int, int], ...]


def excerpt(line: str, spans: Sequence[Span]) -> Excerpt:
    """Return what to show of `line`, and where its spans lie in it; all spans must be on the line."""
    start, stop = _window(line, spans[0].column - 1)
    cells = [_shown(character) for character in line[start:stop]]
    head, tail = _ELLIPSIS * (start > 0), _ELLIPSIS * (stop < len(line))
    columns = [len(head)]
    for cell in cells:
        columns.append(columns[-1] + sum(map(_columns, cell)))

    def mark(span: Span) -> tuple[int, int]:
        first = min(max(span.column - 1 - start, 0), len(cells))
        last = min(max(first + span.length, first), len(cells))
        return columns[first], max(columns[last] - columns[first], 1)

    return Excerpt(head + "".join(cells) + tail, tuple(map(mark, spans)))


def _window(line: str, at: int) -> tuple[int, int]:
    if len(line) <= _BEFORE + _AFTER:
        return 0, len(line)
    start = max(min(at, len(line)) - _BEFORE, 0)
    return start, min(start + _BEFORE + _AFTER, len(line))


def _shown(character: str) -> str:
    return _TAB if character == "\t" else printable(character)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
