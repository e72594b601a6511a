"""Where in the user's files a dotted path was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from specc.diagnostics import Label, Span
from specc.spec.nodes import Mapping, Node, Origin, Sequence, ancestors, leaves


class Place(NamedTuple):
    """What was found on the way to a path.

    Attributes:
        node: The deepest node that exists.
        key_span: Its key, or for an item of a list the item itself.
        exists: Whether `node` is the whole path's.
    """

    node: Node
    key_span: Span
    exists: bool


class Locator(NamedTuple):
    """Answers where a path's key and value are, and who wrote them.

    For a path that nobody wrote it answers with the nearest parent's key.
    """

    root: Mapping

    def find(self, path: str) -> Place:
        """Return the deepest written part of a dotted path."""
        node: Node = self.root
        key_span = self.root.span
        rest = path
        while rest:
            step = _step(node, rest)
            if step is None:
                return Place(node, key_span, exists=False)
            node, key_span, rest = step
        return Place(node, key_span, exists=True)

    def key(self, path: str) -> Span:
        """Return the span of a path's key."""
        return self.find(path).key_span

    def value(self, path: str) -> Span:
        """Return the span of a path's value; of the nearest parent's key when nobody wrote it."""
        place = self.find(path)
        return place.node.span if place.exists else place.key_span

    def label(self, path: str, text: str = "") -> Label:
        """Return the value of a path with what to say under it."""
        return Label(self.value(path), text)

    def key_label(self, path: str, text: str = "") -> Label:
        """Return the key of a path with what to say under it."""
        return Label(self.key(path), text)

    def has(self, path: str) -> bool:
        """Say whether somebody wrote this path."""
        return self.find(path).exists

    def origin(self, path: str) -> Origin:
        """Return who wrote a path's value; for a path that nobody wrote, `default` without a detail."""
        place = self.find(path)
        return place.node.origin if place.exists else Origin("default", "")

    def origins(self) -> Iterator[tuple[str, Origin]]:
        """Yield every written leaf's path with who wrote it."""
        return ((path, node.origin) for path, node in leaves(self.root))


def _step(node: Node, path: str) -> tuple[Node, Span, str] | None:
    """Return the child that a path leads to, its key, and the rest of the path."""
    if isinstance(node, Mapping):
        # Keys may hold dots themselves, as a phase's do; the longest that fits is meant.
        entry = next((entry for name in ancestors(path) if (entry := node.entry(name))), None)
        return (entry.value, entry.key_span, path[len(entry.key) + 1 :]) if entry else None
    name, _, rest = path.partition(".")
    if (
        isinstance(node, Sequence)
        and name.isascii()
        and name.isdigit()
        and len(name) < 9
        and int(name) < len(node.items)
    ):
        item = node.items[int(name)]
        return item, item.span, rest
    return None
