"""Replace a whole project folder in one step, so that every reader sees the old output or the new one.

The new folder is built beside the old one, `.<name>.specc-<token>/tree`, out of new files and hard links to
all others, and the two change names by one `renameat2(RENAME_EXCHANGE)`. What the user added and what
ran up in caches comes along as links.

This is done only where nobody can notice that the folder is another one now. `survey` refuses it, and
the caller falls back to `journal`, when the project holds folders that specc did not make (a run may be
writing there), links, special files or folders of another user, when a process works in the
folder, or when the system cannot do it. A container that mounts the folder cannot be seen: it goes on with
the old one until it is started again.
"""

import ctypes
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from specc.emit import disk
from specc.emit.changes import Changes
from specc.emit.failure import WriteFailed
from specc.emit.fileset import PRIVATE, File

_MARKER = "specc-build"
_CACHES = frozenset({"__pycache__", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_rename_at = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)

Stamps = Mapping[str, tuple[int, int, int]]
"""For each file of a folder: inode, size in bytes and time of modification in ns."""


def survey(root: Path, owned: Iterable[str]) -> Stamps | None:
    """Return the stamps of all files when `root` may be exchanged, None when it may not.

    `owned` are the paths that the last build wrote; `root` may be missing, and then has no files.
    """
    if not root.exists():
        return {}
    if _rename_at is None or root.stat().st_uid != os.geteuid() or _is_in_use(root):
        return None
    folders = {str(parent) for path in owned for parent in PurePosixPath(path).parents}
    try:
        return dict(_stamps(root, "", folders | {".", PRIVATE}))
    except _ForeignError:
        return None


class _ForeignError(Exception):
    """The folder holds what must keep its place."""


def _stamps(root: Path, folder: str, owned: set[str] | None) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yield the stamps below `folder`; `owned` None means that any folder is welcome."""
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield path, (status.st_ino, status.st_size, status.st_mtime_ns)
            elif not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                raise _ForeignError
            elif owned is None or entry.name in _CACHES or path.startswith(f"{PRIVATE}/"):
                yield from _stamps(root, path, None)
            elif path in owned:
                yield from _stamps(root, path, owned)
            else:
                raise _ForeignError


def _is_in_use(root: Path) -> bool:
    """Return whether a process that we may look at has its working folder in `root`."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(root):
                return True
    return False


def apply(root: Path, changes: Changes, stamps: Stamps) -> None:
    """Make the changes by exchanging the folder.

    Raises:
        WriteFailed: a file changed since the survey.
        OSError: the exchange is not possible here; nothing was changed.
    """
    work = root.parent / f".{root.name}.specc-{secrets.token_hex(8)}"
    tree = work / "tree"
    try:
        work.mkdir()
        disk.create(work / _MARKER, File(b"Left over by an interrupted build of specc. Safe to delete.\n"))
        _build(root, tree, changes, stamps)
        if not stamps:
            tree.rename(root)
        else:
            _exchange(root, tree)
            _check(root, tree, changes, stamps)
        disk.sync_folder(root.parent)
    finally:
        _discard(work)


def _build(root: Path, tree: Path, changes: Changes, stamps: Stamps) -> None:
    """Put the new folder together."""
    tree.mkdir()
    linked = [path for path in stamps if path not in changes.before]
    folders = {tree / parent for path in (*linked, *changes.writes) for parent in PurePosixPath(path).parents}
    for folder in sorted(folders):
        folder.mkdir(exist_ok=True)
        if (source := root / folder.relative_to(tree)).is_dir():
            shutil.copystat(source, folder)
    for path in linked:
        (tree / path).hardlink_to(root / path)
    for path, file in changes.writes.items():
        disk.create(tree / path, file, like=root / path)
    for folder in folders:
        disk.sync_folder(folder)


def _exchange(one: Path, other: Path) -> None:
    """Let two folders change names in one step."""
    if _rename_at is None:
        raise OSError("no renameat2")
    if _rename_at(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def _check(root: Path, old: Path, changes: Changes, stamps: Stamps) -> None:
    """Exchange back when the old folder, at rest now, is not the one that the new one was made from."""
    try:
        found = dict(_stamps(old, "", None))
    except _ForeignError:
        found = {}
    for path in stamps.keys() | found.keys():
        was, now = stamps.get(path), found.get(path)
        linked = was and now and path not in changes.before and was[0] == now[0]
        if was != now and not linked:
            _exchange(root, old)
            raise WriteFailed(root / path, "was changed while the build ran", "build again")


def sweep(root: Path) -> None:
    """Remove what killed builds of `root` left beside it; the caller holds the build lock."""
    pattern = re.compile(rf"\.{re.escape(root.name)}\.specc-[0-9a-f]{{16}}")
    for path in list(root.parent.iterdir()):
        if pattern.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            _discard(path)


def _discard(work: Path) -> None:
    """Remove a build's own folder, its marker last; a folder without the marker is not a build's."""
    with suppress(OSError):
        if (work / _MARKER).exists():
            if (work / "tree").exists():
                shutil.rmtree(work / "tree")
            (work / _MARKER).unlink()
        work.rmdir()
