"""The few file operations that writing a project needs, each durable before the next one relies on it."""

import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath

from specc.emit.failure import WriteFailed
from specc.emit.fileset import File


def real(path: Path) -> Path:
    """Return the absolute path without symbolic links; a loop of links is left for whoever opens it."""
    return Path(os.path.realpath(path))


def read(root: Path, path: str) -> File | None:
    """Return the file at `path` below `root`, None when there is none.

    Raises:
        WriteFailed: a symbolic link on the way leads out of `root`.
        OSError: it cannot be read.
    """
    target = root / path
    if not real(target).is_relative_to(root):
        raise WriteFailed(
            target,
            "a symbolic link leads out of the project",
            "replace the link by what it points to, or move it away",
        )
    try:
        with target.open("rb") as stream:
            executable = bool(os.fstat(stream.fileno()).st_mode & stat.S_IXUSR)
            return File(stream.read(), executable)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def create(target: Path, file: File, like: Path | None = None) -> None:
    """Write a new file and its folders; the permissions are those of `like` where that exists."""
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(target, flags, 0o777 if file.executable else 0o666), "wb") as stream:
        with suppress(FileNotFoundError, NotADirectoryError):
            if like is not None:
                os.fchmod(stream.fileno(), _mode(like, file.executable))
        stream.write(file.data)
        stream.flush()
        os.fsync(stream.fileno())


def _mode(like: Path, executable: bool) -> int:
    """Return the permissions of `like`; who may read it may execute it, or nobody may."""
    mode = stat.S_IMODE(like.stat().st_mode)
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def prune(root: Path, path: str) -> None:
    """Remove the folders above `path`, below `root`, that are empty."""
    for parent in list(PurePosixPath(path).parents)[:-1]:
        try:
            (root / parent).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return
