"""Expected output that is kept in files: compared in tests, rewritten by `make golden`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HINT = "run `make golden` and read the difference before you commit it"


@dataclass(frozen=True)
class Golden:
    """Compares with files, or rewrites them when `update` is set."""

    update: bool

    def file(self, expected: Path, actual: str | bytes) -> None:
        """Require that the file `expected` holds exactly `actual`."""
        content = actual.encode() if isinstance(actual, str) else actual
        if self.update:
            _write(expected, content)
        assert expected.exists(), f"{expected} is missing; {HINT}"
        # As text where it is text, so that pytest shows the lines that differ.
        assert _readable(expected.read_bytes()) == _readable(content), f"{expected} differs; {HINT}"

    def tree(self, folder: Path, actual: Mapping[str, str | bytes]) -> None:
        """Require that `folder` holds exactly the files `actual` (relative path to content) and no other."""
        found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
        stale = sorted(found - set(actual))
        if self.update:
            for name in stale:
                (folder / name).unlink()
            stale = []
        assert not stale, f"nothing produces {', '.join(stale)} in {folder}; {HINT}"
        for name, content in actual.items():
            self.file(folder / name, content)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_bytes() != content:
        file.write_bytes(content)


def _readable(content: bytes) -> str | bytes:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
