"""Write a file set into a project folder, with every hand edit kept.

Each file is merged from three versions: the last pure output (`.specc/base.zip`), the new one, and what lies
on disk. Only files of the last output are ever deleted. A build that is killed at any moment leaves the old
output or the new one, whole: see `swap`, and `journal` for folders that cannot be exchanged, where the next
specc command puts the old output back first.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from specc.emit import disk, journal, swap
from specc.emit.base_zip import BASE, load, pack
from specc.emit.changes import (
    BESIDE,
    Changes,
    Outcome,
    Versions,
    WriteReport,
    changes_of,
    compared,
    decide,
    decide_forced,
    same_data,
)
from specc.emit.failure import WriteFailed, reported
from specc.emit.fileset import File, FileSet
from specc.emit.lock import locked

_NOTHING = FileSet.of({})


def write(files: FileSet, directory: Path, *, force: bool = False) -> WriteReport:
    """Bring `directory` to the new output, hand edits merged in, and report what became of each file.

    `force` writes the pure output. Edited versions that it replaces are kept in `.specc/backup/`.

    Raises:
        WriteFailed: the folder cannot be read or written, is not a project of specc and not empty, or holds
            an open conflict in a file that changes again. Nothing was changed.
    """
    with reported(directory):
        root = disk.real(directory)
        root.parent.mkdir(parents=True, exist_ok=True)
        with locked(root):
            swap.sweep(root)
            journal.roll_back(root)
            base = _base(root, force)
            stamps = swap.survey(root, base)
            changes, report = _plan(root, base, files, force)
            if changes.before:
                _apply(root, changes, stamps)
        return report


def compare(files: FileSet, directory: Path) -> WriteReport:
    """Return how a build of `files` would differ from the last one, without writing.

    `report.differs` says whether the pure output would change; what was edited or removed by hand is
    listed besides and is no difference.

    Raises:
        WriteFailed: the folder cannot be read, or the record of the last build is damaged.
    """
    recover(directory)
    with reported(directory):
        root = disk.real(directory)
        base = load(root) or _NOTHING
        return WriteReport.of([*compared(base, files), *_hand_edits(root, base)])


def recover(directory: Path) -> None:
    """Make the old output whole again when a build of `directory` was interrupted; else do nothing.

    Raises:
        WriteFailed: the folder cannot be written, or another build is running.
    """
    with reported(directory):
        root = disk.real(directory)
        if journal.is_unfinished(root):
            with locked(root):
                journal.roll_back(root)


def _base(root: Path, force: bool) -> FileSet:
    """Return the last output, empty for a folder that has none and may become a project."""
    if force:
        with suppress(WriteFailed):
            return load(root) or _NOTHING
        return _NOTHING
    base = load(root)
    if base is None and root.exists() and any(not path.name.startswith(".") for path in root.iterdir()):
        raise WriteFailed(
            root,
            "the folder is not empty and was not built by specc",
            "choose another one with `-o`, or build with `--force`; files of yours that it replaces are "
            "then kept in .specc/backup/",
        )
    return base or _NOTHING


def _plan(root: Path, base: FileSet, files: FileSet, force: bool) -> tuple[Changes, WriteReport]:
    """Return what to change on disk, and the report on it."""
    versions = {path: _versions(root, path, base, files) for path in sorted(base.keys() | files.keys())}
    decisions = {path: decide_forced(its) if force else decide(str(root / path), its) for path, its in versions.items()}
    changes = changes_of(decisions, versions, journal.backup_folder(root))
    record, packed = disk.read(root, BASE), File(pack(files))
    if not same_data(record, packed):
        changes = Changes({**changes.writes, BASE: packed}, {**changes.before, BASE: record})
    _check_places(root, changes)
    return changes, WriteReport.of((path, decision.outcome) for path, decision in decisions.items())


def _versions(root: Path, path: str, base: FileSet, files: FileSet) -> Versions:
    return Versions(base.file(path), files.file(path), disk.read(root, path), disk.read(root, path + BESIDE))


def _check_places(root: Path, changes: Changes) -> None:
    """Refuse to put a file where a folder of the user's is, or a folder where a file is."""
    deleted = set(changes.deletes())
    for path in changes.writes:
        blockers: list[Path] = [root / parent for parent in PurePosixPath(path).parents]
        blockers = [place for place in blockers if place.is_file()]
        if (root / path).is_dir():
            blockers += [place for place in (root / path).rglob("*") if not place.is_dir()] or [root / path]
        for place in blockers:
            if place.relative_to(root).as_posix() not in deleted:
                raise WriteFailed(place, f"is in the way of `{path}`, which the build writes", "move it away")


def _apply(root: Path, changes: Changes, stamps: swap.Stamps | None) -> None:
    """Change the folder in one step where that is possible, else file by file with a journal."""
    if stamps is not None:
        with suppress(OSError):
            swap.apply(root, changes, stamps)
            return
    journal.apply(root, changes)


def _hand_edits(root: Path, base: FileSet) -> Iterator[tuple[str, Outcome]]:
    """Yield the files of the last output that are not on disk as it wrote them."""
    for path in base:
        found = disk.read(root, path)
        if found is None:
            yield path, Outcome.REMOVED
        elif not same_data(found, base.file(path)):
            yield path, Outcome.EDITED
