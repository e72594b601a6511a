"""What can go wrong between a finished set of files and a folder, said so that a user can act on it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class WriteFailed(Exception):
    """The folder could not be read or written; what was there before is whole.

    Attributes:
        path: the file or folder that is the cause.
        reason: what is wrong with it, lower case, no final full stop.
        help: what to do about it.
    """

    def __init__(self, path: Path | str, reason: str, help: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason
        self.help = help


_FULL = ("no space is left on the device", "free some space and build again; nothing was changed")
_ELSEWHERE = "check its permissions and its mount, or choose another folder with `-o`"
_BLOCKED = ("a file stands where a folder is needed, or the other way round", "move it away and build again")
_SAID = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("the disk quota is used up", _FULL[1]),
    errno.EFBIG: ("a file would be larger than this process may write (`ulimit -f`)", "raise the limit"),
    errno.EACCES: ("permission denied", _ELSEWHERE),
    errno.EPERM: ("the system does not permit the change", _ELSEWHERE),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.ENOTDIR: _BLOCKED,
    errno.EISDIR: _BLOCKED,
    errno.ENAMETOOLONG: ("the path is too long for this file system", "choose a shorter folder with `-o`"),
}


@contextmanager
def reported(directory: Path) -> Iterator[None]:
    """Turn every `OSError` of the block into a `WriteFailed` that names the file, or else `directory`."""
    try:
        yield
    except OSError as error:
        unusual = ((error.strerror or str(error)).lower(), "the folder is as it was; build again")
        reason, advice = _SAID.get(error.errno or 0, unusual)
        raise WriteFailed(error.filename or directory, reason, advice) from error
