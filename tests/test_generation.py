"""Decoding: the search with beams against every text there is, and the arguments of the stage."""

from __future__ import annotations

import importlib
import itertools
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.emitted import imported
from tests.first_light import make_project, must, write_untrained

STOP = 2
Complete = Callable[..., str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a checkpoint that was not trained, and one without a tokenizer; tests must not change it."""
    folder = make_project(tmp_path_factory.mktemp("generation") / "project")
    must(folder, "train_tokenizer.py", "--out", "data")
    write_untrained(folder)
    return folder


@pytest.fixture(scope="module")
def package(project: Path) -> Iterator[ModuleType]:
    with imported("tiny_model", project) as modules:
        yield modules


@pytest.fixture(scope="module")
def generation(package: ModuleType) -> ModuleType:
    return importlib.import_module(f"{package.__package__}.generation")


def small_model(package: ModuleType, seed: int, vocabulary: int) -> Any:
    torch.manual_seed(seed)
    model = package.Model(package.Config(vocab_size=vocabulary, max_seq_len=8)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model


def likeliest(model: Any, prompt: Tensor, new: int) -> Tensor:
    """Return the best of all texts: those with STOP end there, and the mean over new tokens decides."""
    vocabulary = range(model.config.vocab_size)
    texts = {
        text[: text.index(STOP) + 1] if STOP in text else text for text in itertools.product(vocabulary, repeat=new)
    }

    def score(text: tuple[int, ...]) -> float:
        tokens = torch.cat([prompt, torch.tensor([text])], dim=1)
        steps = model(tokens)[0, prompt.shape[1] - 1 : -1].log_softmax(dim=-1)
        return float(steps[range(len(text)), text].mean())

    with torch.no_grad():
        return torch.cat([prompt, torch.tensor([max(texts, key=score)])], dim=1)


@pytest.mark.parametrize("new", [1, 2, 4])
@pytest.mark.parametrize("seed", range(44, 57))
def test_wide_beams_find_the_likeliest_of_all_texts(
    package: ModuleType, generation: ModuleType, seed: int, new: int
) -> None:
    model = small_model(package, seed, vocabulary=3)
    prompt = torch.randint(3, (1, 3))
    found = generation.beam_search(model, prompt, new, beams=3 ** (new - 1), stop=STOP)

    assert torch.equal(found, likeliest(model, prompt, new))
    assert model.training


def test_one_beam_without_an_end_is_greedy(package: ModuleType, generation: ModuleType) -> None:
    model = small_model(package, 0, vocabulary=30)
    prompt = torch.randint(30, (1, 2))

    assert torch.equal(generation.beam_search(model, prompt, 6, beams=1), generation.generate(model, prompt, 6))


@pytest.fixture
def complete(
    project: Path, package: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Complete:
    """Run the stage in this process, where torch is loaded already."""

    def run(*options: str, checkpoint: str = "checkpoint", prompt: str = "alpha beta") -> str:
        monkeypatch.chdir(Path(str(package.__file__)).parent.parent)
        command = ["generate.py", "--checkpoint", checkpoint, "--prompt", prompt, "--max-new-tokens", "12", *options]
        monkeypatch.setattr(sys, "argv", command)
        runpy.run_path(str(project / "generate.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_chance_is_used_only_where_it_is_asked_for(complete: Complete) -> None:
    likely = complete()

    assert likely.startswith("alpha beta")
    assert complete("--seed", "1") == likely
    assert complete("--temperature", "0", "--top-k", "5") == likely
    assert complete("--beams", "1") == likely
    assert complete("--top-k", "1", "--seed", "1") == likely
    for drawn in (("--temperature", "1"), ("--top-k", "200"), ("--top-p", "0.99")):
        assert complete(*drawn, "--seed", "1") == complete(*drawn, "--seed", "1")
        assert len({complete(*drawn, "--seed", str(seed)) for seed in range(4)}) > 1


def test_beams_are_a_choice_of_their_own(complete: Complete) -> None:
    assert complete("--beams", "4").startswith("alpha beta")
    assert complete("--beams", "4") == complete("--beams", "4", "--seed", "1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--beams", "3", "--top-p", "0.5"), "leaves nothing to chance"),
        (("--beams", "0"), "at least one beam, not 0"),
        (("--temperature", "-1"), "temperature is above 0"),
        (("--temperature", "nan"), "temperature is above 0"),
        (("--top-k", "0"), "top_k is at least 1"),
        (("--top-p", "0"), "top_p is above 0"),
        (("--max-new-tokens", "0"), "at least one new token, not 0"),
        (("--max-new-tokens", "64"), "exceed the longest sequence"),
    ],
)
def test_wrong_options_are_one_clear_line(complete: Complete, options: tuple[str, ...], said: str) -> None:
    with pytest.raises(SystemExit, match=f"^error: .*{said}"):
        complete(*options)


def test_wrong_input_is_one_clear_line(complete: Complete) -> None:
    with pytest.raises(SystemExit, match="^error: there is no prompt"):
        complete(prompt="")
    with pytest.raises(SystemExit, match="^error: .*exceed the longest sequence of the model, 64"):
        complete(prompt="alpha " * 100)
    with pytest.raises(SystemExit, match=r"^error: bare holds no tokenizer\.json"):
        complete(checkpoint="bare")
