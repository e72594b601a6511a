"""What the schema allows at a place: the sections that a key's type can be, and where a key belongs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from specc.catalog.base import Variant
from specc.spec.nodes import joined

Section: TypeAlias = type[BaseModel]


class Home(NamedTuple):
    """A section that has a certain key.

    Attributes:
        path: Its dotted path; items of lists are left out.
        tag: The variant that has the key, as `kind: rope`; empty where there is only one.
    """

    path: str
    tag: str

    def __str__(self) -> str:
        where = f"`{self.path}`" if self.path else "the top level"
        return f"{where} (`{self.tag}`)" if self.tag else where


def keys(section: Section) -> dict[str, FieldInfo]:
    """Return a section's keys as a user writes them."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def sections_in(annotation: Any) -> tuple[Section, ...]:
    """Return every section that a type mentions: the variants of a union, the items of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    # Annotated's other arguments are values, not types.
    inner = get_args(annotation)[:1] if hasattr(annotation, "__metadata__") else get_args(annotation)
    return tuple(section for argument in inner for section in sections_in(argument))


def below(sections: tuple[Section, ...], key: str) -> tuple[Section, ...]:
    """Return the sections that the value of `key` can be."""
    fields = (keys(section).get(key) for section in sections)
    return tuple(found for field in fields if field for found in sections_in(field.annotation))


def tag_of(section: Section) -> tuple[str, str] | None:
    """Return the key and value that name a variant, as `("kind", "rope")`; None for what is no variant."""
    if not issubclass(section, Variant):
        return None
    for name, field in keys(section).items():
        values = get_args(field.annotation)
        if get_origin(field.annotation) is Literal and len(values) == 1 and isinstance(values[0], str):
            return name, values[0]
    return None


def variant(sections: tuple[Section, ...], name: str) -> Section | None:
    """Return the section that pydantic calls `name` in the location of an error."""
    return next((s for s in sections if s.__name__ == name or (tag_of(s) or ("", ""))[1] == name), None)


def homes(root: Section, key: str) -> tuple[Home, ...]:
    """Return every section of the language that has `key`."""
    return _index(root).get(key, ())


@cache
def _index(root: Section) -> dict[str, tuple[Home, ...]]:
    index: dict[str, dict[Home, None]] = {}
    for key, home in _homes((root,), ""):
        index.setdefault(key, {})[home] = None
    return {key: tuple(found) for key, found in index.items()}


def _homes(sections: tuple[Section, ...], path: str) -> Iterator[tuple[str, Home]]:
    """Yield every key with its section; a key of all variants is the section's, else the variant's."""
    for key in dict.fromkeys(key for section in sections for key in keys(section)):
        having = [section for section in sections if key in keys(section)]
        shared = len(having) == len(sections)
        for tag in [""] if shared else [": ".join(tag_of(section) or ()) for section in having]:
            yield key, Home(path, tag)
        yield from _homes(below(sections, key), joined(path, key))
