"""What goes wrong while data is prepared: broken files, wrong arguments, a full disk, `kill -9`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.corpora import (
    card_of,
    data_project,
    prepared_project,
    sentences,
    tokenizer_of,
    train_tokenizer,
    without_data,
    write_everything,
)
from tests.first_light import must, stage


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a tokenizer, a readable corpus and its data; tests must not change it."""
    return prepared_project(tmp_path_factory.mktemp("data") / "project")


def broken_rows(folder: Path) -> None:
    good = json.dumps({"content": sentences(1)})
    lines = [good, "{broken", '{"text": "no"}', '{"content": 3}', "", '{"content": "\\ud800"}', '["content"]', ""]
    (folder / "a.jsonl").write_bytes("\n".join(lines).encode() + b'{"content": "\xff"}\n')


def truncated(name: str, codec: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with pyarrow.CompressedOutputStream(folder / name, codec) as out:
            out.write("".join(json.dumps({"content": sentences(n)}) + "\n" for n in range(3)).encode())
        os.truncate(folder / name, (folder / name).stat().st_size - 20)

    return write


def damaged_table(folder: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": [sentences(1)]}), folder / "a.parquet")
    os.truncate(folder / "a.parquet", 200)


BROKEN: dict[str, tuple[str, Callable[[Path], object], list[tuple[str, str]]]] = {
    "text": ("notes", lambda f: (f / "a.txt").write_bytes(b"ok \xff"), [("a.txt", "not UTF-8 at byte 3")]),
    "page": (
        "pages",
        lambda f: (f / "a.html").write_bytes(b"<meta charset=klingon>"),
        [("a.html", "unknown encoding: klingon")],
    ),
    "rows": (
        "rows",
        broken_rows,
        [
            ("a.jsonl:2", "not JSON: Expecting property name enclosed in double quotes"),
            ("a.jsonl:3", "no `content`"),
            ("a.jsonl:4", "`content` is no text"),
            ("a.jsonl:6", "`content` holds half a surrogate pair"),
            ("a.jsonl:7", "no `content`"),
            ("a.jsonl:8", "not JSON: 'utf-8' codec can't decode byte 0xff"),
        ],
    ),
    "truncated gzip": ("rows", truncated("a.jsonl.gz", "gzip"), [("a.jsonl.gz", "Truncated compressed stream")]),
    "truncated zstd": ("rows", truncated("a.jsonl.zst", "zstd"), [("a.jsonl.zst", "Truncated compressed stream")]),
    "no column": (
        "tables",
        lambda f: pyarrow.parquet.write_table(pyarrow.table({"body": ["a"]}), f / "a.parquet"),
        [("a.parquet", "no column `text`")],
    ),
    "no value": (
        "tables",
        lambda f: pyarrow.parquet.write_table(pyarrow.table({"text": ["a", None]}), f / "a.parquet"),
        [("a.parquet:2", "`text` is no text")],
    ),
    "damaged table": ("tables", damaged_table, [("a.parquet", "Parquet magic bytes not found")]),
    "unreadable": ("notes", lambda f: (f / "a.txt").symlink_to("/proc/self/mem"), [("a.txt", "Input/output error")]),
}


@pytest.mark.parametrize(("source", "write", "said"), list(BROKEN.values()), ids=list(BROKEN))
def test_what_cannot_be_read_is_reported_and_skipped(
    project: Path, tmp_path: Path, source: str, write: Callable[[Path], object], said: list[tuple[str, str]]
) -> None:
    mine = without_data(project, tmp_path / "mine")
    write_everything(mine)
    for file in (mine / source).iterdir():
        file.unlink()
    write(mine / source)
    done = stage(mine, "prepare_data.py", "--out", "data")

    assert done.returncode == 0, done.stderr
    card = card_of(mine / "data")
    assert [skip["path"] for skip in card["skipped"]] == [f"{source}/{place}" for place, _ in said]
    for skip, (place, why) in zip(card["skipped"], said, strict=True):
        assert skip["reason"].startswith(why)
        assert f"skipped {source}/{place}: {why}" in done.stderr
    assert card["steps"][0]["dropped"] == {"unreadable": len(said)}


def test_what_cannot_be_read_ends_the_stage_where_the_spec_says_so(tmp_path: Path) -> None:
    project = data_project(tmp_path / "project", {"on_error": "fail"})
    write_everything(project)
    train_tokenizer(project)
    (project / "rows" / "b.jsonl").write_text('{"content": "fine"}\n{"content": \n', encoding="utf-8")
    done = stage(project, "prepare_data.py", "--out", "data")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: rows/b.jsonl:2: not JSON: Expecting value")
    assert not (project / "data" / "data_card.json").exists()


def foreign_tokenizer(project: Path) -> None:
    tokenizer = tokenizer_of(project)
    tokenizer.add_tokens(["one more"])
    tokenizer.save(str(project / "large.json"))


PREPARE = ("prepare_data.py", "--out", "data")


ERRORS = {
    "no files": ((*PREPARE, "--input", "none"), "none: there are no files"),
    "all excluded": ((*PREPARE, "--exclude", "*"), "all files are excluded"),
    "no tokenizer": (("prepare_data.py", "--out", "none"), "run train_tokenizer.py"),
    "no tokenizer in it": ((*PREPARE, "--tokenizer", "prepare_data.py"), "holds no tokenizer"),
    "tokenizer too large": (
        (*PREPARE, "--tokenizer", "large.json"),
        "large.json has 301 tokens, and the model has 300",
    ),
    "nothing readable": ((*PREPARE, "--input", "binary"), "no document is left of them"),
    "nothing kept": ((*PREPARE, "--input", "short.txt"), "no document is left of them"),
    "little text": (("train_tokenizer.py", "--out", "data", "--input", "short.txt"), "too little text for 300"),
    "out is a file": (("prepare_data.py", "--tokenizer", "data/tokenizer.json", "--out", "short.txt"), "short.txt"),
}


@pytest.mark.parametrize(("command", "said"), list(ERRORS.values()), ids=list(ERRORS))
def test_wrong_input_is_one_clear_line_and_costs_nothing(
    project: Path, tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    shutil.copytree(project, tmp_path / "mine")
    mine = tmp_path / "mine"
    (mine / "short.txt").write_text("few words")
    (mine / "binary").write_bytes(b"\xff\xfe\x00")
    foreign_tokenizer(mine)
    before = {file.name: file.read_bytes() for file in (mine / "data").iterdir()}
    done = stage(mine, *command)

    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert "Traceback" not in done.stderr
    assert {file.name: file.read_bytes() for file in (mine / "data").iterdir()} == before


def test_two_runs_cannot_write_one_folder(project: Path) -> None:
    before = (project / "data" / "data_card.json").read_bytes()
    with (project / "data" / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ("prepare_data.py", "train_tokenizer.py"):
            done = stage(project, command, "--out", "data")
            assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "error: data is in use by another process")
    assert (project / "data" / "data_card.json").read_bytes() == before


def test_a_full_disk_keeps_the_data_that_is_there(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "mine")
    before = {file.name: file.read_bytes() for file in (tmp_path / "mine" / "data").iterdir()}
    done = subprocess.run(
        [sys.executable, "prepare_data.py", "--out", "data", "--exclude", "*.html"],
        cwd=tmp_path / "mine",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: [Errno 27] File too large")
    assert {file.name: file.read_bytes() for file in (tmp_path / "mine" / "data").iterdir()} == before


@pytest.mark.parametrize("moment", [0.0, 0.35, 0.5, 0.65])
def test_a_killed_run_leaves_whole_data_or_none(project: Path, tmp_path: Path, moment: float) -> None:
    """And its worker processes end with it."""
    shutil.copytree(project, tmp_path / "mine")
    mine = tmp_path / "mine"
    script = mine / "prepare_data.py"
    script.write_text(
        script.read_text(encoding="utf-8").replace("BYTES_PER_WORKER = 8 * 1000**2", "BYTES_PER_WORKER = 1")
    )
    started = subprocess.Popen(
        [sys.executable, "prepare_data.py", "--out", "data", "--smoke", "--workers", "2"], cwd=mine
    )
    wait_for(lambda: (mine / "data" / ".new").exists() or started.poll() is not None)
    children = children_of(started.pid)
    time.sleep(moment)
    children |= children_of(started.pid)
    started.send_signal(signal.SIGKILL)
    started.wait()

    if (mine / "data" / "data_card.json").exists():
        for split in card_of(mine / "data")["splits"].values():
            for shard in split["shards"]:
                data = (mine / "data" / shard["file"]).read_bytes()
                assert hashlib.sha256(data).hexdigest() == shard["sha256"]
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    must(mine, "prepare_data.py", "--out", "data")
    assert card_of(mine / "data") == card_of(project / "data")
    assert not (mine / "data" / ".new").exists()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def children_of(pid: int) -> set[str]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return set(file.read_text().split()) if file.exists() else set()
