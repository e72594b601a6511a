"""The evaluation of a checkpoint against a naive one, and its stage on real files."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import lzma
import math
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.emitted import compiled, imported, lay_out
from tests.first_light import LENGTH, TINY, must, prepare, write_corpus, write_untrained

VOCABULARY = 300
COUNTS = ("documents", "bytes", "tokens")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with prepared data, and a checkpoint that was not trained; tests must not change it."""
    data = {**TINY["data"], "validation": {"fraction": 0.2}}
    files = compiled({**TINY, "model": {**TINY["model"], "dropout": 0.1}, "data": data})
    folder = lay_out(files, tmp_path_factory.mktemp("evaluation") / "project")
    write_corpus(folder / "words")
    prepare(folder)
    write_untrained(folder)
    return folder


@pytest.fixture(scope="module")
def package(project: Path) -> Iterator[ModuleType]:
    with imported("tiny_model", project) as modules:
        yield modules


@pytest.fixture(scope="module")
def evaluation(package: ModuleType) -> ModuleType:
    return importlib.import_module(f"{package.__package__}.evaluation")


@pytest.fixture(scope="module")
def model(package: ModuleType) -> Any:
    """A model whose every prediction depends on all that it reads."""
    torch.manual_seed(0)
    model = package.Model(package.Config()).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model


def naive_nats(model: Callable[[Tensor], Tensor], document: np.ndarray, window: int) -> float:
    """Return the loss of a document token by token, each foretold from what stands before it and nothing else."""
    nats, half = 0.0, max(1, window // 2)
    for place in range(1, len(document)):
        # The first window that ends at or behind the token; windows start every half.
        turn = max(0, math.ceil((place - window) / half))
        context = torch.tensor([[int(token) for token in document[turn * half : place]]])
        with torch.no_grad():
            nats -= model(context)[0, -1].log_softmax(dim=-1)[int(document[place])].item()
    return nats


LENGTHS = (1, 2, 3, 7, 8, 9, 12, 13, 30, 41)


@pytest.mark.parametrize("window", [1, 2, 7, 8, LENGTH])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_loss_is_that_of_each_token_alone(evaluation: ModuleType, model: Any, window: int, batch_size: int) -> None:
    random = np.random.default_rng(0)
    documents = [random.integers(0, VOCABULARY, length) for length in LENGTHS]
    loss = evaluation.document_loss(model, iter(documents), window, batch_size)
    nats = sum(naive_nats(model, document, window) for document in documents)

    assert loss.tokens == sum(LENGTHS) - len(LENGTHS)
    assert loss.nats == pytest.approx(nats, rel=1e-10)


@given(st.integers(0, 100), st.integers(1, 20))
def test_each_token_is_foretold_once_and_from_enough(evaluation: ModuleType, length: int, window: int) -> None:
    document = np.arange(length)
    foretold = []
    for piece in evaluation.cut(document, window):
        assert 1 <= len(piece.tokens) == len(piece.targets) <= window
        for place, target in enumerate(piece.targets):
            if target != evaluation.IGNORED:
                assert piece.tokens[place] == target - 1
                assert place + 1 >= min(target, window // 2)
                foretold.append(target)
    assert foretold == list(range(1, length))


def test_a_model_that_knows_nothing_needs_as_many_bits_as_tokens_have(
    evaluation: ModuleType, package: ModuleType
) -> None:
    ignorant = package.Model(package.Config()).eval()
    torch.nn.init.zeros_(ignorant.lm_head.weight)
    documents = [np.full(50, 3), np.full(14, 5)]
    loss = evaluation.document_loss(ignorant, documents, LENGTH, 4)

    assert loss.mean == pytest.approx(math.log(VOCABULARY))
    assert evaluation.bits_per_byte(loss, 2, VOCABULARY, 100) == pytest.approx(64 * math.log2(VOCABULARY) / 100)


def evaluate(project: Path, *options: str) -> Any:
    """Return what the stage says of the untrained checkpoint."""
    return json.loads(must(project, "eval.py", "--checkpoint", "checkpoint", "--data", "data", "--json", *options))


@pytest.fixture(scope="module")
def held_out(project: Path) -> Any:
    return evaluate(project, "--compare")


def test_the_stage_measures_the_documents_of_the_split(project: Path, package: ModuleType, held_out: Any) -> None:
    data = importlib.import_module("tiny_model.data")
    documents = list(data.Dataset(project / "data", "validation", VOCABULARY, 1, 0).documents())
    model = package.load(project / "checkpoint").eval()
    nats = sum(naive_nats(model, document, LENGTH) for document in documents)
    tokens = sum(map(len, documents))
    bits = nats / math.log(2) + len(documents) * math.log2(VOCABULARY)
    described = json.loads((project / "data" / "data_card.json").read_text(encoding="utf-8"))["splits"]["validation"]

    assert {*held_out} == {"checkpoint", "split", *COUNTS, "loss", "perplexity", "bits_per_byte", "compare"}
    assert (held_out["checkpoint"], held_out["split"]) == ("checkpoint", "validation")
    assert len(documents) > 1
    assert {key: held_out[key] for key in COUNTS} == {key: described[key] for key in COUNTS}
    assert held_out["loss"] == pytest.approx(nats / (tokens - len(documents)), rel=1e-5)
    assert held_out["perplexity"] == pytest.approx(math.exp(held_out["loss"]))
    assert held_out["bits_per_byte"] == pytest.approx(bits / held_out["bytes"], rel=1e-5)


def test_the_comparison_is_with_the_files_themselves(project: Path, held_out: Any) -> None:
    files = [file.read_bytes() for file in (project / "words").iterdir()]
    trained = evaluate(project, "--compare", "--split", "train")
    packed = {
        "gzip -9": sum(len(gzip.compress(text, 9, mtime=0)) for text in files),
        "xz -9": sum(len(lzma.compress(text, preset=9)) for text in files),
    }
    for name, size in packed.items():
        bits = sum(part["compare"][name] * part["bytes"] for part in (held_out, trained))
        assert bits == pytest.approx(8 * size)
    assert held_out["bytes"] + trained["bytes"] == sum(map(len, files))


def test_a_person_reads_a_table(project: Path, held_out: Any) -> None:
    printed = must(project, "eval.py", "--checkpoint", "checkpoint", "--data", "data", "--compare")

    for number in (held_out["loss"], held_out["bits_per_byte"], *held_out["compare"].values()):
        assert f"{number:.4f}" in printed


def test_a_smoke_run_reads_a_few_documents(project: Path) -> None:
    found = evaluate(project, "--smoke", "--split", "train", "--set", "eval.window=7", "--set", "eval.batch_size=3")

    assert found["documents"] == 4
    assert "compare" not in found


ERRORS = {
    "no such split": (("--checkpoint", "checkpoint", "--data", "data", "--split", "test"), "no documents for test"),
    "no checkpoint": (("--checkpoint", "data", "--data", "data"), "data is no checkpoint"),
    "no tokenizer": (("--checkpoint", "bare", "--data", "data"), "bare holds no tokenizer.json"),
    "no data": (("--checkpoint", "checkpoint", "--data", "words"), "data_card.json is missing"),
    "no such size": (
        ("--checkpoint", "checkpoint", "--data", "data", "--set", "eval.windows=8"),
        "eval.windows is no size",
    ),
    "another tokenizer": (("--checkpoint", "checkpoint", "--data", "{tmp}"), "by another tokenizer"),
}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(("options", "said"), list(ERRORS.values()), ids=list(ERRORS))
def test_wrong_input_is_one_clear_line(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    shutil.copytree(project / "data", tmp_path, dirs_exist_ok=True)
    tokenizer, card = tmp_path / "tokenizer.json", tmp_path / "data_card.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b"\n")
    hashed = hashlib.sha256(tokenizer.read_bytes()).hexdigest()
    described = {**json.loads(card.read_text(encoding="utf-8")), "tokenizer_sha256": hashed}
    card.write_text(json.dumps(described), encoding="utf-8")
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["eval.py", *(option.format(tmp=tmp_path) for option in options)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("eval.py", run_name="__main__")

    assert str(ended.value).startswith("error: ")
    assert said in str(ended.value)
