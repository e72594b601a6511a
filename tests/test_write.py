"""Rebuilds: what becomes of each file when the output, the user, or both changed it."""

import os
import stat
from pathlib import Path

import pytest

from specc.emit import swap
from specc.emit.base_zip import BASE, pack, unpack
from specc.emit.changes import WriteReport
from specc.emit.failure import WriteFailed
from specc.emit.fileset import FileSet
from specc.emit.write import compare, write
from tests.building import snapshot

LINES = [f"line {number}\n" for number in range(12)]
TEXT = "".join(LINES)


def changed(number: int, line: str) -> str:
    """Return TEXT with one other line."""
    return "".join([*LINES[:number], line, *LINES[number + 1 :]])


NEW = changed(2, "from the build\n")


def noted(report: WriteReport) -> dict[str, tuple[str, ...]]:
    """Return the fields of a report that list something."""
    return {name: paths for name, paths in vars(report).items() if paths}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tiny"
    write(FileSet.of({"a.py": TEXT, "b/c.py": TEXT}), root)
    return root


@pytest.fixture(params=["exchanged", "file by file"])
def either(request: pytest.FixtureRequest, root: Path) -> Path:
    """The project, rebuilt in one of the two ways."""
    if request.param == "file by file":
        (root / "runs").mkdir()
    assert (swap.survey(root, ["b/c.py"]) is None) == (request.param == "file by file")
    return root


def test_a_first_build_writes_everything(tmp_path: Path) -> None:
    files = FileSet.of({"a.py": TEXT, "launch/run.sh": "#!/bin/sh\n"}, executable=["launch/run.sh"])
    root = tmp_path / "not" / "there" / "yet"
    report = write(files, root)
    assert noted(report) == {"created": ("a.py", "launch/run.sh")}
    assert snapshot(root) == {
        "a.py": (TEXT.encode(), False),
        "launch": None,
        "launch/run.sh": (b"#!/bin/sh\n", True),
        ".specc": None,
        BASE: (pack(files), False),
    }
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((root / "launch/run.sh").stat().st_mode) == 0o777 & ~umask
    assert stat.S_IMODE((root / "a.py").stat().st_mode) == 0o666 & ~umask


def test_a_second_build_touches_nothing(either: Path) -> None:
    before = {path: path.stat() for path in [either, *either.rglob("*")]}
    report = write(FileSet.of({"a.py": TEXT, "b/c.py": TEXT}), either)
    assert noted(report) == {"unchanged": ("a.py", "b/c.py")}
    assert {path: path.stat() for path in [either, *either.rglob("*")]} == before


def test_a_build_touches_only_what_it_changes(either: Path) -> None:
    before = (either / "b/c.py").stat()
    report = write(FileSet.of({"a.py": NEW, "b/c.py": TEXT}), either)
    assert noted(report) == {"updated": ("a.py",), "unchanged": ("b/c.py",)}
    after = (either / "b/c.py").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_files_that_the_output_drops_are_deleted_with_their_folders(either: Path) -> None:
    report = write(FileSet.of({"a.py": TEXT}), either)
    assert noted(report) == {"unchanged": ("a.py",), "deleted": ("b/c.py",)}
    assert not (either / "b").exists()


def test_the_users_files_are_never_touched(either: Path) -> None:
    (either / "b" / "mine.txt").write_text("mine")
    (either / "mine.txt").write_text("mine")
    cache = either / "b" / "__pycache__" / "c.pyc"
    cache.parent.mkdir()
    cache.touch()
    before = (either / "mine.txt").stat().st_ino
    write(FileSet.of({"z": ""}), either, force=True)
    found = snapshot(either)
    found.pop("runs", None)
    kept = {"b", "b/__pycache__", "b/__pycache__/c.pyc", "b/mine.txt", "mine.txt"}
    assert found.keys() == {"z", ".specc", BASE} | kept
    assert (either / "mine.txt").stat().st_ino == before


def test_a_file_may_become_a_folder_and_back(either: Path) -> None:
    for files in ({"a.py/x": "x", "b": "b"}, {"a.py": "a", "b/c.py": "c"}):
        write(FileSet.of(files), either)
        found = {path: entry[0].decode() for path, entry in snapshot(either).items() if entry and path != BASE}
        assert found == files


@pytest.mark.parametrize(
    ("yours", "new", "expected", "outcome"),
    [
        pytest.param(NEW, NEW, NEW, "unchanged", id="the same change"),
        pytest.param("mine\n", TEXT, "mine\n", "edited", id="only yours"),
        pytest.param(changed(9, "mine\n"), NEW, NEW.replace("line 9", "mine"), "merged", id="both"),
        pytest.param(TEXT.replace("\n", "\r\n"), NEW, NEW.replace("\n", "\r\n"), "merged", id="CRLF"),
        pytest.param(TEXT[:-1], NEW, NEW[:-1], "merged", id="no last newline"),
        pytest.param(TEXT[:-1], TEXT + "more\n", TEXT + "more", "merged", id="no last newline, appended"),
        pytest.param(TEXT + "zażółć 🦜\n", NEW, NEW + "zażółć 🦜\n", "merged", id="unicode"),
        pytest.param("\ufeff" + TEXT, NEW, "\ufeff" + NEW, "merged", id="byte order mark"),
        pytest.param(
            changed(2, "mine\n"),
            NEW,
            changed(
                2,
                "<<<<<<< yours\nmine\n||||||| last build\nline 2\n=======\nfrom the build\n>>>>>>> specc\n",
            ),
            "conflicts",
            id="conflict",
        ),
        pytest.param(
            "mine",
            "",
            f"<<<<<<< yours\nmine\n||||||| last build\n{TEXT}=======\n>>>>>>> specc\n",
            "conflicts",
            id="conflict without last newline",
        ),
    ],
)
def test_hand_edits_are_merged(either: Path, yours: str, new: str, expected: str, outcome: str) -> None:
    (either / "a.py").write_bytes(yours.encode())
    report = write(FileSet.of({"a.py": new, "b/c.py": TEXT}), either)
    assert (either / "a.py").read_bytes().decode() == expected
    assert getattr(report, outcome) == (("a.py", "b/c.py") if outcome == "unchanged" else ("a.py",))
    assert report.ok == (outcome != "conflicts")
    assert unpack((either / BASE).read_bytes())["a.py"] == new.encode()  # the base is pure
    again = write(FileSet.of({"a.py": new, "b/c.py": TEXT}), either)
    assert (either / "a.py").read_bytes().decode() == expected
    assert again.ok == report.ok
    assert not again.differs


def test_an_open_conflict_is_not_merged_again(either: Path) -> None:
    (either / "a.py").write_text(changed(2, "mine\n"))
    write(FileSet.of({"a.py": NEW}), either)
    marked = snapshot(either)
    with pytest.raises(WriteFailed, match=r"a\.py: the conflict of an earlier build is still open") as failure:
        write(FileSet.of({"a.py": changed(3, "more\n"), "z": ""}), either)
    assert "resolve the marked lines" in failure.value.help
    assert snapshot(either) == marked
    (either / "a.py").write_text(changed(2, "resolved\n"))
    assert write(FileSet.of({"a.py": NEW}), either).edited == ("a.py",)
    report = write(FileSet.of({"a.py": NEW + "appended\n"}), either)
    assert report.merged == ("a.py",)
    assert (either / "a.py").read_text() == changed(2, "resolved\n") + "appended\n"


@pytest.mark.parametrize("yours", [b"\0\1\2", b"\xff\xfe"])
def test_what_is_not_text_is_kept_and_the_new_output_put_beside(either: Path, yours: bytes) -> None:
    beside = either / "a.py.specc-new"
    beside.write_text("an older file of that name")
    (either / "a.py").write_bytes(yours)
    report = write(FileSet.of({"a.py": NEW}), either)
    assert report.conflicts == ("a.py",)
    assert (either / "a.py").read_bytes() == yours
    assert beside.read_text() == NEW
    assert (either / ".specc/backup/1/a.py.specc-new").read_text() == "an older file of that name"
    assert write(FileSet.of({"a.py": NEW}), either).conflicts == ("a.py",)
    with pytest.raises(WriteFailed, match="still open"):
        write(FileSet.of({"a.py": TEXT}), either)
    beside.unlink()
    assert write(FileSet.of({"a.py": NEW}), either).edited == ("a.py",)


def test_what_you_remove_stays_removed_until_forced(either: Path) -> None:
    (either / "a.py").unlink()
    (either / "b/c.py").unlink()
    report = write(FileSet.of({"a.py": NEW, "b/c.py": TEXT}), either)
    assert noted(report) == {"removed_changed": ("a.py",), "removed": ("b/c.py",)}
    assert report.ok
    assert not (either / "a.py").exists()
    report = write(FileSet.of({"a.py": NEW, "b/c.py": TEXT}), either, force=True)
    assert noted(report) == {"restored": ("a.py", "b/c.py")}
    assert (either / "a.py").read_text() == NEW


def test_an_edited_file_that_the_output_drops_becomes_yours(either: Path) -> None:
    (either / "a.py").write_text("mine\n")
    assert write(FileSet.of({"b/c.py": TEXT}), either).kept == ("a.py",)
    assert write(FileSet.of({"b/c.py": TEXT}), either) == WriteReport(unchanged=("b/c.py",))
    assert (either / "a.py").read_text() == "mine\n"


def test_a_new_file_that_meets_one_of_yours(either: Path) -> None:
    (either / "same.py").write_text("same\n")
    (either / "other.py").write_text("mine\n")
    report = write(FileSet.of({"same.py": "same\n", "other.py": "new\n"}), either)
    assert report.unchanged == ("same.py",)
    assert report.conflicts == ("other.py",)
    text = "<<<<<<< yours\nmine\n||||||| last build\n=======\nnew\n>>>>>>> specc\n"
    assert (either / "other.py").read_text() == text


def test_force_writes_the_pure_output_and_keeps_what_it_replaces(either: Path) -> None:
    for number in (1, 2):
        (either / "a.py").write_text(f"mine {number}\n")
        (either / "b").mkdir(exist_ok=True)
        (either / "b/c.py").write_text(f"mine {number}\n")
        report = write(FileSet.of({"a.py": NEW}), either, force=True)
        assert report.overwritten == (("a.py", "b/c.py") if number == 1 else ("a.py",))
        assert (either / "a.py").read_text() == NEW
        assert (either / f".specc/backup/{number}/a.py").read_text() == f"mine {number}\n"
    assert (either / ".specc/backup/1/b/c.py").read_text() == "mine 1\n"
    assert (either / "b/c.py").read_text() == "mine 2\n"  # the output no longer had it


def test_executable_bits(either: Path) -> None:
    def executables() -> set[str]:
        return {path for path, entry in snapshot(either).items() if entry is not None and entry[1]}

    (either / "b/c.py").chmod(0o755)  # made so by hand
    files = FileSet.of({"a.py": TEXT, "b/c.py": TEXT, "run.sh": ""}, executable=["a.py", "run.sh"])
    assert write(files, either).updated == ("a.py",)
    assert executables() == {"a.py", "b/c.py", "run.sh"}
    (either / "run.sh").chmod(0o640)  # lost in a copy
    assert write(files, either).updated == ("run.sh",)
    assert stat.S_IMODE((either / "run.sh").stat().st_mode) == 0o750
    write(FileSet.of({"a.py": TEXT, "b/c.py": NEW, "run.sh": ""}), either)
    assert executables() == {"b/c.py"}


def test_compare_sees_the_output_and_lists_hand_edits(root: Path) -> None:
    (root / "a.py").write_text("mine\n")
    (root / "b/c.py").unlink()
    before = snapshot(root)
    same = compare(FileSet.of({"a.py": TEXT, "b/c.py": TEXT}), root)
    assert noted(same) == {"unchanged": ("a.py", "b/c.py"), "edited": ("a.py",), "removed": ("b/c.py",)}
    assert same.ok
    assert not same.differs
    for files in ({"a.py": NEW, "b/c.py": TEXT}, {"a.py": TEXT}, {"a.py": TEXT, "b/c.py": TEXT, "d": ""}):
        assert compare(FileSet.of(files), root).differs
    assert compare(FileSet.of({"a.py": TEXT, "b/c.py": TEXT}, executable=["a.py"]), root).differs
    assert snapshot(root) == before


def test_compare_with_nothing(tmp_path: Path) -> None:
    assert noted(compare(FileSet.of({"a": ""}), tmp_path / "tiny")) == {"created": ("a",)}
    assert list(tmp_path.iterdir()) == []
