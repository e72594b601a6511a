"""One build at a time.

The lock is `flock` on the folder that holds the project: a build may replace the project folder itself, so
neither it nor a file in it can carry the lock, and a lock file beside it would be litter. The kernel
releases the lock when a build dies. Builds of neighbours wait for one another, which costs milliseconds.
Network file systems that do not lock folders get a lock file in the folder for temporary files instead,
which holds for one machine.
"""

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specc.emit.failure import WriteFailed

_PAUSE_S = 0.01
_UNSUPPORTED = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(directory: Path, wait_s: float = 10.0) -> Iterator[None]:
    """Hold the build lock of the project at `directory`; its parent must exist.

    Raises:
        WriteFailed: another build still holds the lock after `wait_s` seconds.
    """
    descriptor = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        acquired = _acquire(descriptor, wait_s)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _UNSUPPORTED:
            raise
        descriptor = _open_lock_file(directory)
        acquired = _acquire(descriptor, wait_s)
    try:
        if not acquired:
            raise WriteFailed(directory, "another build is running", "wait for it to end, then build again")
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, wait_s: float) -> bool:
    """Return whether the lock could be had within `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_S)


def _open_lock_file(directory: Path) -> int:
    """Open the lock file of this project in the folder for temporary files."""
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"specc-{os.geteuid()}-{name}.lock"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
