"""Numbers with suffixes, and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc import units
from specc.units import UnitError


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("13b", 13_000_000_000),
        ("300B", 300_000_000_000),
        ("4Mi", 4 * 2**20),
        ("1.3b", 1_300_000_000),
        ("125 M", 125_000_000),
        ("10k", 10_000),
        ("2t", 2 * 10**12),
        ("50304", 50304),
        ("1e3", 1000),
        ("-5b", -5_000_000_000),
    ],
)
def test_counts(text: str, count: int) -> None:
    assert units.parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "size"),
    [("80GiB", 80 * 2**30), ("80 GB", 80 * 10**9), ("512MB", 512 * 10**6), ("7", 7), ("0.3TB", 3 * 10**11)],
)
def test_bytes(text: str, size: int) -> None:
    assert units.parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90s", 90), ("500ms", 0.5), ("1h30m", 5400), ("1d", 86400), ("60", 60), ("5min", 300)],
)
def test_seconds(text: str, seconds: float) -> None:
    assert units.parse_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("400Gb/s", 50 * 10**9),
        ("4TB/s", 4 * 10**12),
        ("450GB/s", 450 * 10**9),
        ("100Gbps", 12_500_000_000),
        ("1GiB/s", 2**30),
    ],
)
def test_bandwidths(text: str, rate: int) -> None:
    assert units.parse_bandwidth(text) == rate


def test_watts() -> None:
    assert units.parse_watts("700W") == 700
    assert units.parse_watts("1.2kW") == 1200


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (units.parse_count, "80GiB", "`80GiB`, a number of bytes"),
        (units.parse_count, "2h", "`2h`, a time"),
        (units.parse_count, "1.5", "a whole number, found `1.5`"),
        (units.parse_count, "twelve", "a count such as `13b`"),
        (units.parse_count, "1_000", "found `1_000`"),
        (units.parse_count, "nan", "found `nan`"),
        (units.parse_count, "", "a count"),
        (units.parse_bytes, "13b", "`13b`, a count"),
        (units.parse_bytes, "80gb", "spelled `GB`"),
        (units.parse_bytes, "9" * 5000, "5000 digits"),
        (units.parse_seconds, "4TB/s", "`4TB/s`, a bandwidth"),
        (units.parse_seconds, "1h30x", "a time"),
        (units.parse_bandwidth, "400", "without a unit"),
        (units.parse_bandwidth, "80GB", "`80GB`, a number of bytes"),
        (units.parse_watts, "2h", "`2h`, a time"),
    ],
)
def test_wrong_units_say_what_was_expected(parse: Callable[[str], float], text: str, words: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(text)
    assert "expected" in str(caught.value)
    assert words in str(caught.value)


@given(st.text())
def test_any_text_is_a_number_or_a_unit_error(text: str) -> None:
    for parse in (units.parse_count, units.parse_bytes, units.parse_seconds, units.parse_bandwidth, units.parse_watts):
        try:
            assert isinstance(parse(text), int | float)
        except UnitError as error:
            assert len(str(error)) < 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.format_count(13_015_864_320), "13.02b"),
        (units.format_count(124_439_808), "124.4M"),
        (units.format_count(999_999), "1M"),
        (units.format_count(512), "512"),
        (units.format_bytes(80 * 10**9), "74.51 GiB"),
        (units.format_bytes(0), "0 B"),
        (units.format_bandwidth(450 * 10**9), "450 GB/s"),
        (units.format_seconds(273_600), "3d 4h"),
        (units.format_seconds(3599.9), "1h"),
        (units.format_seconds(59.999), "1m"),
        (units.format_seconds(12.5), "12.5s"),
        (units.format_seconds(0.08), "80ms"),
        (units.format_watts(10_200), "10.2 kW"),
    ],
)
def test_formats_for_people(text: str, expected: str) -> None:
    assert text == expected


@given(st.integers(0, 10**17))
def test_formatted_numbers_read_back_within_their_rounding(number: int) -> None:
    near = pytest.approx(number, rel=6e-4)
    assert units.parse_count(units.format_count(number)) == near
    assert units.parse_bytes(units.format_bytes(number)) == near
    assert units.parse_bandwidth(units.format_bandwidth(number)) == near
