"""What a plain scalar means: the core schema of YAML 1.2."""

from __future__ import annotations

import math
import re

from specc.spec.nodes import ScalarValue

_CONSTANTS: dict[str, ScalarValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + text: math.inf for sign in ("", "+") for text in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o([0-7]+)")
_HEX = re.compile(r"0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

# Every quantity of a spec fits into 64 bits; Python itself refuses to read thousands of digits.
MAX_DIGITS = 40


class NumberTooLargeError(ValueError):
    """A number has more digits, or a larger exponent, than any quantity of a spec."""


def meaning(text: str) -> ScalarValue:
    """Return the value of a plain scalar: `010` is ten, `3e-4` a float, `no` and `12:30` are strings.

    Raises:
        NumberTooLargeError: The text is a number that no field could hold.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEX, 16)):
        match = pattern.fullmatch(text)
        if match:
            return _integer(match[match.lastindex or 0], base)
    return _float(text) if _FLOAT.fullmatch(text) else text


def _integer(digits: str, base: int) -> int:
    if len(digits) > MAX_DIGITS:
        raise NumberTooLargeError(f"a number of {len(digits)} digits")
    return int(digits, base)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise NumberTooLargeError("a number beyond the range of 64-bit floats")
    return value
