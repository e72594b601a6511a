"""YAML text to nodes: the scalars of YAML 1.2, and everything that is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.diagnostics import EXPLANATIONS, CompileFailed, Diagnostic, Source
from specc.spec.nodes import Mapping, Scalar, to_data
from specc.spec.read import MAX_BYTES, decode, read
from specc.spec.source import Parsed, parse


def parsed(text: str) -> Parsed:
    return parse(Source("x.yaml", text), "user")


def value(text: str) -> object:
    result = parsed(f"key: {text}\n")
    assert not result.diagnostics
    assert isinstance(result.root, Mapping)
    return to_data(result.root.entries[0].value)


def only_error(text: str) -> Diagnostic:
    (diagnostic,) = parsed(text).diagnostics
    return diagnostic


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("3e-4", 0.0003),
        ("1.0e-5", 1e-5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-2.5E+3", -2500.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("010", 10),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("tRUE", "tRUE"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2020-01-01", "2020-01-01"),
        ("1e", "1e"),
        ("٣", "٣"),
        ("'010'", "010"),
        ('"3e-4"', "3e-4"),
        ("'null'", "null"),
        ("[1, {a: no}]", [1, {"a": "no"}]),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, meaning: object) -> None:
    found = value(text)
    assert found == meaning
    assert type(found) is type(meaning)


def test_nan() -> None:
    found = value(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_printed_floats_read_back(number: float) -> None:
    assert value(repr(number)) == number


@given(st.integers(-(10**30), 10**30))
def test_printed_integers_read_back(number: int) -> None:
    assert value(str(number)) == number


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a:\n\tb: 1\n", "yaml-tab", 2, 1),
        ("a: b\n\tc: 1\n", "yaml-tab", 2, 1),
        ("a: b: c\n", "yaml-syntax", 1, 5),
        ("a: 1\nb: [1,\nc: 2\n", "yaml-syntax", 2, 4),
        ("a: {b: 1\n", "yaml-syntax", 1, 4),
        ("a: 'b\n", "yaml-syntax", 1, 4),
        ('a: "\\q"\n', "yaml-syntax", 1, 5),
        ('a: "\\ud800"\n', "yaml-syntax", 1, 7),
        ("a: @b\n", "yaml-syntax", 1, 4),
        ("- a\nb: 1\n", "yaml-syntax", 2, 1),
        ("a: 1\nb: x\x00y\n", "control-character", 2, 5),
        ("a: \x1b[31m\n", "control-character", 1, 4),
        ("a: x\u2028y\n", "control-character", 1, 5),
        ("a: \ud800\n", "control-character", 1, 4),
        ("a: &x 1\n", "anchor", 1, 4),
        ("a: *x\n", "anchor", 1, 4),
        ("a: !!python/object:os.system x\n", "tag", 1, 4),
        ("a: !env x\n", "tag", 1, 4),
        ("a: 1\n---\nb: 2\n", "several-documents", 2, 1),
        ("%YAML 1.1\n---\na: 1\n", "yaml-version", 1, 1),
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1),
        ("1: x\n", "key-not-a-string", 1, 1),
        ("true: x\n", "key-not-a-string", 1, 1),
        ("? [a, b]\n: x\n", "key-not-a-string", 1, 3),
        ("a: {{ size }}\n", "key-not-a-string", 1, 5),
        (f"a: {'9' * 5000}\n", "number-too-large", 1, 4),
        ("a: -1e999\n", "number-too-large", 1, 4),
        (f"a: {'[' * 5000}\n", "yaml-too-deep", 1, 68),
    ],
)
def test_refused_text(text: str, code: str, line: int, column: int) -> None:
    diagnostic = only_error(text)
    span = diagnostic.primary.span
    assert (diagnostic.code, span.line, span.column) == (code, line, column)
    assert code in EXPLANATIONS


@pytest.mark.parametrize(
    "text", ["%YAML 1.2\n---\na: 1\n...\n", "a: 1\r\n", "a:  1 # one\n", "{a: 1}", '"a": 1', "a: \t1\n"]
)
def test_accepted_forms(text: str) -> None:
    result = parsed(text)
    assert not result.diagnostics
    assert result.root is not None
    assert to_data(result.root) == {"a": 1}


def test_every_problem_is_found_in_one_run() -> None:
    result = parsed("a: 1\na: 2\n1: x\nb: !t 1\nc: &d 1\ne: *d\n")
    codes = [d.code for d in result.diagnostics]
    assert codes == ["duplicate-key", "key-not-a-string", "tag", "anchor", "anchor"]


def test_a_duplicate_points_at_the_first_one() -> None:
    diagnostic = only_error("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert diagnostic.path == "a.b"
    assert [(label.span.line, label.span.column) for label in diagnostic.related] == [(2, 3)]


def test_an_alias_bomb_is_refused_without_expanding_it() -> None:
    rows = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    result = parsed("a0: &a0 [lol]\n" + "\n".join(rows))
    assert {d.code for d in result.diagnostics} == {"anchor"}
    assert "extends" in (result.diagnostics[0].help or "")


def test_a_merge_key_is_one_problem() -> None:
    result = parsed("a: {b: 1}\nc:\n  <<: *a\n")
    assert [(d.code, d.path) for d in result.diagnostics] == [("anchor", "c")]
    assert result.incomplete == {"c"}


def test_spans_count_characters_of_the_line() -> None:
    result = parsed("größe: 日本 # x\nb: {c: 'd e'}\n")
    assert isinstance(result.root, Mapping)
    first, second = result.root.entries
    assert (first.key_span.column, first.key_span.length) == (1, 5)
    assert (first.value.span.column, first.value.span.length) == (8, 2)
    assert isinstance(second.value, Mapping)
    inner = second.value.entries[0].value
    assert isinstance(inner, Scalar)
    assert (inner.span.line, inner.span.column, inner.span.length, inner.raw) == (2, 8, 5, "d e")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a: 1\nb: \xff\n", (2, 4)),
        ("é: ".encode() + b"\xe9t\xe9", (1, 4)),
        (b"\xff\xfea\x00", (1, 1)),
        (b"\xef\xbb\xbfa\xff", (1, 2)),
    ],
)
def test_bytes_that_are_not_utf8(content: bytes, place: tuple[int, int]) -> None:
    with pytest.raises(CompileFailed) as caught:
        decode("x.yaml", content)
    (diagnostic,) = caught.value.diagnostics
    span = diagnostic.primary.span
    assert (diagnostic.code, (span.line, span.column)) == ("not-utf8", place)


def test_a_byte_order_mark_is_accepted() -> None:
    assert decode("x.yaml", b"\xef\xbb\xbfa: 1\n").text == "a: 1\n"


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(CompileFailed) as caught:
        read("/dev/zero")
    assert caught.value.diagnostics[0].code == "file-too-large"


@pytest.mark.parametrize("name", ["no/such.yaml", ".", "a\0b"])
def test_unreadable_files(name: str) -> None:
    with pytest.raises(CompileFailed) as caught:
        read(name)
    assert caught.value.diagnostics[0].code == "file-unreadable"


def test_the_largest_file_is_still_read_fast() -> None:
    line = "key: [1, 2, 3, {a: b}]\n"
    text = "".join(f"k{i}-{line}" for i in range(MAX_BYTES // 40))
    assert not parsed(text).diagnostics
