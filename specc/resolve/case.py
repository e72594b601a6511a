"""What a rule looks at, and the words that rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from specc.diagnostics import Diagnostic, Label, listed
from specc.resolve.defaults import Filled
from specc.resolve.paths import get, has
from specc.spec.locator import Locator
from specc.spec.schema import Spec

# Far enough to meet a round number; sizes can have eighteen digits.
_REACH = 4096


class Case(NamedTuple):
    """A spec under examination.

    Attributes:
        written: What the user said; None where nothing was said and the value is derived.
        filled: The same with everything derived.
        at: Where things were written.
    """

    written: Spec
    filled: Filled
    at: Locator

    def says(self, path: str) -> bool:
        """Say whether somebody gave this key a value other than null."""
        # A key that the section does not know is at its place all the same.
        return self.at.has(path) and has(self.written, path) and get(self.written, path) is not None

    def said(self, *paths: str) -> str:
        """Return the first of these paths that somebody wrote, else the last."""
        return next((path for path in paths if self.says(path)), paths[-1])

    def labels(self, texts: Mapping[str, str]) -> tuple[Label, ...]:
        """Return labels for those of these paths that somebody wrote."""
        return tuple(self.at.label(path, text) for path, text in texts.items() if self.at.has(path))


Rule: TypeAlias = Callable[[Case], Iterator[Diagnostic]]
"""A rule yields a diagnostic for each thing that breaks it; its docstring is the page of `specc explain`."""


class Repeat(NamedTuple):
    """A name that stood before."""

    name: str
    path: str
    first: str


def repeats(names: Iterable[tuple[str, str]]) -> Iterator[Repeat]:
    """Yield each (path, name) whose name an earlier one has, with the path of the first."""
    seen: dict[str, str] = {}
    for path, name in names:
        first = seen.setdefault(name, path)
        if first != path:
            yield Repeat(name, path, first)


def divisors_near(total: int, wanted: int) -> list[int]:
    """Return the nearest divisors of `total` at or below `wanted` and above it, if any is near."""
    below = range(min(wanted, total), max(wanted - _REACH, 0), -1)
    above = range(wanted + 1, min(wanted + _REACH, total) + 1)
    found = (next((n for n in side if total % n == 0), None) for side in (below, above))
    return [n for n in found if n is not None]


def multiples_near(unit: int, wanted: int) -> list[int]:
    """Return the nearest multiples of `unit` below and above `wanted`."""
    low = wanted // unit * unit
    return [n for n in (low, low + unit) if n > 0]


def one_of(values: Sequence[object]) -> str:
    """Return values in backticks, as a choice: `` `8` or `16` ``."""
    texts = [str(value) for value in values]
    if len(texts) < 2:
        return listed(texts)
    return f"{listed(texts[:-1])} or `{texts[-1]}`"
