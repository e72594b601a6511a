"""Shards and the data set that reads them: nothing is lost, damage is found, and the order is a pure function."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emitted import compiled, imported, lay_out
from tests.first_light import TINY, prepare, write_corpus

LENGTH = 24
EOS = 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with data in several shards; tests must not change it."""
    folder = tmp_path_factory.mktemp("dataset") / "project"
    data = {**TINY["data"], "validation": {"fraction": 0.1}, "shards": {"size": "1KB"}}
    lay_out(compiled({**TINY, "data": data}), folder)
    write_corpus(folder / "words")
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def package(project: Path) -> Iterator[SimpleNamespace]:
    with imported("tiny_model", project):
        yield SimpleNamespace(
            data=importlib.import_module("tiny_model.data"), shards=importlib.import_module("tiny_model.shards")
        )


def card_of(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "data_card.json").read_text(encoding="utf-8"))
    return card


def tokens_of(folder: Path, split: str = "train") -> np.ndarray:
    """Return the tokens of a split, read without the project's code."""
    files = [folder / shard["file"] for shard in card_of(folder)["splits"][split]["shards"]]
    return np.concatenate([np.fromfile(file, dtype="<u2") for file in files]).astype(np.int64)


def opened(package: SimpleNamespace, folder: Path, split: str = "train", seed: int = 0) -> Any:
    return package.data.Dataset(folder, split, 300, LENGTH, seed)


def test_an_epoch_has_every_window_once(project: Path, package: SimpleNamespace) -> None:
    data = opened(package, project / "data")
    tokens = tokens_of(project / "data")
    epochs = [data.sample_ids(range(n * data.windows, (n + 1) * data.windows)) for n in range(3)]

    assert len(data.shards) > 2
    assert data.windows == (len(tokens) - 1) // LENGTH
    assert [sorted(epoch) for epoch in epochs] == [list(range(data.windows))] * 3
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    for number in range(data.windows):
        assert np.array_equal(data.window(number), tokens[number * LENGTH : (number + 1) * LENGTH + 1])


@given(numbers=st.lists(st.integers(0, 10**12), min_size=1, max_size=8), seed=st.integers(0, 2**63 - 1))
def test_the_order_is_a_pure_function_of_seed_and_number(
    project: Path, package: SimpleNamespace, numbers: list[int], seed: int
) -> None:
    """So training resumes at any number, in any cut, from nothing but the number."""
    data = opened(package, project / "data", seed=seed)
    ids = data.sample_ids(numbers)
    alone = [opened(package, project / "data", seed=seed).sample_ids([number])[0] for number in numbers]
    batch, single = data.batch(numbers), [data.batch([number]) for number in numbers]

    assert ids == alone
    assert torch.equal(batch.tokens, torch.cat([one.tokens for one in single]))
    assert torch.equal(batch.targets, torch.cat([one.targets for one in single]))


def test_documents_come_whole_and_in_order(project: Path, package: SimpleNamespace) -> None:
    for split in ("train", "validation"):
        tokens = tokens_of(project / "data", split)
        ends = np.flatnonzero(tokens == card_of(project / "data")["eos"]) + 1
        expected = np.split(tokens, ends)[:-1]
        found = list(opened(package, project / "data", split).documents())

        assert len(found) == card_of(project / "data")["splits"][split]["documents"] > 0
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
        assert all(document.dtype == np.int64 for document in found)


def write_data(
    package: SimpleNamespace, folder: Path, documents: list[list[int]], shard_bytes: int, width: int
) -> None:
    """Write a folder of data with the project's own writer, and a card by hand."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package.shards, "SHARD_BYTES", shard_bytes)
        writer = package.shards.ShardWriter(folder, "train")
        for document in documents:
            writer.write(np.array([*document, EOS], dtype=f"<u{width}").tobytes())
        shards = writer.close()
    (folder / "tokenizer.json").write_text("{}")
    card = {
        "splits": {"train": {"shards": shards}},
        "token_type": f"<u{width}",
        "vocab_size": 300,
        "eos": EOS,
        "tokenizer_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",  # of {}
    }
    (folder / "data_card.json").write_text(json.dumps(card))


DOCUMENTS = st.lists(st.lists(st.integers(1, 299), max_size=60), min_size=1, max_size=12)


@settings(max_examples=60)
@given(
    documents=DOCUMENTS,
    repeats=st.sampled_from([1, 1, 1, 900]),
    shard_bytes=st.sampled_from([1, 50, 4000, 200_000]),
    width=st.sampled_from([2, 4]),
)
def test_what_is_written_is_what_is_read(
    package: SimpleNamespace,
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[list[int]],
    repeats: int,
    shard_bytes: int,
    width: int,
) -> None:
    """Documents of any length, in shards of any size, in blocks of 64 KiB."""
    folder = tmp_path_factory.mktemp("round") / "data"
    written = [document * repeats for document in documents]
    write_data(package, folder, written, shard_bytes, width)
    card = card_of(folder)
    data = package.data.Dataset(folder, "train", 300, 1, 0) if sum(map(len, written)) else None

    for shard in card["splits"]["train"]["shards"]:
        content = (folder / shard["file"]).read_bytes()
        checksums = [zlib.crc32(content[i : i + 65536]) for i in range(0, len(content), 65536)]
        assert np.fromfile(folder / shard["file"].replace(".bin", ".crc"), dtype="<u4").tolist() == checksums
        assert len(content) <= shard_bytes or content.count(bytes(width)) >= 1
    if data is not None:
        assert [document.tolist() for document in data.documents()] == [[*document, EOS] for document in written]
        total = sum(len(document) + 1 for document in written)
        assert data.windows == total - 1
        stream = [token for document in written for token in (*document, EOS)]
        some = range(0, data.windows, max(data.windows // 50, 1))
        assert [data.window(n).tolist() for n in some] == [stream[n : n + 2] for n in some]
    shutil.rmtree(folder)


def test_a_shard_is_closed_before_it_grows_too_large(package: SimpleNamespace, tmp_path: Path) -> None:
    write_data(package, tmp_path / "data", [[1] * 9, [2] * 9, [3] * 99, [4] * 9], 40, 2)
    shards = card_of(tmp_path / "data")["splits"]["train"]["shards"]

    assert [(shard["file"], shard["bytes"]) for shard in shards] == [
        ("train-00000.bin", 40),
        ("train-00001.bin", 200),
        ("train-00002.bin", 20),
    ]


def test_no_target_lies_in_another_document(project: Path, package: SimpleNamespace) -> None:
    data = opened(package, project / "data")
    batch = data.batch(range(data.windows))
    end = batch.tokens == data.end

    assert end.any()
    assert (batch.targets[end] == package.data.IGNORED).all()
    assert (batch.targets[~end] != package.data.IGNORED).all()
    assert (batch.targets[:, :-1][~end[:, :-1]] == batch.tokens[:, 1:][~end[:, :-1]]).all()
    assert (batch.documents[:, 1:] - batch.documents[:, :-1] == end[:, :-1].long()).all()


def test_the_fingerprint_is_that_of_split_and_tokenizer(
    project: Path, package: SimpleNamespace, tmp_path: Path
) -> None:
    trained, held_out = (opened(package, project / "data", split).fingerprint for split in ("train", "validation"))
    shutil.copytree(project / "data", tmp_path / "data")
    assert opened(package, tmp_path / "data", seed=3).fingerprint == trained != held_out

    change_card(tmp_path / "data", skipped=[{"path": "a", "reason": "b"}])
    assert opened(package, tmp_path / "data").fingerprint == trained
    (tmp_path / "data" / "tokenizer.json").write_text("{}")
    change_card(tmp_path / "data", tokenizer_sha256="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
    assert opened(package, tmp_path / "data").fingerprint != trained


def change_card(folder: Path, **changes: Any) -> None:
    (folder / "data_card.json").write_text(json.dumps({**card_of(folder), **changes}), encoding="utf-8")


def flip(file: Path, place: int) -> None:
    """Change one bit of a file, and nothing else about it."""
    data = bytearray(file.read_bytes())
    data[place] ^= 8
    file.write_bytes(data)


SHARD = "train-00001.bin"
HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated shard": (lambda f: os.truncate(f / SHARD, 100), f"{SHARD} is damaged: 100 bytes instead of"),
    "grown shard": (lambda f: os.truncate(f / SHARD, 10_000), f"{SHARD} is damaged: 10,000 bytes instead of"),
    "no shard": (lambda f: (f / SHARD).unlink(), f"{SHARD} is missing: run prepare_data.py"),
    "no checksums": (lambda f: (f / "train-00001.crc").unlink(), "train-00001.crc is missing"),
    "damaged checksums": (lambda f: flip(f / "train-00001.crc", 0), "train-00001.crc is damaged"),
    "another tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "by another tokenizer"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "no card": (lambda f: (f / "data_card.json").unlink(), "data_card.json is missing: run prepare_data.py"),
    "foreign card": (lambda f: (f / "data_card.json").write_text("[]"), "is no data card"),
    "half a card": (lambda f: os.truncate(f / "data_card.json", 99), "is no data card"),
    "vocabulary too large": (lambda f: change_card(f, vocab_size=301), "301 tokens, and the model has 300"),
    "no such split": (lambda f: change_card(f, splits={}), "holds no documents for train"),
}


@pytest.mark.parametrize(("harm", "said"), list(HARM.values()), ids=list(HARM))
def test_harmed_data_is_refused(
    project: Path, package: SimpleNamespace, tmp_path: Path, harm: Callable[[Path], object], said: str
) -> None:
    shutil.copytree(project / "data", tmp_path / "data")
    harm(tmp_path / "data")
    with pytest.raises(package.data.DataError, match=said):
        opened(package, tmp_path / "data")


@pytest.mark.parametrize("place", [0, 777, -1])
def test_a_flipped_bit_is_found_when_it_is_read(
    project: Path, package: SimpleNamespace, tmp_path: Path, place: int
) -> None:
    shutil.copytree(project / "data", tmp_path / "data")
    flip(tmp_path / "data" / SHARD, place)
    data = opened(package, tmp_path / "data")
    for read in (lambda: data.batch(range(data.windows)), lambda: list(data.documents())):
        with pytest.raises(package.data.DataError, match=f"{SHARD} is damaged: block 0 fails its checksum"):
            read()


def test_damage_done_while_training_is_found(project: Path, package: SimpleNamespace, tmp_path: Path) -> None:
    """A file that shrinks under a memory map would kill the process without a word."""
    shutil.copytree(project / "data", tmp_path / "data")
    data = opened(package, tmp_path / "data")
    data.batch(range(data.windows))
    os.truncate(tmp_path / "data" / SHARD, 0)
    with pytest.raises(package.data.DataError, match="is damaged: 0 bytes instead of"):
        data.batch(range(data.windows))


def test_data_shorter_than_a_sequence_is_refused(project: Path, package: SimpleNamespace) -> None:
    with pytest.raises(package.data.DataError, match="fewer than a sequence of 1,000,000"):
        package.data.Dataset(project / "data", "train", 300, 10**6, 0)


def test_a_batch_costs_little(project: Path, package: SimpleNamespace) -> None:
    """Far less than 1% of a step: a step of the smallest model that is worth training takes 100 ms."""
    data = opened(package, project / "data")
    started = time.process_time()
    for first in range(0, 800, 8):
        data.batch(range(first, first + 8))

    assert (time.process_time() - started) / 100 < 0.005
