"""A finished project in memory: what `emit` returns and what is written to disk."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

PRIVATE = ".specc"
"""The folder inside a project that belongs to specc alone; nothing is emitted into it."""


@dataclass(frozen=True)
class File:
    """The bytes of one file and whether it may be executed."""

    data: bytes
    executable: bool = False

    def fingerprint(self) -> str:
        """Return a hash of the bytes and the executable bit."""
        return hashlib.sha256(self.data).hexdigest() + ("x" if self.executable else "")


@dataclass(frozen=True)
class FileSet(Mapping[str, bytes]):
    """A sorted mapping from relative POSIX path to bytes, and the paths that are executable.

    Every file set is safe to write anywhere: no path is absolute, climbs out, ends in specc's own folder, or
    falls together with another one on a file system that ignores case.

    Raises:
        ValueError: a path breaks one of these rules, or an executable path is not in the set.
    """

    files: Mapping[str, bytes]
    executables: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        _check_together(self.files)
        if missing := sorted(self.executables - self.files.keys()):
            raise ValueError(f"executable but not in the file set: {', '.join(missing)}")
        object.__setattr__(self, "files", MappingProxyType(dict(sorted(self.files.items()))))

    @classmethod
    def of(cls, files: Mapping[str, str | bytes], executable: Iterable[str] = ()) -> "FileSet":
        """Return a file set; text is encoded as UTF-8, its line ends as they are."""
        encoded = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return cls(encoded, frozenset(executable))

    def __getitem__(self, path: str) -> bytes:
        return self.files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def file(self, path: str) -> File | None:
        """Return the file at `path`, None where the set has none."""
        return File(self.files[path], path in self.executables) if path in self.files else None

    def digest(self) -> str:
        """Return the SHA-256, in hexadecimal, of all paths, executable bits and contents."""
        whole = hashlib.sha256()
        for path, data in self.files.items():
            whole.update(f"{path}\0{path in self.executables:d}\0{len(data)}\0".encode())
            whole.update(data)
        return whole.hexdigest()


def _check_together(paths: Iterable[str]) -> None:
    """Refuse paths that one file system could not hold side by side."""
    seen: dict[str, str] = {}
    for path in paths:
        _check_path(path)
        if (other := seen.setdefault(_folded(path), path)) != path:
            raise ValueError(f"`{path}` and `{other}` differ only in case")
    for path in paths:
        for parent in PurePosixPath(path).parents:
            if _folded(str(parent)) in seen:
                raise ValueError(f"`{seen[_folded(str(parent))]}` is both a file and the folder of `{path}`")


def _check_path(path: str) -> None:
    """Refuse a path that is not plain, relative and below the project folder."""
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"`{path}` is not a plain relative path")
    if "\\" in path or not path.isprintable():
        raise ValueError(f"{path!a} holds a backslash or a character that does not print")
    if _folded(parts[0]) == PRIVATE:
        raise ValueError(f"`{path}` is inside specc's own folder")


def _folded(path: str) -> str:
    """Return what a file system that ignores case and composition compares."""
    return unicodedata.normalize("NFC", path).casefold()
