"""YAML text to a tree of nodes with spans; the only place that knows the YAML library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from specc.diagnostics import Diagnostic, Label, Source, Span
from specc.spec import codes
from specc.spec.nodes import Entry, Kind, Mapping, Node, Origin, Scalar, Sequence, joined
from specc.spec.scalars import NumberTooLargeError, meaning
from specc.spec.syntax import control_character, syntax_error

MAX_DEPTH = 64

# Both parsers give the same events and positions. The one in C is ten times faster and, like YAML 1.2, takes tabs as
# blanks inside of a line; the other only serves where PyYAML was built without it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_ALIASES = "aliases of aliases expand without limit"
_CHECK_BRACKETS = "check the brackets and the indentation"
_USE_EXTENDS = "put what is shared into a file of its own and name it in `extends`"


class Parsed(NamedTuple):
    """What could be read of a text.

    Attributes:
        root: The tree; None when the text is no YAML at all or is empty.
        diagnostics: Everything found on the way.
        broken: Paths whose values are only stand-ins for something refused.
        incomplete: Paths of mappings from which keys may be missing for a reason that was reported.
    """

    root: Node | None
    diagnostics: tuple[Diagnostic, ...] = ()
    broken: frozenset[str] = frozenset()
    incomplete: frozenset[str] = frozenset()


class _StopError(Exception):
    """Nothing after this can be read."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def parse(source: Source, kind: Kind, text: str | None = None) -> Parsed:
    """Read one YAML document.

    Args:
        source: What spans point into.
        kind: Who wrote it, recorded as the origin of every value.
        text: The YAML text when it is not `source.text`, with the same lines and columns.
    """
    text = source.text if text is None else text
    refused = control_character(source, text)
    if refused:
        return Parsed(None, (refused,))
    builder = _Builder(source, kind)
    try:
        root = builder.document(text)
    except _StopError as stop:
        return Parsed(None, (*builder.diagnostics, stop.diagnostic))
    except (yaml.YAMLError, ValueError) as error:
        return Parsed(None, (*builder.diagnostics, syntax_error(source, text, error)))
    return Parsed(root, tuple(builder.diagnostics), frozenset(builder.broken), frozenset(builder.incomplete))


@dataclass(slots=True)
class _Builder:
    """Builds the tree of one document from the parser's events."""

    source: Source
    kind: Kind
    diagnostics: list[Diagnostic] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    events: Iterator[Any] = iter(())

    def document(self, text: str) -> Node | None:
        """Return the root of the only document."""
        self.events = yaml.parse(text, Loader=_LOADER)
        next(self.events)  # the start of the stream
        first: Any = next(self.events)
        if isinstance(first, yaml.StreamEndEvent):
            return None
        if first.version not in (None, (1, 2)):
            self._report(codes.YAML_VERSION, "a spec is YAML 1.2", "", self._span(first), help="remove the directive")
        root = self._node(next(self.events), "", 0)
        next(self.events)  # the end of the document
        second = next(self.events)
        if isinstance(second, yaml.DocumentStartEvent):
            self._report(
                codes.SEVERAL_DOCUMENTS,
                "a second document starts here",
                "",
                self._span(second),
                related=(Label(root.span, "the first document"),),
                help="put each document into its own file",
            )
        return root

    def _node(self, event: Any, path: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            raise _StopError(
                Diagnostic(codes.YAML_TOO_DEEP, message, path, Label(self._span(event)), help=_CHECK_BRACKETS)
            )
        if isinstance(event, yaml.AliasEvent):
            self._refuse_alias(event, f"`*{event.anchor}` is an alias", path)
            return Scalar(None, self._span(event), self._origin(event), f"*{event.anchor}")
        if event.anchor is not None:
            self._refuse_alias(event, f"`&{event.anchor}` is an anchor", path)
        if event.tag is not None:
            self._refuse_tag(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, path, depth)
        return self._scalar(event, path)

    def _sequence(self, start: Any, path: str, depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._node(event, joined(path, len(items)), depth + 1))
        return Sequence(tuple(items), self._span(start, event), self._origin(start))

    def _mapping(self, start: Any, path: str, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path, depth)
            value = self._node(next(self.events), joined(path, key.raw if key else "?"), depth + 1)
            if key is None:
                continue
            if key.raw == "<<" and key.plain:
                self._refuse_merge(key, value, path)
            elif key.raw in entries:
                self._refuse_duplicate(key, entries[key.raw], path)
            else:
                entries[key.raw] = Entry(key.raw, key.span, value)
        return Mapping(tuple(entries.values()), self._span(start, event), self._origin(start))

    def _key(self, event: Any, path: str, depth: int) -> Scalar | None:
        """Return the key, or None when it was refused."""
        before = len(self.diagnostics)
        key = self._node(event, joined(path, "?"), depth + 1)
        if isinstance(key, Scalar) and isinstance(key.value, str):
            return key
        if not isinstance(event, yaml.AliasEvent):
            del self.diagnostics[before:]  # what is wrong inside of it is the same mistake
            what = f"`{_short(key.raw)}`" if isinstance(key, Scalar) else "a list or mapping"
            self._report(
                codes.KEY_NOT_A_STRING,
                f"{what} is no name of a key",
                path,
                key.span,
                help="put quotes around text that looks like a number, or that starts with `{` or `[`",
            )
        return None

    def _scalar(self, event: Any, path: str) -> Scalar:
        span, origin, plain = self._span(event), self._origin(event), not event.style
        value = event.value
        if plain:
            try:
                value = meaning(event.value)
            except NumberTooLargeError as error:
                self._report(
                    codes.NUMBER_TOO_LARGE, f"{error} is too large", path, span, help="check its digits and exponent"
                )
                self.broken.add(path)
                value = 0
        elif _SURROGATE.search(value):
            self._report(codes.CONTROL_CHARACTER, "half of a surrogate pair is no character", path, span)
            value = _SURROGATE.sub("?", value)
        return Scalar(value, span, origin, event.value, plain)

    def _refuse_alias(self, event: Any, message: str, path: str) -> None:
        self.broken.add(path)
        self._report(codes.ANCHOR, message, path, self._word(event), note=_NO_ALIASES, help=_USE_EXTENDS)

    def _refuse_merge(self, key: Scalar, value: Node, path: str) -> None:
        self.incomplete.add(path)
        # The alias behind `<<` belongs to the same mistake.
        if self.diagnostics and self.diagnostics[-1].primary.span == value.span:
            self.diagnostics.pop()
        self._report(codes.ANCHOR, "`<<` is a merge key", path, key.span, note="YAML 1.2 has none", help=_USE_EXTENDS)

    def _refuse_tag(self, event: Any, path: str) -> None:
        self.broken.add(path)
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self._report(
            codes.TAG, f"`{_short(tag)}` is a tag", path, self._word(event), help="remove it: a spec is plain data"
        )

    def _refuse_duplicate(self, key: Scalar, first: Entry, path: str) -> None:
        self._report(
            codes.DUPLICATE_KEY,
            f"`{_short(key.raw)}` is given twice",
            joined(path, key.raw),
            key.span,
            related=(Label(first.key_span, "first given here"),),
            help="delete one of them",
        )

    def _report(self, code: str, message: str, path: str, span: Span, **more: Any) -> None:
        self.diagnostics.append(Diagnostic(code, message, path, Label(span), **more))

    def _origin(self, event: Any) -> Origin:
        line = event.start_mark.line + 1
        place = self.source.name if self.kind == "override" else f"{self.source.name}:{line}"
        return Origin(self.kind, place)

    def _word(self, event: Any) -> Span:
        """Return the anchor, alias or tag at the start of an event."""
        span = self._span(event)
        rest = self.source.line(span.line)[span.column - 1 :].split(maxsplit=1)
        return self.source.span(span.line, span.column, len(rest[0]) if rest else 1)

    def _span(self, start: Any, end: Any = None) -> Span:
        """Return the first line of what lies between two events."""
        first, last = start.start_mark, (end or start).end_mark
        if last.line == first.line:
            length = last.column - first.column
        else:
            length = len(self.source.line(first.line + 1).rstrip()) - first.column
        return self.source.span(first.line + 1, first.column + 1, max(length, 1))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
