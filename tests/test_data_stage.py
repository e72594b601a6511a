"""`prepare_data.py` and `train_tokenizer.py`, run as a user does, on every format."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from specc.catalog.sources import FORMATS
from specc.catalog.steps import Dedup, Extract, Heuristics
from tests.corpora import (
    EVERYTHING,
    SOURCES,
    card_of,
    data_project,
    prepared_project,
    sentences,
    texts_of,
    tokenizer_of,
    without_data,
    write_everything,
)
from tests.first_light import must, stage, write_corpus


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a tokenizer and a readable corpus; tests must not change what is in it."""
    return prepared_project(tmp_path_factory.mktemp("data") / "project")


@pytest.fixture
def mine(project: Path, tmp_path: Path) -> Path:
    """A copy of the project with its tokenizer, without a corpus and without data."""
    return without_data(project, tmp_path / "mine")


def test_the_project_reads_every_format_and_takes_every_step() -> None:
    assert {source.get("format", "text") for source in SOURCES} == {kind.tag() for kind in FORMATS} - {"code"}
    assert len(EVERYTHING["steps"]) == len((Extract, Heuristics, Dedup)) + 1


def test_every_document_of_every_format_comes_out(project: Path, tmp_path: Path) -> None:
    texts = [text for source in write_everything(tmp_path).values() for text in source]
    tokenizer = tokenizer_of(project)
    trained, held_out = (texts_of(project / "data", tokenizer, split) for split in ("train", "validation"))

    assert sorted(trained + held_out) == sorted(texts)
    assert len(held_out) >= 1


def test_the_card_accounts_for_every_document_and_byte(project: Path, tmp_path: Path) -> None:
    texts = write_everything(tmp_path)
    card = card_of(project / "data")
    sizes = {name: sum(len(text.encode()) for text in found) for name, found in texts.items()}
    rows = {row["name"]: row for row in card["sources"]}

    assert [row["name"] for row in card["sources"]] == [source["name"] for source in SOURCES]
    assert rows["rows"]["license"] == "CC0-1.0"
    assert {name: row["documents"] for name, row in rows.items()} == dict.fromkeys(texts, 12)
    assert {n: row["bytes"] for n, row in rows.items() if n != "pages"} == {
        n: s for n, s in sizes.items() if n != "pages"
    }
    assert [step["kind"] for step in card["steps"]] == ["read", "extract", "heuristics", "dedup", "dedup"]
    for before, after in zip(card["steps"], card["steps"][1:], strict=False):
        assert (after["documents_in"], after["bytes_in"]) == (before["documents_out"], before["bytes_out"])
        assert after["documents_in"] - after["documents_out"] == sum(after["dropped"].values())
    out = card["splits"].values()
    assert sum(split["documents"] for split in out) == card["steps"][-1]["documents_out"] == 48
    assert sum(split["bytes"] for split in out) == card["steps"][-1]["bytes_out"] == sum(sizes.values())
    assert card["skipped"] == []


def test_the_card_has_the_hash_of_every_file(project: Path) -> None:
    card, folder = card_of(project / "data"), project / "data"

    def sha256(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    shards = [shard for split in card["splits"].values() for shard in split["shards"]]
    assert len(shards) > 3
    for shard in shards:
        assert shard["sha256"] == sha256(shard["file"])
        assert shard["crc_sha256"] == sha256(shard["file"].replace(".bin", ".crc"))
        assert shard["bytes"] == (folder / shard["file"]).stat().st_size <= 4000
    assert card["tokenizer_sha256"] == sha256("tokenizer.json")
    assert {"data_card.json", "tokenizer.json", ".lock"} == {file.name for file in folder.iterdir()} - {
        file for shard in shards for file in (shard["file"], shard["file"].replace(".bin", ".crc"))
    }


def test_the_result_does_not_depend_on_the_workers(project: Path, tmp_path: Path) -> None:
    # Batches are small, so that several are on their way at once.
    shutil.copytree(project, tmp_path / "p")
    workers = tmp_path / "p" / "tiny_model" / "workers.py"
    workers.write_text(workers.read_text(encoding="utf-8").replace("BATCH_ITEMS = 256", "BATCH_ITEMS = 3"))
    script = tmp_path / "p" / "prepare_data.py"
    script.write_text(
        script.read_text(encoding="utf-8").replace("BYTES_PER_WORKER = 8 * 1000**2", "BYTES_PER_WORKER = 1")
    )
    must(tmp_path / "p", "prepare_data.py", "--out", "again", "--tokenizer", "data/tokenizer.json", "--workers", "3")

    files = {file.name: file.read_bytes() for file in (tmp_path / "p" / "again").iterdir()}
    assert files == {file.name: file.read_bytes() for file in (project / "data").iterdir()}


def test_pages_are_read_in_the_encoding_that_they_declare(mine: Path) -> None:
    (mine / "pages").mkdir()
    text = "naïve café owners serve crème brûlée"
    (mine / "pages" / "a.html").write_bytes(f"<meta charset='latin-1'><p>{text}</p>".encode("latin-1"))
    (mine / "pages" / "b.html").write_text(f"<body><p>{text[::-1]}</p></body>", encoding="utf-8")
    must(mine, "prepare_data.py", "--out", "data", "--input", "pages")

    found = [text for split in ("train", "validation") for text in texts_of(mine / "data", tokenizer_of(mine), split)]
    assert sorted(found) == sorted([text, text[::-1]])


def test_other_paths_are_read_by_their_suffixes(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    (other / ".git" / "config").write_text(sentences(1))
    (other / "a.py").write_text(sentences(2))
    (other / "Makefile").write_text(sentences(3))
    (other / "b.JSONL").write_text(json.dumps({"content": sentences(4)}))
    must(mine, "prepare_data.py", "--out", "data", "--input", str(other))
    card = card_of(mine / "data")

    assert [(row["format"], row["documents"], row["license"]) for row in card["sources"]] == [
        ("text", 2, None),
        ("jsonl", 1, None),
    ]
    assert {row["path"] for row in card["sources"]} == {str(other)}


def test_a_folder_of_mixed_text_works_with_one_flag(tmp_path: Path) -> None:
    """As in the quickstart, whose spec has source code alone."""
    data = {"sources": [{"name": "code", "path": "src", "format": "code"}], "steps": []}
    project = data_project(tmp_path / "project", data)
    write_corpus(project / "mixed")
    (project / "mixed" / "code.py").write_text(sentences(1))
    (project / "mixed" / "page.html").write_text(f"<p>{sentences(2)}</p>")
    for left_out in ("__pycache__/code.pyc", ".git/object"):
        (project / "mixed" / left_out).parent.mkdir()
        (project / "mixed" / left_out).write_bytes(b"\xff\xfe")
    must(project, "train_tokenizer.py", "--out", "data", "--input", "mixed")
    must(project, "prepare_data.py", "--out", "data", "--input", "mixed")
    assert card_of(project / "data")["steps"][0]["documents_out"] == 32

    (project / "mixed" / "rows.jsonl").write_text('{"text": "a"}')
    done = stage(project, "prepare_data.py", "--out", "data", "--input", "mixed")
    assert done.returncode == 1
    assert "mixed/rows.jsonl: this project reads no `.jsonl` files" in done.stderr
    must(project, "prepare_data.py", "--out", "data", "--input", "mixed", "--exclude", "*.jsonl")


def test_old_shards_go_with_the_old_card(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "mine")
    must(tmp_path / "mine", "prepare_data.py", "--out", "data", "--input", "notes")
    described = {s["file"] for split in card_of(tmp_path / "mine" / "data")["splits"].values() for s in split["shards"]}

    assert {file.name for file in (tmp_path / "mine" / "data").glob("*.bin")} == described


def test_one_document_is_trained_on(mine: Path) -> None:
    (mine / "one.txt").write_text(sentences(1))
    must(mine, "prepare_data.py", "--out", "data", "--input", "one.txt")
    splits = card_of(mine / "data")["splits"]

    assert [splits[name]["documents"] for name in ("train", "validation")] == [1, 0]


def test_the_smoke_run_reads_few_documents(mine: Path) -> None:
    (mine / "many.jsonl").write_text("".join(json.dumps({"content": sentences(n)}) + "\n" for n in range(200)))
    must(mine, "prepare_data.py", "--out", "data", "--input", "many.jsonl", "--smoke")

    assert card_of(mine / "data")["steps"][0]["documents_out"] == 64


def test_the_tokenizer_is_trained_on_what_is_extracted(project: Path) -> None:
    vocabulary = tokenizer_of(project).get_vocab()

    assert vocabulary.keys() >= {"<|end|>", "<|pad|>"}
    assert not [token for token in vocabulary if "nav" in token or "html" in token]
    must(project, "train_tokenizer.py", "--out", "again")
    assert (project / "again" / "tokenizer.json").read_bytes() == (project / "data" / "tokenizer.json").read_bytes()
