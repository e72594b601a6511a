"""A project that reads every format and takes every step, and a corpus of each kind for it."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from tokenizers import Tokenizer

from tests.emitted import compiled, lay_out
from tests.first_light import TINY, must
from tests.spec_space import SpecValues

EVERYTHING: SpecValues = {
    "sources": [
        {"name": "rows", "path": "rows", "format": "jsonl", "text_field": "content", "license": "CC0-1.0"},
        {"name": "tables", "path": "tables", "format": "parquet"},
        {"name": "pages", "path": "pages", "format": "html"},
        {"name": "notes", "path": "notes"},
    ],
    "steps": [
        "extract",
        {"kind": "heuristics", "min_words": 5},
        {"kind": "dedup", "method": "exact"},
        {"kind": "dedup", "method": "minhash"},
    ],
    "validation": {"fraction": 0.05},
    "shards": {"size": "4KB"},
}
SOURCES: list[dict[str, Any]] = EVERYTHING["sources"]
VOCABULARY = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("lm", "nt", "rs", "st")]


def sentences(seed: int, words: int = 80) -> str:
    """Return a text of random words, which shares hardly any run of five with those of other seeds."""
    drawn = random.Random(seed)
    return " ".join(drawn.choices(VOCABULARY, k=words))


def data_project(folder: Path, data: SpecValues | None = None) -> Path:
    """Lay out a project that prepares data and does not train."""
    values: dict[str, Any] = {key: value for key, value in TINY.items() if key != "train"}
    return lay_out(compiled({**values, "data": {**EVERYTHING, **(data or {})}}), folder)


def write_everything(folder: Path) -> dict[str, list[str]]:
    """Write readable files of every kind; return their texts by source, in the order in which they are read."""
    rows, tables, pages, notes = ([sentences(100 * kind + n) for n in range(12)] for kind in range(4))
    for name in ("rows", "tables", "pages", "notes"):
        (folder / name).mkdir()
    lines = [json.dumps({"content": text, "id": n}) + "\n" for n, text in enumerate(rows)]
    (folder / "rows" / "a.jsonl").write_text("".join(lines[:4]), encoding="utf-8")
    (folder / "rows" / "b.jsonl.gz").write_bytes(gzip.compress("".join(lines[4:8]).encode()))
    with pyarrow.CompressedOutputStream(folder / "rows" / "c.jsonl.zst", "zstd") as out:
        out.write("".join(lines[8:]).encode())
    (folder / "rows" / "README").write_text("not a row", encoding="utf-8")
    table = pyarrow.table({"text": tables, "id": range(len(tables))})
    pyarrow.parquet.write_table(table, folder / "tables" / "a.parquet", row_group_size=5)
    for number, text in enumerate(pages):
        page = f"<html><body><nav><a>menu</a></nav><main><p>{text}</p></main></body></html>"
        (folder / "pages" / f"{number:02}.html").write_text(page, encoding="utf-8")
    for number, text in enumerate(notes):
        (folder / "notes" / f"{number:02}.txt").write_text(text, encoding="utf-8")
    return {"rows": rows, "tables": tables, "pages": pages, "notes": notes}


def prepared_project(folder: Path) -> Path:
    """Lay out a project with a tokenizer, a readable corpus and its data."""
    data_project(folder)
    write_everything(folder)
    train_tokenizer(folder)
    must(folder, "prepare_data.py", "--out", "data")
    return folder


def without_data(project: Path, folder: Path) -> Path:
    """Copy a project with its tokenizer, without its corpus and its data."""
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("data", *(source["name"] for source in SOURCES)))
    (folder / "data").mkdir()
    shutil.copy(project / "data" / "tokenizer.json", folder / "data")
    return folder


def tokenizer_of(project: Path) -> Tokenizer:
    """Return the project's tokenizer."""
    return Tokenizer.from_file(str(project / "data" / "tokenizer.json"))


def train_tokenizer(project: Path) -> None:
    """Train the project's tokenizer into its folder `data`."""
    must(project, "train_tokenizer.py", "--out", "data")


def card_of(folder: Path) -> dict[str, Any]:
    """Return the data card of a folder."""
    card: dict[str, Any] = json.loads((folder / "data_card.json").read_text(encoding="utf-8"))
    return card


def texts_of(folder: Path, tokenizer: Any, split: str) -> list[str]:
    """Return the documents of a split, decoded from the shards by the card alone."""
    card, found = card_of(folder), []
    for shard in card["splits"][split]["shards"]:
        data = (folder / shard["file"]).read_bytes()
        width = int(card["token_type"][-1])
        ids = [int.from_bytes(data[i : i + width], "little") for i in range(0, len(data), width)]
        start = 0
        for place, token in enumerate(ids):
            if token == card["eos"]:
                found.append(tokenizer.decode(ids[start:place]))
                start = place + 1
        assert start == len(ids), "a shard ends with a whole document"
    return found
