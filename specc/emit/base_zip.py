"""`.specc/base.zip`: the last pure output, the base of the three-way merge.

The same file set gives the same bytes on every machine. Entries are therefore stored, not deflated: what
deflate writes differs between zlib, zlib-ng and their versions. Order, time, system and modes are fixed.
"""

import io
import zipfile
import zlib
from pathlib import Path

from specc.emit.failure import WriteFailed
from specc.emit.fileset import PRIVATE, FileSet

BASE = f"{PRIVATE}/base.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR = 0o100644
_EXECUTABLE = 0o100755


def pack(files: FileSet) -> bytes:
    """Return `files` as a zip archive that depends on nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (_EXECUTABLE if path in files.executables else _REGULAR) << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def unpack(data: bytes) -> FileSet:
    """Return what `pack` was given.

    Raises:
        ValueError: the archive is damaged, or holds a path that no file set may hold.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            files = {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(files) != len(entries):
        raise ValueError("a path occurs twice")
    return FileSet.of(files, (entry.filename for entry in entries if entry.external_attr >> 16 & 0o100))


def load(directory: Path) -> FileSet | None:
    """Return the last pure output of a project, None when `directory` is not one.

    Raises:
        WriteFailed: the archive is damaged.
        OSError: it cannot be read.
    """
    try:
        return unpack((directory / BASE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise WriteFailed(
            directory / BASE,
            f"the record of the last build is damaged: {error}",
            f"restore it from version control, or build with `--force`, which keeps your versions in {PRIVATE}/backup/",
        ) from error
