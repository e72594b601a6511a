"""Plain values as YAML 1.2 text that specc reads back as the same values."""

from __future__ import annotations

import re
from collections.abc import Mapping

from specc.spec.scalars import meaning

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*")


def flow(value: object) -> str:
    """Return a scalar, or a list or mapping of them, on one line."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case Mapping():
            return "{" + ", ".join(f"{_text(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
    raise TypeError(f"no YAML for {type(value).__name__}")


def _text(text: str) -> str:
    # What looks like a reference to the environment is text by now.
    text = text.replace("${", "$${")
    if _PLAIN.fullmatch(text) and meaning(text) == text:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"
