"""The tree that YAML text becomes: values with the places they were written at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from specc.diagnostics import Source, Span

ScalarValue: TypeAlias = None | bool | int | float | str
Kind: TypeAlias = Literal["user", "preset", "override", "environment", "default", "derived", "planner"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from.

    Attributes:
        kind: Who decided it.
        detail: The place or the reason: `specs/x.yaml:9`, `--set train.tokens=1b`, `HIDDEN=512`.
    """

    kind: Kind
    detail: str


class Scalar(NamedTuple):
    """A single value.

    Attributes:
        value: What the text means in YAML 1.2.
        raw: The text itself, without quotes.
        plain: Whether it was written without quotes.
    """

    value: ScalarValue
    span: Span
    origin: Origin
    raw: str = ""
    plain: bool = True


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    span: Span
    origin: Origin


class Entry(NamedTuple):
    """One key of a mapping with its value."""

    key: str
    key_span: Span
    value: Node


@dataclass(frozen=True)
class Mapping:
    """Keys with values, in the order they were written, each key once."""

    entries: tuple[Entry, ...]
    span: Span
    origin: Origin

    def entry(self, key: str) -> Entry | None:
        """Return the entry of `key`, if it is there."""
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[str, Entry]:
        return {entry.key: entry for entry in self.entries}


Node: TypeAlias = Scalar | Sequence | Mapping


def to_data(node: Node) -> object:
    """Return the tree as plain dicts, lists and scalars."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [to_data(item) for item in node.items]
        case Mapping():
            return {entry.key: to_data(entry.value) for entry in node.entries}


def leaves(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield the dotted path of every scalar and every empty list or mapping."""
    children = list(_children(node))
    if not children:
        yield path, node
    for name, child in children:
        yield from leaves(child, joined(path, name))


def joined(path: str, name: str | int) -> str:
    """Return the dotted path of a child."""
    return f"{path}.{name}" if path else str(name)


def ancestors(path: str) -> Iterator[str]:
    """Yield a dotted path and every path above it; the whole file, `""`, comes last."""
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""


def whole_file(source: Source) -> Span:
    """Return the span of what concerns a whole file: its first character."""
    return source.span(1, 1)


def _children(node: Node) -> Iterator[tuple[str | int, Node]]:
    if isinstance(node, Mapping):
        yield from ((entry.key, entry.value) for entry in node.entries)
    elif isinstance(node, Sequence):
        yield from enumerate(node.items)
