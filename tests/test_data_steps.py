"""The emitted steps, held against plain functions that share no code with them."""

from __future__ import annotations

import importlib
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora import data_project, sentences
from tests.emitted import imported

MODULES = ("documents", "encoding", "shards", "splits", "steps", "workers")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_project(tmp_path_factory.mktemp("steps") / "project")


@pytest.fixture(scope="module")
def emitted(project: Path) -> Iterator[SimpleNamespace]:
    with imported("tiny_model", project):
        yield SimpleNamespace(**{name: importlib.import_module(f"tiny_model.{name}") for name in MODULES})


def documents(emitted: SimpleNamespace, texts: list[str], source: int = -1) -> list[Any]:
    return [emitted.documents.Document(emitted.documents.SOURCES[source], text) for text in texts]


def kept(emitted: SimpleNamespace, step: Any, texts: list[str]) -> list[bool]:
    """Say of each text whether a step keeps it, given those before it."""
    keeps = []
    for document in documents(emitted, texts):
        try:
            keeps.append(not step.repeats(step.mark(step.look(document))))
        except emitted.steps.Dropped:
            keeps.append(False)
    return keeps


def ngrams(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[i : i + 5]) for i in range(max(len(words) - 4, 1))}


def jaccard(one: str, other: str) -> float:
    a, b = ngrams(one), ngrams(other)
    return len(a & b) / len(a | b)


def altered(text: str, share: float, seed: int) -> str:
    """Return a text of which a share of the words is replaced."""
    drawn, words = random.Random(seed), text.split()
    for place in drawn.sample(range(len(words)), max(round(share * len(words)), 1)):
        words[place] = f"new{drawn.random()}"
    return " ".join(words)


def test_near_duplicates_are_found_and_others_kept(emitted: SimpleNamespace) -> None:
    originals = [sentences(seed, words=300) for seed in range(100)]
    copies = [altered(text, 0.01, seed) for seed, text in enumerate(originals)]
    keeps = kept(emitted, emitted.steps.MinHashDedup(), originals + copies)
    near = [jaccard(*pair) for pair in zip(originals, copies, strict=True)]

    assert min(near) > 0.75
    assert max(jaccard(*pair) for pair in combinations(originals, 2)) < 0.2
    assert keeps[:100] == [True] * 100
    assert sum(not keep for keep in keeps[100:]) >= 95


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_the_chance_to_be_found_is_that_of_the_bands(emitted: SimpleNamespace, share: float) -> None:
    """1 - (1 - similarity ** rows) ** bands, summed over pairs of known similarity."""
    pairs = [(sentences(seed, words=200), altered(sentences(seed, words=200), share, seed)) for seed in range(150)]
    found = sum(not kept(emitted, emitted.steps.MinHashDedup(), list(pair))[1] for pair in pairs)
    expected = sum(1 - (1 - jaccard(*pair) ** 8) ** 14 for pair in pairs)

    assert found == pytest.approx(expected, abs=4 * (150 * 0.25) ** 0.5 + 1)


def test_signatures_estimate_the_exact_similarity(emitted: SimpleNamespace) -> None:
    """The library's minima agree as often as the exact similarity says."""
    errors = []
    for seed in range(60):
        one, other = (sentences(seed, words=300), altered(sentences(seed, words=300), 0.03, seed))
        marks = [emitted.steps.ngram_hashes(text) for text in (one, other)]
        minima = emitted.steps.RMinHash.digest_matrix_from_flat_token_hashes(
            np.concatenate(marks), [0, len(marks[0]), len(marks[0]) + len(marks[1])], num_perm=112, seed=0
        ).to_rows()
        agreed = sum(a == b for a, b in zip(*minima, strict=True)) / 112
        errors.append(agreed - jaccard(one, other))

    assert abs(sum(errors) / len(errors)) < 0.02
    assert max(map(abs, errors)) < 0.2


def test_runs_of_words_have_a_hash_each(emitted: SimpleNamespace) -> None:
    text = sentences(1, words=2000)
    by_ngram = dict(
        zip(zip(*(text.split()[i:] for i in range(5)), strict=False), emitted.steps.ngram_hashes(text), strict=True)
    )

    assert len(set(by_ngram.values())) == len(by_ngram) == len(ngrams(text))
    assert set(emitted.steps.ngram_hashes(text)) == set(by_ngram.values())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a b c d e f", "A  b\nc\td e F", True),  # case and white space do not count
        ("a b c", "a b c", True),  # shorter than a run
        ("a b c", "a c b", False),
        ("a b c d e", "e d c b a", False),
        ("a b", "ab", False),
        (" \n", "\t", True),
        ("x", "y", False),
        ("我今天去了北京大学图书馆看书学习", "我今天去了北京大学图书馆看书学习", True),
        ("übung macht den großen meister", "übung macht den kleinen meister", False),
    ],
)
def test_documents_are_compared_by_their_words(emitted: SimpleNamespace, one: str, other: str, same: bool) -> None:
    assert kept(emitted, emitted.steps.MinHashDedup(), [one, other]) == [True, not same]


def test_scripts_without_spaces_are_compared_by_their_characters(emitted: SimpleNamespace) -> None:
    drawn = random.Random(0)
    text = "".join(chr(drawn.randrange(0x4E00, 0x5E00)) for _ in range(600))
    near = text[:300] + "變" + text[301:]

    assert kept(emitted, emitted.steps.MinHashDedup(), [text, near, text[::-1]]) == [True, False, True]


def test_what_was_dropped_drops_nothing_itself(emitted: SimpleNamespace) -> None:
    """A chain of small changes does not carry away what resembles nothing that is kept."""
    chain = [sentences(1, words=200)]
    while jaccard(chain[0], chain[-1]) > 0.3:
        chain.append(altered(chain[-1], 0.03, len(chain)))
    keeps = kept(emitted, emitted.steps.MinHashDedup(), chain)

    assert keeps[0]
    for place, keep in enumerate(keeps):
        if not keep:
            assert max(jaccard(chain[place], chain[p]) for p in range(place) if keeps[p]) > 0.4
    assert not all(keeps)


@given(texts=st.lists(st.sampled_from(["a", "b", "ab", "A", " a", "é", "e\u0301"])))
def test_exact_dedup_keeps_the_first_of_equal_texts(emitted: SimpleNamespace, texts: list[str]) -> None:
    expected = [text not in texts[:place] for place, text in enumerate(texts)]
    assert kept(emitted, emitted.steps.ExactDedup(), texts) == expected


def test_marks_are_the_same_in_every_process(emitted: SimpleNamespace, project: Path) -> None:
    code = (
        "from tiny_model import documents as d, steps as s\n"
        "for t in ('one two three four five six', 'über 語 ' * 9):\n"
        "    print(s.MinHashDedup().mark(d.Document(d.SOURCES[0], t)))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=project,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    texts = ["one two three four five six", "über 語 " * 9]
    here = "".join(f"{emitted.steps.MinHashDedup().mark(document)}\n" for document in documents(emitted, texts))

    assert printed == [here, here]


def reasons(emitted: SimpleNamespace, text: str, monkeypatch: pytest.MonkeyPatch, **limits: float) -> str:
    """Return why the heuristics drop a text, under other limits than the spec's."""
    for name, value in {"MIN_WORDS": 0, "MAX_DUPLICATE_LINES": 1, "MAX_TOP_BIGRAM": 1, **limits}.items():
        monkeypatch.setattr(emitted.steps, name, value)
    monkeypatch.setattr(emitted.steps, "MAX_DUPLICATE_CHARACTERS", limits.get("MAX_DUPLICATE_CHARACTERS", 1))
    try:
        emitted.steps.Heuristics().look(documents(emitted, [text])[0])
    except emitted.steps.Dropped as why:
        return str(why)
    return ""


def test_the_default_limits_are_gophers(emitted: SimpleNamespace) -> None:
    names = ("MAX_WORDS", "MAX_DUPLICATE_LINES", "MAX_DUPLICATE_CHARACTERS", "MAX_TOP_BIGRAM")
    assert [getattr(emitted.steps, name) for name in names] == [100_000, 0.3, 0.2, 0.2]
    assert emitted.steps.MIN_WORDS == 5  # this spec's own


LINES = "one\ntwo\nthree\nthree\n\n\n"  # four lines of 16 characters, one repeated
PAIRS = "a b a b c d e f"  # the pair a b twice: 4 of 8 characters


@pytest.mark.parametrize(
    ("text", "limits", "reason"),
    [
        ("a b c", {"MIN_WORDS": 3}, ""),
        ("a b c", {"MIN_WORDS": 4}, "too_short"),
        ("a b c", {"MAX_WORDS": 3}, ""),
        ("a b c", {"MAX_WORDS": 2}, "too_long"),
        (LINES, {"MAX_DUPLICATE_LINES": 1 / 4}, ""),
        (LINES, {"MAX_DUPLICATE_LINES": 0.24}, "repeated_lines"),
        (LINES, {"MAX_DUPLICATE_CHARACTERS": 5 / 16}, ""),
        (LINES, {"MAX_DUPLICATE_CHARACTERS": 0.31}, "repeated_characters"),
        (PAIRS, {"MAX_TOP_BIGRAM": 4 / 8}, ""),
        (PAIRS, {"MAX_TOP_BIGRAM": 0.49}, "repeated_words"),
        ("a pair once repeats nothing", {"MAX_TOP_BIGRAM": 0}, ""),
        ("word", {"MAX_TOP_BIGRAM": 0}, ""),
        ("", {}, ""),
    ],
)
def test_limits_hold_at_their_edges(
    emitted: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, text: str, limits: dict[str, float], reason: str
) -> None:
    assert reasons(emitted, text, monkeypatch, **limits) == reason


def repeated(text: str) -> str:
    """Return the first reason to drop a text, by the definitions and with the default limits."""
    words, lines = text.split(), [line.strip() for line in text.split("\n") if line.strip()]
    again = [line for place, line in enumerate(lines) if line in lines[:place]]
    pairs = Counter(zip(words, words[1:], strict=False))
    most = max(pairs.values(), default=0)
    if len(words) < 5:
        return "too_short"
    if again and len(again) / len(lines) > 0.3:
        return "repeated_lines"
    if again and sum(map(len, again)) / sum(map(len, lines)) > 0.2:
        return "repeated_characters"
    # The first of the commonest pairs is meant.
    top = next(pair for pair, times in pairs.items() if times == most)
    return "repeated_words" if most > 1 and most * sum(map(len, top)) / sum(map(len, words)) > 0.2 else ""


@given(text=st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", " ", "\n"]), max_size=60).map(" ".join))
def test_heuristics_follow_their_definitions(emitted: SimpleNamespace, text: str) -> None:
    try:
        emitted.steps.Heuristics().look(documents(emitted, [text])[0])
        found = ""
    except emitted.steps.Dropped as why:
        found = str(why)

    assert found == repeated(text)


def test_only_pages_are_extracted(emitted: SimpleNamespace) -> None:
    page = "<html><body><nav>menu</nav><main><h1>Title</h1><p>Some text.</p></main><footer>no</footer></body></html>"
    by_format = {source.format: source for source in emitted.documents.SOURCES}
    step = emitted.steps.Extract()
    looked = {name: step.look(emitted.documents.Document(source, page)).text for name, source in by_format.items()}

    assert looked.pop("html").split() == ["Title", "Some", "text."]
    assert set(looked.values()) == {page}
    with pytest.raises(emitted.steps.Dropped, match="no_text"):
        step.look(emitted.documents.Document(by_format["html"], "<html><body></body></html>"))


def test_trafilatura_extracts_too(tmp_path: Path) -> None:
    project = data_project(tmp_path / "project", {"steps": [{"kind": "extract", "method": "trafilatura"}]})
    page = f"<html><body><nav>menu</nav><article><p>{sentences(1)}</p></article></body></html>"
    with imported("tiny_model", project):
        steps, found = (importlib.import_module(f"tiny_model.{name}") for name in ("steps", "documents"))
        source = next(source for source in found.SOURCES if source.format == "html")
        assert steps.Extract().look(found.Document(source, page)).text == sentences(1)
        with pytest.raises(steps.Dropped):
            steps.Extract().look(found.Document(source, "<html></html>"))
