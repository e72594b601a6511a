"""Errors of the YAML parser in the words of a person."""

from __future__ import annotations

import re
from typing import Any

from specc.diagnostics import Diagnostic, Label, Source
from specc.spec import codes
from specc.spec.nodes import whole_file

# What YAML 1.2 does not call printable, and the line breaks U+0085, U+2028 and U+2029, which only YAML 1.1 knows.
_NOT_TEXT = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufffe\\uffff]")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


def control_character(source: Source, text: str) -> Diagnostic | None:
    """Return the diagnostic of the first character that YAML 1.2 does not allow in a file."""
    match = _NOT_TEXT.search(text)
    if match is None:
        return None
    return Diagnostic(
        codes.CONTROL_CHARACTER,
        f"character U+{ord(match[0]):04X} is not allowed in YAML text",
        "",
        Label(source.span(*line_and_column(text, match.start()))),
        help="delete it, or write it as an escape in double quotes",
    )


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Return the 1-based place of the character at `index`."""
    breaks = [match.end() for match in _LINE_BREAK.finditer(text, 0, index)]
    return len(breaks) + 1, index - (breaks[-1] if breaks else 0) + 1


def syntax_error(source: Source, text: str, error: Any) -> Diagnostic:
    """Turn the YAML parser's exception into a diagnostic."""
    problem = str(getattr(error, "problem", None) or error)
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Diagnostic(codes.YAML_SYNTAX, problem, "", Label(whole_file(source)))
    start = getattr(error, "context_mark", None)
    if "tab" in problem.split() or text[mark.index : mark.index + 1] == "\t":
        return _at(source, mark, codes.YAML_TAB, "a tab is no indentation in YAML", "indent with spaces")
    for pattern, (message, help_text, at_start) in _WORDING.items():
        if re.search(pattern, problem):
            opening = start if at_start and start is not None else mark
            return _at(source, opening, codes.YAML_SYNTAX, message, help_text)
    return _at(source, mark, codes.YAML_SYNTAX, f"the YAML parser {problem}", None)


def _at(source: Source, mark: Any, code: str, message: str, help_text: str | None) -> Diagnostic:
    line, column = mark.line + 1, mark.column + 1
    # Errors at the end of the text stand on the line after the last.
    if line > 1 and not source.line(line):
        line, column = line - 1, len(source.line(line - 1)) + 1
    return Diagnostic(code, message, "", Label(source.span(line, column)), help=help_text)


_QUOTE_IT = "put the text into quotes"
# Pattern of the parser's problem -> message, help, whether the start of the construct shows it better.
_WORDING: dict[str, tuple[str, str | None, bool]] = {
    "mapping values are not allowed": (
        "unexpected `:`",
        "check the indentation and the line before, and quote text with `: ` in it",
        False,
    ),
    r"expected ',' or '\]'": ("this list is not closed where it should be", "close it with `]`", True),
    r"expected ',' or '\}'": ("this mapping is not closed where it should be", "close it with `}`", True),
    "unexpected end of stream|document separator": ("this quote is never closed", "close it", True),
    "unknown escape": ("unknown escape in double quotes", "write `\\\\` for a backslash, or use single quotes", False),
    "escape (code|sequence)|hexdecimal|hexadecimal": ("bad escape in double quotes", "use single quotes", False),
    "cannot start any token": ("text cannot start with this character", _QUOTE_IT, False),
    "expected '-' indicator|<block end>|expected key": (
        "this line fits neither list nor mapping",
        "check the indentation",
        False,
    ),
    "could not find expected ':'": ("a key without `:`", "write `key: value`", True),
    "expected (the )?node content": ("a value is expected here", _QUOTE_IT, False),
    "alphabetic or numeric": ("text cannot start with this character", _QUOTE_IT, False),
}
