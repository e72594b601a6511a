"""Files and standard input to `Source`s."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from specc.diagnostics import CompileFailed, Diagnostic, Label, Source
from specc.spec import codes
from specc.spec.nodes import whole_file
from specc.spec.syntax import line_and_column

MAX_BYTES = 2**20
_BYTE_ORDER_MARK = "\ufeff"
STDIN = "-"


def read(name: str, path: Path | None = None) -> Source:
    """Return the text of a file.

    Args:
        name: What the user calls it; `-` is standard input.
        path: Where it lies, if not at `name`.

    Raises:
        CompileFailed: It cannot be read, is too large, or is not UTF-8.
    """
    try:
        if name == STDIN and path is None:
            content = _limited(sys.stdin.buffer)
        else:
            with (path or Path(name)).open("rb") as file:
                content = _limited(file)
    # ValueError: a NUL in the path.
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise failure(Source(name, ""), codes.FILE_UNREADABLE, f"cannot read `{name}`: {reason}") from error
    check_size(name, len(content))
    return decode(name, content)


def check_size(name: str, size: int) -> None:
    """Refuse what is no spec.

    Raises:
        CompileFailed: `size`, in bytes, is more than a spec can have.
    """
    if size > MAX_BYTES:
        message = f"`{name}` has more than 1 MiB"
        raise failure(Source(name, ""), codes.FILE_TOO_LARGE, message, "pass the spec, not the data it names")


def decode(name: str, content: bytes) -> Source:
    """Return bytes as text.

    Raises:
        CompileFailed: The bytes are not UTF-8.
    """
    try:
        return source_of(name, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        source = source_of(name, content.decode("utf-8", errors="replace"))
        before = source_of(name, content[: error.start].decode("utf-8")).text
        span = source.span(*line_and_column(before, len(before)))
        message = f"byte 0x{content[error.start]:02X} is not UTF-8"
        raise CompileFailed(
            [Diagnostic(codes.NOT_UTF8, message, "", Label(span), help="save the file as UTF-8")]
        ) from error


def source_of(name: str, text: str) -> Source:
    """Return text as a source, without its byte order mark."""
    return Source(name, text.removeprefix(_BYTE_ORDER_MARK))


def failure(source: Source, code: str, message: str, help_text: str | None = None) -> CompileFailed:
    """Return the error of what concerns a whole file."""
    return CompileFailed([Diagnostic(code, message, "", Label(whole_file(source)), help=help_text)])


def _limited(file: BinaryIO) -> bytes:
    """Read one byte more than allowed, never a whole endless file."""
    return file.read(MAX_BYTES + 1)
