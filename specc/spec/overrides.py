"""`--set a.b.c=value`: values from the command line."""

from __future__ import annotations

from collections.abc import Mapping as Environment
from dataclasses import replace
from typing import NamedTuple

from specc.diagnostics import CompileFailed, Diagnostic, Label, Source, Span
from specc.spec import codes
from specc.spec.environment import Substitution
from specc.spec.extends import EXTENDS
from specc.spec.nodes import Entry, Mapping, Node, Origin, Scalar, Sequence, joined
from specc.spec.source import MAX_DEPTH, Parsed, parse

_FORM = "write `--set a.b.c=value`, with items of lists by their index from 0"


class Override(NamedTuple):
    """One parsed `--set`.

    Attributes:
        names: The keys and indices of its path.
        value: What it sets.
        span: The path, in a source that shows the argument.
        parsed: What reading the value found.
    """

    names: tuple[str, ...]
    value: Node
    span: Span
    parsed: Parsed

    @property
    def path(self) -> str:
        """The dotted path."""
        return ".".join(self.names)


def read_override(argument: str, environment: Environment[str, str]) -> Override:
    """Parse `a.b.c=value`; the value is one YAML value.

    Raises:
        CompileFailed: The argument has another form, or its value is no YAML.
    """
    source = Source(f"--set {argument}", argument)
    path, equals, text = argument.partition("=")
    names = tuple(path.split("."))
    span = source.span(1, 1, max(len(path), 1))
    if not equals or not all(names) or len(names) > MAX_DEPTH:
        raise CompileFailed([_refusal("this is no `path=value`", "", span, _FORM)])
    if names[0] == EXTENDS:
        raise CompileFailed([_refusal("`extends` cannot be set from the command line", path, span, None)])
    # Blanks instead of the path keep the columns of the argument.
    parsed = parse(source, "override", " " * (len(path) + 1) + text)
    if parsed.root is None and parsed.diagnostics:
        raise CompileFailed(parsed.diagnostics)
    origin = Origin("override", source.name)
    substitution = Substitution(environment)
    value = substitution.apply(parsed.root or Scalar(None, source.span(1, len(argument)), origin), path)
    parsed = Parsed(
        value,
        (*parsed.diagnostics, *substitution.diagnostics),
        frozenset(joined(path, name) for name in parsed.broken) | substitution.broken,
        frozenset(joined(path, name) for name in parsed.incomplete),
    )
    return Override(names, value, span, parsed)


def set_value(root: Mapping, override: Override) -> Mapping:
    """Return the tree with the override's value in its place; missing mappings are made.

    Raises:
        CompileFailed: The path runs through a single value, or past the end of a list.
    """
    return _set_key(root, override, 0)


def _set(node: Node, override: Override, depth: int) -> Node:
    if depth == len(override.names):
        return override.value
    match node:
        case Sequence():
            return _set_item(node, override, depth)
        case Mapping():
            return _set_key(node, override, depth)
        case Scalar(value=None):
            return _set_key(Mapping((), node.span, node.origin), override, depth)
    place = ".".join(override.names[:depth])
    message = f"`{place}` is the single value `{node.raw}`; nothing can be set inside of it"
    raise CompileFailed([_refusal(message, place, override.span, f"set `{place}` as a whole", node.span)])


def _set_item(node: Sequence, override: Override, depth: int) -> Sequence:
    place, name, count = ".".join(override.names[:depth]), override.names[depth], len(node.items)
    if not (name.isascii() and name.isdigit() and len(name) < 9 and int(name) < count):
        items = f"items 0 to {count - 1}" if count else "no items"
        raise CompileFailed([_refusal(f"`{place}` has {items}, not `{name}`", place, override.span, _FORM, node.span)])
    index = int(name)
    item = _set(node.items[index], override, depth + 1)
    return node._replace(items=(*node.items[:index], item, *node.items[index + 1 :]))


def _set_key(node: Mapping, override: Override, depth: int) -> Mapping:
    # A phase's keys are dotted themselves: `model.position.theta: 5000000.0`.
    whole = ".".join(override.names[depth:])
    name = whole if node.entry(whole) else override.names[depth]
    known = node.entry(name)
    if name == whole:
        value: Node = override.value
    else:
        below = known.value if known else Mapping((), override.span, override.value.origin)
        value = _set(below, override, depth + 1)
    if known is None:
        return replace(node, entries=(*node.entries, Entry(name, override.span, value)))
    key_span = override.span if name == whole else known.key_span
    changed = Entry(name, key_span, value)
    return replace(node, entries=tuple(changed if e is known else e for e in node.entries))


def _refusal(message: str, path: str, span: Span, fix: str | None, related: Span | None = None) -> Diagnostic:
    seen = (Label(related, "written here"),) if related else ()
    return Diagnostic(codes.BAD_OVERRIDE, message, path, Label(span), related=seen, help=fix)
