"""What a build does to each file of a project: a pure function of last output, new output and disk."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from specc.emit.failure import WriteFailed
from specc.emit.fileset import File, FileSet
from specc.emit.merge import has_markers, is_text, merge

BESIDE = ".specc-new"
"""Suffix of the new output of a file that cannot be merged by lines; it lies beside the user's version."""


Effect = tuple[str, File | None, File | None]
"""A path, the file there before, and after; None is "no such file"."""


class Outcome(StrEnum):
    """What became of one file; the values are the fields of `WriteReport`."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    EDITED = "edited"
    MERGED = "merged"
    CONFLICT = "conflicts"
    KEPT = "kept"
    REMOVED = "removed"
    REMOVED_CHANGED = "removed_changed"
    RESTORED = "restored"
    OVERWRITTEN = "overwritten"


@dataclass(frozen=True)
class WriteReport:
    """What a build did, or with `compare` would do; every field is a sorted tuple of paths.

    Attributes:
        created: new in the output.
        updated: the output changed and nobody had edited the file.
        unchanged: on disk as the output has it.
        deleted: no longer in the output and not edited.
        edited: edited by hand; the output of it did not change, so nothing was done.
        merged: edited by hand, the output changed too, and both changes were joined.
        conflicts: both changed the same lines, which stand between markers; or the file is binary, and the
            new output lies beside it with the suffix `.specc-new`.
        kept: no longer in the output, but edited by hand; from now on the user's own file.
        removed: removed by hand; the output of it did not change.
        removed_changed: removed by hand, and the output changed. It stays removed: bringing it back would undo
            a decision at every build. `--force` brings it back.
        restored: removed by hand and brought back by `--force`.
        overwritten: edited by hand and replaced or deleted by `--force`; the edited version is in
            `.specc/backup/`.
    """

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    removed_changed: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()

    @classmethod
    def of(cls, outcomes: Iterable[tuple[str, Outcome]]) -> "WriteReport":
        """Return the report that lists each path under its outcomes."""
        pairs = sorted(outcomes)
        return cls(**{kind.value: tuple(path for path, its in pairs if its is kind) for kind in Outcome})

    @property
    def ok(self) -> bool:
        """Whether nothing is left for the user to resolve."""
        return not self.conflicts

    @property
    def differs(self) -> bool:
        """Whether the pure output is another one than that of the last build: what `--check` fails on."""
        return bool(self.created or self.updated or self.deleted)


@dataclass(frozen=True)
class Versions:
    """The versions of one file that meet: None is "no such file".

    Attributes:
        base: the last output.
        new: the new output.
        disk: what lies in the folder.
        beside: what lies beside it with the suffix `.specc-new`.
    """

    base: File | None
    new: File | None
    disk: File | None
    beside: File | None = None

    @property
    def untouched(self) -> bool:
        """Whether nobody edited the file since the last build."""
        return same_data(self.disk, self.base)

    @property
    def unresolved(self) -> bool:
        """Whether a conflict of an earlier build is still open."""
        marked = self.disk is not None and has_markers(self.disk.data)
        return marked or same_data(self.beside, self.base)


@dataclass(frozen=True)
class Decision:
    """What one file shall be.

    Attributes:
        outcome: what to report.
        result: the file after the build, None for "no such file".
        beside: new output to put beside it, None to leave what is there.
        backup: whether the version on disk is kept in `.specc/backup/`.
    """

    outcome: Outcome
    result: File | None
    beside: File | None = None
    backup: bool = False


@dataclass(frozen=True)
class Changes:
    """All differences between a folder as it was read and as it shall be.

    Attributes:
        writes: the files to create or replace.
        before: what was on disk, for every path that is written or deleted.
    """

    writes: Mapping[str, File]
    before: Mapping[str, File | None]

    def deletes(self) -> Iterator[str]:
        """Yield the paths to delete, sorted."""
        return (path for path in sorted(self.before) if path not in self.writes)


def same_data(one: File | None, other: File | None) -> bool:
    """Return whether both are there and hold the same bytes."""
    return one is not None and other is not None and one.data == other.data


def compared(base: FileSet, new: FileSet) -> Iterator[tuple[str, Outcome]]:
    """Yield how the new pure output differs from the last one, with no regard to the folder."""
    for path in base.keys() | new.keys():
        before, after = base.file(path), new.file(path)
        if before is None:
            yield path, Outcome.CREATED
        elif after is None:
            yield path, Outcome.DELETED
        else:
            yield path, Outcome.UNCHANGED if before == after else Outcome.UPDATED


def decide(path: str, versions: Versions) -> Decision:
    """Return what becomes of one file.

    Raises:
        WriteFailed: the output changed while a conflict of an earlier build is still open in it.
    """
    base, new, disk = versions.base, versions.new, versions.disk
    if new is None:
        gone = disk is None or versions.untouched
        return Decision(Outcome.DELETED, None) if gone else Decision(Outcome.KEPT, disk)
    if disk is None:
        return _absent(base, new)
    new = replace(new, executable=new.executable or _made_executable(base, disk))
    if same_data(disk, new) or versions.untouched:
        return Decision(Outcome.UNCHANGED if disk == new else Outcome.UPDATED, new)
    if same_data(base, new):
        outcome = Outcome.CONFLICT if versions.unresolved else Outcome.EDITED
        return Decision(outcome, replace(disk, executable=new.executable))
    if versions.unresolved:
        raise WriteFailed(
            path,
            "the conflict of an earlier build is still open, and the build changes this file again",
            f"resolve the marked lines (for a binary file: delete `{path}{BESIDE}`), then build again; "
            "`--force` takes the new output and keeps your version in .specc/backup/",
        )
    return _joined(b"" if base is None else base.data, disk, new)


def _absent(base: File | None, new: File) -> Decision:
    """Decide on a file that the output has and the folder has not."""
    if base is None:
        return Decision(Outcome.CREATED, new)
    return Decision(Outcome.REMOVED if base == new else Outcome.REMOVED_CHANGED, None)


def _made_executable(base: File | None, disk: File) -> bool:
    """Return whether the user set the executable bit; one that got lost in a copy is set again."""
    return disk.executable and not (base is not None and base.executable)


def _joined(base: bytes, disk: File, new: File) -> Decision:
    """Decide on a file that both sides changed."""
    if not all(map(is_text, (base, disk.data, new.data))):
        return Decision(Outcome.CONFLICT, replace(disk, executable=new.executable), new)
    merged = merge(base, disk.data, new.data)
    return Decision(Outcome.MERGED if merged.clean else Outcome.CONFLICT, replace(new, data=merged.data))


def decide_forced(versions: Versions) -> Decision:
    """Return what becomes of one file with `--force`: the pure output, and a backup of what was edited."""
    base, new, disk = versions.base, versions.new, versions.disk
    if disk is None:
        outcome = Outcome.DELETED if new is None else Outcome.CREATED if base is None else Outcome.RESTORED
        return Decision(outcome, new)
    if disk == new:
        return Decision(Outcome.UNCHANGED, new)
    if versions.untouched or same_data(disk, new):
        return Decision(Outcome.DELETED if new is None else Outcome.UPDATED, new)
    return Decision(Outcome.OVERWRITTEN, new, backup=True)


def changes_of(decisions: Mapping[str, Decision], versions: Mapping[str, Versions], backup: str) -> Changes:
    """Return the differences that the decisions make; `backup` is the folder for edited versions."""
    writes: dict[str, File] = {}
    before: dict[str, File | None] = {}
    for path, decision in decisions.items():
        for name, old, result in _effects(path, decision, versions[path], backup):
            if old != result:
                before[name] = old
            if old != result and result is not None:
                writes[name] = result
    return Changes(writes, before)


def _effects(path: str, decision: Decision, were: Versions, backup: str) -> Iterator[Effect]:
    """Yield each path that one decision speaks of, with its file before and after."""
    yield path, were.disk, decision.result
    if decision.backup:
        yield f"{backup}/{path}", None, were.disk
    if decision.beside is not None:
        yield path + BESIDE, were.beside, decision.beside
        if were.beside is not None:
            yield f"{backup}/{path}{BESIDE}", None, were.beside
