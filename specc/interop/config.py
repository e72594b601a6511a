"""A `config.json` being read: typed values by key, with every problem collected on the way."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from specc.diagnostics import CompileFailed, Diagnostic, Label, Source, Span, printable
from specc.interop import codes
from specc.spec import nodes
from specc.spec.read import failure, read
from specc.spec.source import parse

CONFIG = "config.json"

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Given:
    """A value for the spec, and the key of `config.json` that it came from."""

    value: Scalar
    why: str


@dataclass(slots=True)
class HfConfig:
    """What a `config.json` says.

    Attributes:
        source: The file.
        values: Its keys.
        places: The span of each key's value.
        asked: The keys that were asked for.
        diagnostics: What was found wrong so far.
    """

    source: Source
    values: Mapping[str, object]
    places: Mapping[str, Span]
    asked: set[str] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def get(self, key: str) -> object:
        """Return a key's value; None when it is absent or null, which mean the same in these files."""
        self.asked.add(key)
        return self.values.get(key)

    def size(self, key: str, default: int) -> Given:
        """Return a positive whole number."""
        found = self.get(key)
        if found is None:
            return self._absent(key, default)
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return Given(found, key)
        return self._invalid(key, "a positive whole number", default)

    def number(self, key: str, default: float) -> Given:
        """Return a positive number."""
        found = self.get(key)
        if found is None:
            return self._absent(key, default)
        if _is_number(found) and found > 0:
            return Given(float(found), key)
        return self._invalid(key, "a positive number", default)

    def rate(self, key: str, default: float) -> Given:
        """Return a rate of dropout."""
        found = self.get(key)
        if found is None:
            return self._absent(key, default)
        if _is_number(found) and 0 <= found < 1:
            return Given(float(found), key)
        return self._invalid(key, "a rate from 0 to below 1", default)

    def flag(self, key: str, default: bool) -> Given:
        """Return true or false."""
        found = self.get(key)
        if found is None:
            return self._absent(key, default)
        return Given(found, key) if isinstance(found, bool) else self._invalid(key, "true or false", default)

    def choice(self, key: str, default: str, meanings: Mapping[str, str]) -> Given:
        """Return our word for one of theirs; a word without a meaning is refused."""
        found = default if self.get(key) is None else self.get(key)
        if isinstance(found, str) and found in meanings:
            return Given(meanings[found], f"{key}: {found}")
        self.refuse(key, f"`{key}` can be imported as {_listed(meanings)} only")
        return Given(meanings[default], key)

    def expect(self, key: str, *neutral: object) -> None:
        """Refuse a key whose value is neither null nor one of `neutral`, compared with its type."""
        found = self.get(key)
        if found is not None and (type(found), found) not in [(type(each), each) for each in neutral]:
            self.refuse(key, f"`{key}` is set to what a spec cannot say yet")

    def refuse(self, key: str, message: str) -> None:
        """Note that a value cannot be imported."""
        note = "a spec without it would describe another model"
        self._report(codes.NOT_EXPRESSIBLE, key, message, note)

    def span(self, key: str) -> Span:
        """Return the place of a key's value; the file's start for an absent one."""
        return self.places.get(key, nodes.whole_file(self.source))

    def unread(self) -> tuple[str, ...]:
        """Return the keys that nobody asked for."""
        return tuple(key for key in self.values if key not in self.asked)

    def _absent(self, key: str, default: Scalar) -> Given:
        return Given(default, f"no {key}: the family's default")

    def _invalid(self, key: str, expected: str, default: Scalar) -> Given:
        self._report(codes.VALUE_INVALID, key, f"`{key}` is not {expected}")
        return Given(default, key)

    def _report(self, code: str, key: str, message: str, note: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, key, Label(self.span(key)), note=note))


def read_config(folder: Path) -> HfConfig:
    """Return what the `config.json` of a folder says.

    Raises:
        CompileFailed: There is none, it is too large, or it is not a JSON object.
    """
    path = folder / CONFIG
    if not path.is_file():
        what = "has no" if folder.is_dir() else "is not a folder with a"
        raise failure(
            Source(str(folder), ""),
            codes.CONFIG_UNREADABLE,
            f"`{printable(str(folder))}` {what} `{CONFIG}`",
            "pass the folder of a model, as `save_pretrained` writes it",
        )
    source = read(str(path))
    try:
        values = json.loads(source.text)
    except json.JSONDecodeError as error:
        raise _no_json(error.msg.lower(), source.span(error.lineno, error.colno)) from error
    except (ValueError, RecursionError) as error:
        raise _no_json(str(error), nodes.whole_file(source)) from error
    if not isinstance(values, dict):
        raise _no_json("it is no object", nodes.whole_file(source))
    return HfConfig(source, values, _places(source))


def _no_json(reason: str, span: Span) -> CompileFailed:
    message = f"`{CONFIG}` cannot be read as JSON: {reason}"
    return CompileFailed([Diagnostic(codes.CONFIG_UNREADABLE, message, "", Label(span))])


def _places(source: Source) -> dict[str, Span]:
    """Return where each value stands. JSON is YAML, but for tabs between tokens and halves of surrogate pairs."""
    root = parse(source, "user", _SURROGATE.sub(r"\\u0020", source.text.replace("\t", " "))).root
    entries = root.entries if isinstance(root, nodes.Mapping) else ()
    return {entry.key: entry.value.span for entry in entries}


def _is_number(value: object) -> TypeGuard[int | float]:
    """Return whether it is a finite number; JSON as Python reads it also has infinities and NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _listed(words: Mapping[str, str]) -> str:
    return " or ".join(f"`{word}`" for word in words)
