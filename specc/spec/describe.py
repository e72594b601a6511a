"""What `specc explain` says about a key: its meaning, type, default and an example."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from specc.catalog.fields import Measured
from specc.spec.nodes import joined
from specc.spec.schema import Spec
from specc.spec.shape import Section, below, keys, sections_in, tag_of

_TYPES = {int: "a whole number", float: "a number", str: "a string", bool: "true or false", NoneType: "null"}


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One key of the language.

    Attributes:
        path: Its dotted path; items of lists are left out.
        meaning: One or two sentences.
        values: What it can be.
        default: Its default with the reason, or that it must be given.
        variants: The tag of each variant with what it is, for a key that chooses one.
        inside: The keys of the section, for a key that holds one.
        example: YAML with the key in its place.
    """

    path: str
    meaning: str
    values: str
    default: str
    variants: tuple[tuple[str, str], ...]
    inside: tuple[str, ...]
    example: str


def paths() -> Iterator[str]:
    """Yield the dotted path of every key of the language."""
    yield from dict.fromkeys(_paths((Spec,), ""))


def describe(path: str) -> KeyPage | None:
    """Return the page of a key by its dotted path; None when the language has no such key."""
    holders: tuple[Section, ...] = (Spec,)
    *parents, name = path.split(".")
    lists = []
    for parent in parents:
        field = _field(holders, parent)
        lists.append(field is not None and _is_list(field.annotation))
        holders = below(holders, parent)
    field = _field(holders, name)
    if field is None:
        return None
    if all((tag_of(holder) or ("",))[0] == name for holder in holders):
        return _tag_page(path, holders, [*zip(parents, lists, strict=True)])
    sections = sections_in(field.annotation)
    variants = tuple((tag[1], _summary(section)) for section in sections if (tag := tag_of(section)))
    inside = tuple(dict.fromkeys(key for section in sections for key in keys(section)))
    return KeyPage(
        path=path,
        meaning=field.description or "",
        values=" or ".join(dict.fromkeys(_values(field.annotation, field.metadata))),
        default=_default(field),
        variants=variants,
        inside=inside,
        example=_example([*zip(parents, lists, strict=True)], name, _sample(field, variants, inside)),
    )


def _tag_page(path: str, holders: tuple[Section, ...], parents: list[tuple[str, bool]]) -> KeyPage:
    """Return the page of the key that names a variant."""
    variants = tuple((tag[1], _summary(holder)) for holder in holders if (tag := tag_of(holder)))
    section, _, name = path.rpartition(".")
    first = variants[0][0]
    short = f"[{first}]" if parents[-1][1] else first
    needs_more = any(field.is_required() and key != name for holder in holders for key, field in keys(holder).items())
    also = "" if needs_more else f" `{section.rpartition('.')[2]}: {short}` is a short form."
    return KeyPage(
        path=path,
        meaning=f"Which variant of `{section}`.{also}",
        values=" or ".join(f"`{tag}`" for tag, _ in variants),
        default=f"that of `{section}`",
        variants=variants,
        inside=(),
        example=_example(parents, name, first),
    )


def _paths(holders: tuple[Section, ...], path: str) -> Iterator[str]:
    for name in dict.fromkeys(name for holder in holders for name in keys(holder)):
        here = joined(path, name)
        yield here
        yield from _paths(below(holders, name), here)


def _field(holders: tuple[Section, ...], name: str) -> FieldInfo | None:
    return next((keys(holder)[name] for holder in holders if name in keys(holder)), None)


def _summary(section: Section) -> str:
    return inspect.cleandoc(section.__doc__ or "").partition("\n")[0]


def _is_list(annotation: Any) -> bool:
    """Say whether a key holds a list, or null."""
    return any(get_origin(_plain(part)) is tuple for part in (annotation, *get_args(_plain(annotation))))


def _plain(annotation: Any) -> Any:
    """Return a type without what `Annotated` adds to it."""
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _values(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[str]:
    """Yield what a type accepts, in words; `metadata` is what pydantic took off it."""
    examples = _examples([*metadata, *getattr(annotation, "__metadata__", ())])
    annotation = _plain(annotation)
    origin = get_origin(annotation)
    if examples:
        yield f"{_TYPES[annotation]}, or with a suffix: {examples}"
    elif origin is Literal:
        yield from (f"`{value}`" for value in get_args(annotation))
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            # null is how a key asks for its default; the default's line says so.
            yield from () if part is NoneType else _values(part)
    elif origin is tuple:
        item, *_ = get_args(annotation)
        kinds = " or ".join(dict.fromkeys(_values(item)))
        yield "a list of mappings" if sections_in(item) else f"a list of {kinds}"
    elif sections_in(annotation):
        yield "a mapping"
    else:
        yield _TYPES.get(annotation, "a value of which only the default is built")


def _examples(metadata: Iterable[Any]) -> str:
    """Return what a person would write for a number with a suffix; empty for other types."""
    validators = (getattr(each, "func", None) for each in metadata)
    return next((validator.examples for validator in validators if isinstance(validator, Measured)), "")


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    reason = str(extra.get("reason", "")) if isinstance(extra, dict) else ""
    if field.default is PydanticUndefined:
        return "none: it must be given"
    if field.default is None and not reason:
        return "derived from other keys; `specc resolve` shows how"
    because = f" ({reason})" if reason else ""
    if field.default is None or isinstance(field.default, int | float | str | tuple):
        return f"`{_yaml(field.default)}`{because}"
    return f"its own defaults{because}"


def _sample(field: FieldInfo, variants: tuple[tuple[str, str], ...], inside: tuple[str, ...]) -> str:
    """Return a value that could stand in an example."""
    default = None if field.default in (PydanticUndefined, ()) else field.default
    if get_origin(_plain(field.annotation)) is tuple and default is None:
        return f"[{_one(get_args(field.annotation)[0], variants, inside)}]"
    if isinstance(default, tuple) or (default is not None and not inside):
        return _yaml(default)
    return _one(field.annotation, variants, inside)


def _one(annotation: Any, variants: tuple[tuple[str, str], ...], inside: tuple[str, ...]) -> str:
    """Return a value of this type, or the first of these variants, or a mapping with the first of these keys."""
    if variants:
        return variants[0][0]
    if inside:
        return f"{{{inside[0]}: ...}}"
    words = next(_values(annotation), "").partition(",")[0]
    return {_TYPES[int]: "8", _TYPES[float]: "0.5", _TYPES[str]: "some text"}.get(words, words.strip("`") or "null")


def _example(parents: list[tuple[str, bool]], name: str, value: str) -> str:
    lines, indent = [], ""
    dash = ""
    for parent, is_list in parents:
        lines.append(f"{indent}{dash}{parent}:")
        indent += "  " + "  " * bool(dash)
        dash = "- " if is_list else ""
    return "\n".join([*lines, f"{indent}{dash}{name}: {value}"])


def _yaml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, BaseModel):
        return "{" + ", ".join(f"{name}: {_yaml(item)}" for name, item in value) + "}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
