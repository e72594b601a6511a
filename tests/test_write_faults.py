"""Builds that are killed, race one another, or meet a folder that cannot be written."""

import fcntl
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from specc.emit import lock
from specc.emit.base_zip import pack
from specc.emit.failure import WriteFailed
from specc.emit.fileset import FileSet
from specc.emit.write import compare, recover, write
from specc.pipeline.output import verified
from specc.verify.execute import VerifyFailed
from tests.building import Snapshot, in_memory, project, snapshot

REPOSITORY = Path(__file__).parents[1]
FEW = 6
LARGEST = len(pack(project("b", FEW)))  # bytes of the largest file that a build of version b writes


@pytest.fixture
def place() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@pytest.fixture
def root(place: Path) -> Path:
    """A project of version a, one file edited by hand, with a file of the user's."""
    root = place / "tiny"
    write(project("a", FEW), root)
    edited = root / "part_0.py"
    edited.write_text("mine\n" + edited.read_text())
    (root / "notes.txt").write_text("mine\n")
    return root


def with_runs(root: Path) -> None:
    """Add a folder of the user's, which rules an exchange of the project folder out."""
    (root / "runs" / "1").mkdir(parents=True)
    (root / "runs" / "1" / "metrics.jsonl").write_text("{}\n")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.building", *map(str, arguments)]


def run(*arguments: object) -> list[dict[str, Any]]:
    done = subprocess.run(command(*arguments), cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def start(*arguments: object) -> "subprocess.Popen[str]":
    process = subprocess.Popen(command(*arguments), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline(), "the first build failed"
    return process


def both_states(root: Path) -> list[Snapshot]:
    """Return what the folder holds after undisturbed builds of either version."""
    states = []
    for version in ("b", "a"):
        write(project(version), root)
        states.append(snapshot(root))
    return states


def test_a_build_killed_at_any_operation_leaves_the_old_or_the_new_output(root: Path) -> None:
    root.rename(root.with_name("tiny.before"))
    results = run("sweep", root, "b", "--files", FEW)
    assert len(results) > 50
    assert {result["at_once"] for result in results} == {"old", "new"}
    assert all(result["recovered"] == result["at_once"] for result in results)
    assert {result["finished"] for result in results} == {"new"}
    assert all(result["beside"] == [] for result in results)


def test_a_first_build_killed_at_any_operation_leaves_all_or_nothing(place: Path) -> None:
    results = run("sweep", place / "tiny", "b", "--files", FEW)
    assert {result["at_once"] for result in results} == {"old", "new"}
    assert {result["finished"] for result in results} == {"new"}
    assert all(result["beside"] == [] for result in results)


def test_a_killed_build_among_the_users_folders_is_undone_by_the_next_command(root: Path) -> None:
    with_runs(root)
    before = root.rename(root.with_name("tiny.before"))
    results = run("sweep", root, "b", "--files", FEW)
    assert len(results) > 50
    assert {result["recovered"] for result in results} == {"old", "new"}
    assert {result["finished"] for result in results} == {"new"}

    undone = [result["operation"] for result in results if result["recovered"] == "old" != result["at_once"]]
    with_journal = ("--files", FEW, "--operation", undone[-1])
    recoveries = run("sweep-recovery", root, "b", *with_journal)
    assert len(recoveries) > 20
    assert {result["recovered"] for result in recoveries if "recovered" in result} == {"old"}

    assert run("die", root, "b", *with_journal) == [{"died": True}]
    assert "made for b" in (root / "launch/part_3.py").read_text()
    (root / "launch/part_3.py").write_text("edited after the kill\n")
    recover(root)
    backup = {".specc/backup/1/launch/part_3.py": (before / "launch/part_3.py").read_text()}
    differences = {"launch/part_3.py": "edited after the kill\n"} | backup
    assert texts(root) == texts(before) | differences

    run("die", root, "b", *with_journal)
    assert "made for b" in (root / "launch/part_3.py").read_text()
    with pytest.raises(VerifyFailed):  # it looks after the build was undone: this project has no tests
        verified(root, sys.executable)
    assert texts(root) == texts(before)

    run("die", root, "b", *with_journal)
    assert write(project("b", FEW), root).merged == ("part_0.py",)


def texts(root: Path) -> dict[str, str]:
    """Return the text files of a folder."""
    return {
        path: entry[0].decode()
        for path, entry in snapshot(root).items()
        if entry is not None and not path.endswith(".zip")
    }


@pytest.mark.parametrize("prepare", [lambda _: None, with_runs], ids=["alone", "with runs"])
def test_kill_at_thirty_random_moments(root: Path, prepare: Callable[[Path], None]) -> None:
    prepare(root)
    states = both_states(root)
    moments = random.Random(0)
    assert states[0] != states[1]
    for _ in range(15 if prepare is with_runs else 30):
        process = start("loop", root, "a", "b")
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate()
        if prepare is with_runs:
            recover(root)
        assert snapshot(root) in states


@pytest.mark.parametrize("prepare", [lambda _: None, with_runs], ids=["alone", "with runs"])
def test_two_builds_at_once_do_not_mix(root: Path, prepare: Callable[[Path], None]) -> None:
    prepare(root)
    states = both_states(root)
    processes = [start("loop", root, version, other) for version, other in ("ab", "ba")]
    try:
        deadline = time.monotonic() + 60
        seen: list[int] = []
        while (len(seen) < 15 or len(set(seen)) < 2) and time.monotonic() < deadline:
            time.sleep(0.01)
            # Files that change one by one are whole between builds; an exchange needs no such care.
            with lock.locked(root) if prepare is with_runs else nullcontext():
                seen.append(states.index(snapshot(root)))
        assert [process.poll() for process in processes] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert set(seen) == {0, 1}


def test_a_build_waits_for_another_and_then_gives_up(root: Path) -> None:
    with (
        lock.locked(root),
        pytest.raises(WriteFailed, match="another build is running"),
        lock.locked(root, wait_s=0.05),
    ):
        raise AssertionError("two builds hold the lock")
    with lock.locked(root, wait_s=0):
        pass


def test_a_file_system_that_cannot_lock_folders(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def only_files(descriptor: int, operation: int) -> None:
        os.pwrite(descriptor, b"", 0)  # EBADF on a folder, as NFS answers
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", only_files)
    test_a_build_waits_for_another_and_then_gives_up(root)


def test_what_a_killed_build_left_is_removed_and_nothing_else(root: Path) -> None:
    ours = root.with_name(".tiny.specc-0123456789abcdef")
    ours.mkdir()
    (ours / "specc-build").touch()
    (ours / "tree").mkdir()
    (ours / "tree" / "part_0.py").touch()
    theirs = root.with_name(".tiny.specc-fedcba9876543210")
    theirs.mkdir()
    (theirs / "thesis.tex").touch()
    write(project("b", FEW), root)
    assert not ours.exists()
    assert (theirs / "thesis.tex").exists()


@pytest.fixture
def read_only() -> Iterator[Callable[..., None]]:
    """Takes the right to write from folders, and gives it back at the end."""
    taken: list[Path] = []

    def take(*folders: Path) -> None:
        for folder in folders:
            folder.chmod(0o555)
            taken.append(folder)

    yield take
    for folder in taken:
        folder.chmod(0o755)


@pytest.mark.parametrize("folders", [[".", "..", ".specc"], ["launch"], ["align_a/deep"], [".specc"]])
def test_a_read_only_folder_is_a_clear_error(root: Path, read_only: Callable[..., None], folders: list[str]) -> None:
    with_runs(root)
    before = snapshot(root)
    read_only(*(root / folder for folder in folders))
    (result,) = run("build", root, "b", "--files", FEW, "--unprivileged")
    assert "permission denied" in result["error"]
    assert snapshot(root) == before


def test_a_read_only_parent_does_not_hinder_a_rebuild(root: Path, read_only: Callable[..., None]) -> None:
    read_only(root.parent)
    assert run("build", root, "b", "--files", FEW, "--unprivileged") == [{"ok": True}]
    assert not compare(project("b", FEW), root).differs


def test_a_read_only_parent_hinders_a_first_build(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    (result,) = run("build", tmp_path / "tiny", "b", "--unprivileged")
    tmp_path.chmod(0o755)
    assert "permission denied" in result["error"]
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("limit", [0, 64, 2000, LARGEST - 1])
@pytest.mark.parametrize("prepare", [lambda _: None, with_runs], ids=["alone", "with runs"])
def test_a_limit_on_file_sizes_is_a_clear_error(root: Path, prepare: Callable[[Path], None], limit: int) -> None:
    prepare(root)
    before = snapshot(root)
    (result,) = run("build", root, "b", "--files", FEW, "--file-size", limit)
    assert "larger than this process may write" in result["error"]
    assert snapshot(root) == before
    assert list(root.parent.iterdir()) == [root]


def test_a_first_build_that_fails_leaves_nothing(place: Path) -> None:
    (result,) = run("build", place / "tiny", "b", "--files", FEW, "--file-size", LARGEST - 1)
    assert "larger than this process may write" in result["error"]
    assert list(place.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs privileges")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("prepare", [lambda _: None, with_runs], ids=["alone", "with runs"])
def test_a_full_disk_is_a_clear_error(small_disk: Path, prepare: Callable[[Path], None]) -> None:
    root = small_disk / "tiny"
    write(project("a", FEW), root)
    prepare(root)
    before = snapshot(root)
    with pytest.raises(WriteFailed, match="no space is left") as failure:
        write(FileSet.of({**project("a", FEW), "big.bin": bytes(150_000)}), root)
    assert "free some space" in failure.value.help
    assert snapshot(root) == before
    assert list(small_disk.iterdir()) == [root]
    assert write(project("b", FEW), root).updated
