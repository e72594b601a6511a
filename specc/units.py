"""Numbers with the suffixes a person would write, and back to text.

A spec says `13b`, `80GiB`, `2h` or `400Gb/s`; the type of the key decides what a suffix means. Arithmetic is
decimal, so `0.3TB` is exactly 300,000,000,000 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

# Longer numbers are slips of the keyboard or attacks; Decimal is exact within its 28 digits.
_MAX_DIGITS = 24
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?)\s*(.*?)\s*", re.DOTALL)
_TIME_PART = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]+)\s*")

_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}

_COUNTS = {
    **{
        "k": 10**3,
        "K": 10**3,
        "m": 10**6,
        "M": 10**6,
        "b": 10**9,
        "B": 10**9,
        "G": 10**9,
        "t": 10**12,
        "T": 10**12,
    },
    **_BINARY,
}
_BYTES = {"B": 1, "KB": 10**3} | {f"{p}B": n for p, n in (_DECIMAL | _BINARY).items()}
_SECONDS = {
    **{
        "ns": Decimal("1e-9"),
        "us": Decimal("1e-6"),
        "ms": Decimal("1e-3"),
        "s": Decimal(1),
        "m": Decimal(60),
    },
    **{"min": Decimal(60), "h": Decimal(3600), "d": Decimal(86400), "w": Decimal(604800)},
}
_PER_SECOND = (
    {f"{unit}/s": Decimal(n) for unit, n in _BYTES.items()}
    | {f"{p}b/s": Decimal(n) / 8 for p, n in (_DECIMAL | _BINARY).items()}
    | {f"{p}bps": Decimal(n) / 8 for p, n in _DECIMAL.items()}
)
_WATTS = {"mW": Decimal("1e-3"), "W": Decimal(1), "kW": Decimal(1000), "MW": Decimal(10**6)}


class UnitError(ValueError):
    """A text is no number of the wanted kind; the message says what was expected."""


class _Unit(NamedTuple):
    """One kind of quantity: its name, what a person would write, and its suffixes."""

    name: str
    examples: str
    suffixes: Mapping[str, int | Decimal]
    bare: bool  # whether a number without a suffix has a meaning


_COUNT = _Unit("a count", "`13b`, `300M` or `4Mi`", _COUNTS, bare=True)
_SIZE = _Unit("a number of bytes", "`80GiB` or `512MB`", _BYTES, bare=True)
_TIME = _Unit("a time", "`2h`, `90s` or `500ms`", _SECONDS, bare=True)
_RATE = _Unit("a bandwidth", "`400Gb/s` or `4TB/s`", _PER_SECOND, bare=False)
_POWER = _Unit("a power", "`700W` or `1.2kW`", _WATTS, bare=True)
_UNITS = (_SIZE, _TIME, _RATE, _POWER, _COUNT)


def parse_count(text: str) -> int:
    """Return a number of parameters, tokens or rows: `13b`, `300B`, `4Mi`, `50304`.

    Raises:
        UnitError: The text is no number, its suffix is not a count's, or the number is not whole.
    """
    count = _parse(text, _COUNT)
    if count != count.to_integral_value():
        raise UnitError(f"expected a whole number, found `{_shown(text)}`")
    return int(count)


def parse_bytes(text: str) -> int:
    """Return a size in bytes, rounded to a whole byte: `80GiB`, `512MB`, `1024`.

    Raises:
        UnitError: The text is no number, or its suffix is not one of bytes.
    """
    return round(_parse(text, _SIZE))


def parse_seconds(text: str) -> float:
    """Return a time in seconds: `2h`, `1h30m`, `500ms`, `60`.

    Raises:
        UnitError: The text is no number, or its suffix is not one of time.
    """
    parts = _TIME_PART.findall(text)
    if len(parts) > 1 and _TIME_PART.sub("", text).strip() == "":
        return float(sum(_parse("".join(part), _TIME) for part in parts))
    return float(_parse(text, _TIME))


def parse_bandwidth(text: str) -> int:
    """Return a bandwidth in bytes per second: `400Gb/s` (bits), `4TB/s` (bytes), `100Gbps`.

    Raises:
        UnitError: The text is no number, or its suffix is not one of bandwidth; a bare number could
            be bits or bytes and is refused.
    """
    return round(_parse(text, _RATE))


def parse_watts(text: str) -> float:
    """Return a power in watts: `700W`, `1.2kW`.

    Raises:
        UnitError: The text is no number, or its suffix is not one of power.
    """
    return float(_parse(text, _POWER))


def format_count(count: float) -> str:
    """Return a count for people, in four digits: `13.02b`, `124.4M`, `512`."""
    return _scaled(count, (("t", 10**12), ("b", 10**9), ("M", 10**6), ("k", 10**3)))


def format_bytes(size: float) -> str:
    """Return a size in bytes for people, in four digits and binary units: `74.51 GiB`."""
    return _scaled(size, tuple((f" {p}B", n) for p, n in reversed(_BINARY.items())), " B")


def format_bandwidth(bytes_per_second: float) -> str:
    """Return a bandwidth for people, in four digits and decimal bytes: `450 GB/s`."""
    return _scaled(bytes_per_second, tuple((f" {p}B/s", n) for p, n in reversed(_DECIMAL.items())), " B/s")


def format_seconds(seconds: float) -> str:
    """Return a time for people, in its two largest units: `3d 4h`, `1h 30m`, `12.5s`, `80ms`."""
    if seconds < 59.995:  # what would print as 60s is a minute
        return _scaled(seconds, (("s", 1), ("ms", 1e-3), ("us", 1e-6)), "s")
    whole = round(seconds) if seconds < 3600 else round(seconds / 60) * 60
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    first = next(i for i, (_, length) in enumerate(units) if whole >= length)
    parts = []
    for suffix, length in units[first : first + 2]:
        parts.append(f"{whole // length}{suffix}")
        whole %= length
    return " ".join(part for part in parts if not part.startswith("0"))


def format_watts(watts: float) -> str:
    """Return a power for people, in four digits: `700 W`, `10.2 kW`."""
    return _scaled(watts, ((" MW", 10**6), (" kW", 10**3)), " W")


def _parse(text: str, unit: _Unit) -> Decimal:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise UnitError(f"expected {unit.name} such as {unit.examples}, found `{_shown(text)}`")
    number, suffix = match.groups()
    if len(number) > _MAX_DIGITS:
        raise UnitError(f"expected {unit.name} such as {unit.examples}, found a number of {len(number)} digits")
    if suffix in unit.suffixes:
        return Decimal(number) * unit.suffixes[suffix]
    if not suffix and unit.bare:
        return Decimal(number)
    raise UnitError(f"expected {unit.name} such as {unit.examples}, found {_misread(text, suffix, unit)}")


def _misread(text: str, suffix: str, wanted: _Unit) -> str:
    """Say what a suffix means elsewhere, or how it is spelled here."""
    if not suffix:
        return f"`{_shown(text)}` without a unit"
    for unit in _UNITS:
        if suffix in unit.suffixes:
            return f"`{_shown(text)}`, {unit.name}"
    near = [s for s in wanted.suffixes if s.lower() == suffix.lower()]
    if near:
        return f"`{_shown(text)}`, whose suffix is spelled `{near[-1]}`"
    return f"`{_shown(text)}`"


def _scaled(value: float, units: tuple[tuple[str, float], ...], plain: str = "") -> str:
    """Print `value` in the largest unit of which it holds at least one, rounded to four digits."""
    for suffix, size in units:
        # 0.99995 units already print as 1.
        if abs(value) >= size * 0.99995:
            return _four_digits(value / size) + suffix
    return _four_digits(value) + plain


def _four_digits(value: float) -> str:
    text = f"{value:.4g}"
    # From 10,000 on `g` would switch to an exponent, which nobody reads well.
    return f"{value:.0f}" if "e+" in text else text


def _shown(text: str) -> str:
    """Return the text as a message can carry it."""
    return text if len(text) <= 40 else text[:37] + "..."
