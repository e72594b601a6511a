"""Folders that a build refuses, and how it replaces those that it accepts."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from specc.emit import swap
from specc.emit.base_zip import BASE
from specc.emit.changes import Changes
from specc.emit.failure import WriteFailed
from specc.emit.fileset import File, FileSet
from specc.emit.write import compare, write
from tests.building import snapshot

TEXT = "".join(f"line {number}\n" for number in range(12))
NEW = TEXT.replace("line 2", "from the build")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tiny"
    write(FileSet.of({"a.py": TEXT, "b/c.py": TEXT}), root)
    return root


def test_a_folder_that_is_not_a_project_is_refused_until_forced(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("mine\n")
    with pytest.raises(WriteFailed, match="not empty and was not built by specc") as failure:
        write(FileSet.of({"a.py": TEXT}), tmp_path)
    assert "--force" in failure.value.help
    assert list(tmp_path.iterdir()) == [tmp_path / "a.py"]
    assert write(FileSet.of({"a.py": TEXT}), tmp_path, force=True).overwritten == ("a.py",)
    assert (tmp_path / ".specc/backup/1/a.py").read_text() == "mine\n"


def test_a_folder_with_nothing_but_hidden_entries_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert write(FileSet.of({"a.py": TEXT}), tmp_path).created == ("a.py",)


def test_a_damaged_record_is_refused_until_forced(root: Path) -> None:
    (root / BASE).write_bytes((root / BASE).read_bytes()[:-9])
    (root / "a.py").write_text("mine\n")
    for action in (write, compare):
        with pytest.raises(WriteFailed, match=r"base\.zip: the record of the last build is damaged"):
            action(FileSet.of({"a.py": NEW}), root)
    assert write(FileSet.of({"a.py": NEW}), root, force=True).overwritten == ("a.py",)
    assert not compare(FileSet.of({"a.py": NEW}), root).differs


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "tiny").touch()
    with pytest.raises(WriteFailed, match="a file stands where a folder is needed"):
        write(FileSet.of({"a.py": TEXT}), tmp_path / "tiny")


@pytest.mark.parametrize("path", ["new", "notes.txt/new"])
def test_what_is_in_the_way_is_refused(root: Path, path: str) -> None:
    (root / "notes.txt").touch()
    (root / "new").mkdir()
    (root / "new" / "mine").touch()
    before = snapshot(root)
    with pytest.raises(WriteFailed, match=f"is in the way of `{path}`"):
        write(FileSet.of({path: "", "a.py": NEW}), root)
    assert snapshot(root) == before


@pytest.mark.parametrize("path", ["a.py", "b"])
def test_a_link_out_of_the_folder_is_refused(root: Path, path: str) -> None:
    outside = root.with_name("outside")
    (root / path).rename(outside)
    (root / path).symlink_to(outside)
    for force in (False, True):
        with pytest.raises(WriteFailed, match="leads out of the project"):
            write(FileSet.of({"a.py": NEW, "b/c.py": NEW}), root, force=force)
    target = outside / "c.py" if outside.is_dir() else outside
    assert target.read_text() == TEXT


def test_a_link_inside_the_folder_is_merged_through_and_replaced(root: Path) -> None:
    (root / "mine.py").write_text(TEXT + "mine\n")
    (root / "a.py").unlink()
    (root / "a.py").symlink_to("mine.py")
    assert write(FileSet.of({"a.py": NEW, "b/c.py": TEXT}), root).merged == ("a.py",)
    assert (root / "a.py").read_text() == NEW + "mine\n"
    assert (root / "mine.py").read_text() == TEXT + "mine\n"


def test_a_loop_of_links_is_a_clear_error(root: Path) -> None:
    (root / "a.py").unlink()
    (root / "a.py").symlink_to("a.py")
    with pytest.raises(WriteFailed, match=r"a\.py: too many levels of symbolic links"):
        write(FileSet.of({"a.py": NEW}), root)


def test_the_project_itself_may_be_a_link(root: Path) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    write(FileSet.of({"a.py": NEW}), link)
    assert link.is_symlink()
    assert (root / "a.py").read_text() == NEW


def test_a_folder_that_a_process_works_in_is_not_exchanged(root: Path) -> None:
    inode = root.stat().st_ino
    shell = subprocess.Popen(["sleep", "60"], cwd=root / "b")
    try:
        write(FileSet.of({"a.py": NEW, "b/c.py": NEW}), root)
        assert root.stat().st_ino == inode
    finally:
        shell.kill()
        shell.wait()
    assert (root / "b/c.py").read_text() == NEW


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_must_keep_its_place_does(root: Path, kind: str) -> None:
    mine, inode = root / "b" / "mine", root.stat().st_ino
    if kind == "link":
        mine.symlink_to("c.py")
    elif kind == "pipe":
        os.mkfifo(mine)
    else:
        mine.mkdir()
    before = mine.lstat()
    write(FileSet.of({"a.py": NEW, "b/c.py": NEW}), root)
    assert (root.stat().st_ino, mine.lstat()) == (inode, before)


def test_permissions_of_folders_survive_an_exchange(root: Path) -> None:
    root.chmod(0o750)
    (root / "b").chmod(0o700)
    inode = root.stat().st_ino
    write(FileSet.of({"a.py": NEW, "b/c.py": NEW}), root)
    assert root.stat().st_ino != inode or sys.platform != "linux"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (root, root / "b")] == [0o750, 0o700]


@pytest.mark.skipif(sys.platform != "linux", reason="folders are exchanged on Linux")
@pytest.mark.parametrize("edited", ["a.py", "notes.txt"])
def test_an_edit_during_an_exchange_is_not_lost(root: Path, edited: str) -> None:
    (root / "notes.txt").write_text("")
    stamps = swap.survey(root, ["a.py", "b/c.py"])
    assert stamps
    stale = {path: (0, 0, 0) if path == edited else stamp for path, stamp in stamps.items()}
    before = snapshot(root)
    changes = Changes({"a.py": File(NEW.encode())}, {"a.py": File(TEXT.encode())})
    with pytest.raises(WriteFailed, match="was changed while the build ran"):
        swap.apply(root, changes, stale)
    assert snapshot(root) == before
    assert list(root.parent.iterdir()) == [root]
