"""Which documents are held out, how they travel in batches, and the folder that they end in."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import data_project
from tests.emitted import imported


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    with imported("tiny_model", data_project(tmp_path_factory.mktemp("splits") / "project")):
        names = ("documents", "folder", "splits", "steps", "workers")
        yield SimpleNamespace(**{name: importlib.import_module(f"tiny_model.{name}") for name in names})


def examined(emitted: SimpleNamespace, texts: list[str]) -> list[Any]:
    source = emitted.documents.SOURCES[-1]
    return list(emitted.steps.examine([emitted.documents.Document(source, text) for text in texts]))


TEXTS = st.lists(st.text(min_size=1, max_size=3), min_size=2, max_size=40, unique=True)


@given(texts=TEXTS, others=TEXTS, fraction=st.sampled_from([0.001, 0.05, 0.5]))
def test_a_text_is_held_out_in_every_corpus_or_in_none(
    emitted: SimpleNamespace, texts: list[str], others: list[str], fraction: float
) -> None:
    def held_out(corpus: list[str]) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(emitted.splits, "VALIDATION_FRACTION", fraction)
            assigned = list(emitted.splits.assigned(examined(emitted, corpus)))
        assert sorted(kept.text for kept in assigned) == sorted(corpus)
        return [kept.text for kept in assigned if kept.split == "validation"]

    def small(text: str) -> bool:
        digest = examined(emitted, [text])[0].digest
        return bool(int.from_bytes(digest[:8], "big") < fraction * 2**64)

    for corpus in (texts, others, list(dict.fromkeys(texts + others))):
        chosen = held_out(corpus)
        wanted = [text for text in corpus if small(text)]
        if wanted:
            assert chosen == wanted
        else:
            (only,) = chosen
            assert only == min(corpus, key=lambda text: examined(emitted, [text])[0].digest)


def test_about_the_fraction_is_held_out(emitted: SimpleNamespace) -> None:
    assigned = list(emitted.splits.assigned(examined(emitted, [f"text number {n} of many" for n in range(4000)])))
    held_out = sum(kept.split == "validation" for kept in assigned)

    assert held_out == pytest.approx(200, abs=4 * (4000 * 0.05 * 0.95) ** 0.5)


@given(sizes=st.lists(st.integers(0, 700_000), max_size=600))
def test_batches_keep_everything_in_order(emitted: SimpleNamespace, sizes: list[int]) -> None:
    items = [SimpleNamespace(text=range(size), place=place) for place, size in enumerate(sizes)]
    batches = list(emitted.workers.batched(items))

    assert [item for batch in batches for item in batch] == items
    assert all(batch for batch in batches)
    assert all(len(batch) <= 256 and sum(len(i.text) for i in batch[:-1]) < 2**20 for batch in batches)


class Stopped(BaseException):
    """The process ends here."""


def write_data(folder: Path, shards: dict[str, bytes]) -> None:
    """Write shards and a card that has their hashes."""
    for name, content in shards.items():
        (folder / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in shards.items()}
    (folder / "data_card.json").write_text(json.dumps(hashes), encoding="utf-8")


def stopped_after(moment: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes functions stop the process at the call of this number, counted over all of them."""
    calls = count()

    def limited(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: object, **options: object) -> Any:
            if next(calls) >= moment:
                raise Stopped
            return change(*arguments, **options)

        return changed

    return limited


def test_a_stop_at_any_moment_leaves_whole_data_or_none(emitted: SimpleNamespace, tmp_path: Path) -> None:
    old = {f"train-0000{n}.bin": b"old" for n in range(4)}
    new = {f"train-0000{n}.bin": b"new" for n in range(2)}
    found = []
    for moment in range(20):
        folder, limited = tmp_path / str(moment), stopped_after(moment)
        folder.mkdir()
        write_data(folder, old)
        with pytest.MonkeyPatch.context() as patch, suppress(Stopped), emitted.folder.replacing_data(folder) as aside:
            write_data(aside, new)
            patch.setattr(Path, "replace", limited(Path.replace))
            patch.setattr(Path, "unlink", limited(Path.unlink))
        card, files = folder / "data_card.json", {file.name: file.read_bytes() for file in folder.glob("*.bin")}
        if card.exists():
            hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
            assert json.loads(card.read_text(encoding="utf-8")) == hashes
        found.append(files if card.exists() else None)

    assert found[0] == old
    assert None in found
    assert found[-1] == new
