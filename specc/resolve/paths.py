"""Dotted paths into a spec: reading a value, replacing one, and walking over all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from specc.catalog.fields import Section
from specc.spec.nodes import joined
from specc.spec.schema import Spec


class Leaf(NamedTuple):
    """One value of a spec, which is no section itself.

    Attributes:
        path: Its dotted path.
        section: The section it stands in.
        name: Its attribute there.
        fallback: The reason for the value when nobody gave it: its own or that of the section around it.
    """

    path: str
    section: Section
    name: str
    fallback: str

    @property
    def value(self) -> Any:
        """The value itself."""
        return getattr(self.section, self.name)


def get(spec: Spec, path: str) -> Any:
    """Return the value at `path`; None where it or a section around it is absent."""
    value: Any = spec
    for name in path.split("."):
        value = None if value is None else getattr(value, _attribute(value, name))
    return value


def has(spec: Spec, path: str) -> bool:
    """Say whether the section around `path` is there and has such a key; not every variant has every key."""
    parent, _, name = path.rpartition(".")
    section = get(spec, parent) if parent else spec
    return isinstance(section, Section) and name in dict(entries(section))


def put(spec: Spec, path: str, value: object) -> Spec:
    """Return a copy with `value` at `path`; every section around it must be there."""
    changed = _put(spec, path.split("."), value)
    assert isinstance(changed, Spec)
    return changed


def leaves(spec: Spec) -> Iterator[Leaf]:
    """Yield every value of the sections that are there, in the order of the language."""
    yield from _leaves(spec, "", "")


def entries(section: Section) -> Iterator[tuple[str, str]]:
    """Yield each key of a section as it is written, and the attribute that holds it; `async` is a word of Python."""
    for attribute, info in type(section).model_fields.items():
        yield info.alias or attribute, attribute


def items_of(value: object) -> list[tuple[str | int, Section]] | None:
    """Return the sections of a list by their index; None for anything else."""
    if isinstance(value, tuple) and value and all(isinstance(item, Section) for item in value):
        return list(enumerate(value))
    return None


def _put(section: Section, names: list[str], value: object) -> Section:
    name, *rest = _attribute(section, names[0]), *names[1:]
    return section.model_copy(update={name: _put(getattr(section, name), rest, value) if rest else value})


def _attribute(section: Section, key: str) -> str:
    return dict(entries(section)).get(key, key)


def _leaves(section: Section, path: str, fallback: str) -> Iterator[Leaf]:
    for written, name in entries(section):
        info = type(section).model_fields[name]
        extra = info.json_schema_extra
        reason = str(extra.get("reason", "")) if isinstance(extra, dict) else ""
        value, here = getattr(section, name), joined(path, written)
        # The reason for a section's absence is none for what stands in it.
        around = "" if info.default is None else reason or fallback
        if isinstance(value, Section):
            yield from _leaves(value, here, around)
        elif (items := items_of(value)) is not None:
            for index, item in items:
                yield from _leaves(item, joined(here, index), around)
        else:
            yield Leaf(here, section, name, reason or fallback)
