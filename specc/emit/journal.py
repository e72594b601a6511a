"""Replace files one by one, so that a build that dies half-way can be undone.

Everything new is written into `.specc/transaction/` first, beside a hard link to everything old; then the
journal appears there by one rename; then the files change places, each by one rename. Removing the journal
commits. While it exists the folder counts as unfinished, and `roll_back` makes the old output whole again:
at once when an error stops the build, by the next specc command when the process was killed.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from specc.emit import disk
from specc.emit.changes import Changes
from specc.emit.failure import WriteFailed
from specc.emit.fileset import PRIVATE, File

TRANSACTION = f"{PRIVATE}/transaction"
_JOURNAL = "journal.json"


@dataclass(frozen=True)
class _Step:
    """One file to change; `old` and `new` are fingerprints, None for "no such file"."""

    number: int
    path: str
    old: str | None
    new: str | None


def is_unfinished(root: Path) -> bool:
    """Return whether a build of `root` was interrupted."""
    return (root / TRANSACTION).exists()


def apply(root: Path, changes: Changes) -> None:
    """Make the changes, all or none.

    Raises:
        WriteFailed: a file changed since it was read.
        OSError: the folder cannot be written.
    """
    folder = root / TRANSACTION
    steps = list(_steps(changes))
    is_new = not root.exists()
    try:
        folder.mkdir(parents=True)
        for step in steps:
            _stage(root, step, changes)
        _begin(folder, steps)
        for step in steps:
            _carry_out(root, step)
        for parent in sorted({(root / step.path).parent for step in steps}):
            disk.sync_folder(parent)
    except BaseException:
        # An undo that fails leaves the journal, and the next command tries again.
        with suppress(OSError):
            roll_back(root)
            disk.prune(root, TRANSACTION)
            if is_new:
                root.rmdir()
        raise
    _end(folder)


def roll_back(root: Path) -> None:
    """Undo what an interrupted build did to `root`; nothing to do is fine.

    A file that somebody edited after the interruption stays as it is; the version from before the build is
    then saved in `.specc/backup/`.
    """
    folder = root / TRANSACTION
    if is_unfinished(root):
        for step in reversed(_recorded(folder)):
            _undo(root, step)
        _end(folder)


def _steps(changes: Changes) -> Iterator[_Step]:
    """Yield deletions first, so that a file may become a folder and a folder a file."""
    for number, path in enumerate([*changes.deletes(), *changes.writes]):
        yield _Step(number, path, _print(changes.before[path]), _print(changes.writes.get(path)))


def _print(file: File | None) -> str | None:
    return None if file is None else file.fingerprint()


def _stage(root: Path, step: _Step, changes: Changes) -> None:
    """Put the old and the new version of one file into the transaction's folder."""
    target, folder = root / step.path, root / TRANSACTION
    if step.old is not None:
        try:
            os.link(target, folder / f"old-{step.number}", follow_symlinks=False)
        except OSError:
            shutil.copy2(target, folder / f"old-{step.number}", follow_symlinks=False)
    if step.path in changes.writes:
        disk.create(folder / f"new-{step.number}", changes.writes[step.path], like=target)


def _begin(folder: Path, steps: list[_Step]) -> None:
    """Make the journal appear, complete, after all that it speaks of."""
    text = json.dumps([asdict(step) for step in steps])
    disk.create(folder / "journal.part", File(text.encode()))
    disk.sync_folder(folder)
    (folder / "journal.part").rename(folder / _JOURNAL)
    disk.sync_folder(folder)


def _carry_out(root: Path, step: _Step) -> None:
    target = root / step.path
    if _print(disk.read(root, step.path)) != step.old:
        raise WriteFailed(target, "was changed while the build ran", "build again")
    if step.new is None:
        target.unlink(missing_ok=True)
        disk.prune(root, step.path)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / TRANSACTION / f"new-{step.number}").replace(target)


def _recorded(folder: Path) -> list[_Step]:
    """Return the steps of the journal, none when the build died before it began to change files."""
    try:
        return [_Step(**step) for step in json.loads((folder / _JOURNAL).read_bytes())]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, TypeError) as error:
        reason = "the journal of an interrupted build is damaged"
        raise WriteFailed(folder, reason, "restore the project from version control") from error


def _undo(root: Path, step: _Step) -> None:
    target, saved = root / step.path, root / TRANSACTION / f"old-{step.number}"
    found = _print(disk.read(root, step.path))
    if step.old is None and found in (None, step.new):
        if found is not None:
            target.unlink()
        disk.prune(root, step.path)
    elif found not in (step.old, step.new):
        if step.old is not None:
            backup = root / backup_folder(root) / step.path
            backup.parent.mkdir(parents=True, exist_ok=True)
            saved.rename(backup)
    elif found != step.old:
        target.parent.mkdir(parents=True, exist_ok=True)
        saved.replace(target)


def _end(folder: Path) -> None:
    """Remove the journal, which settles the matter, then the rest of the transaction."""
    (folder / _JOURNAL).unlink(missing_ok=True)
    disk.sync_folder(folder)
    shutil.rmtree(folder)
    disk.prune(folder.parent.parent, TRANSACTION)


def backup_folder(root: Path) -> str:
    """Return the first unused folder for versions that a build replaces, relative to `root`."""
    number = 1
    while (root / PRIVATE / "backup" / str(number)).exists():
        number += 1
    return f"{PRIVATE}/backup/{number}"
