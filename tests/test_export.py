"""`convert.py --to-hf`: what an exported folder holds, and what keeps it from being written."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.exports import FILES, NATIVE, NETWORKS, ODD, Exporting, copied, exporting, refused


@pytest.fixture(scope="module", params=list(NETWORKS))
def any_project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporting]:
    with exporting(request.param, tmp_path_factory.mktemp(request.param)) as lent:
        yield lent


@pytest.fixture(scope="module")
def llama_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporting]:
    with exporting("llama", tmp_path_factory.mktemp("llama")) as lent:
        yield lent


@pytest.fixture
def llama(llama_project: Exporting, tmp_path: Path) -> Exporting:
    return copied(llama_project, tmp_path)


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def test_weights_and_tokenizer_come_back_bit_for_bit(
    any_project: Exporting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert, folder, back = any_project.convert, tmp_path / "folder", tmp_path / "back"
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", questions.append)
    convert.to_hf(any_project.checkpoint, folder)
    convert.from_hf(folder, back)

    assert questions == []
    code = {f"{kind}_{any_project.package}.py" for kind in ("configuration", "modeling")}
    odd = any_project.package.replace("_", "-") in ODD
    assert {file.name for file in folder.iterdir()} == FILES | (code if odd else set())
    assert same(back / "model.safetensors", any_project.checkpoint / "model.safetensors")
    for name in FILES - {"config.json", "model.safetensors", "generation_config.json"}:
        assert same(folder / name, any_project.checkpoint / name)
        assert same(back / name, any_project.checkpoint / name)
    assert same(back / "generation_config.json", folder / "generation_config.json")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["back", "folder"]


@pytest.mark.parametrize("name", list(NATIVE))
def test_families_own_classes_write_the_same_texts(name: str, tmp_path: Path) -> None:
    """Without a word of ours in between; `tests/test_remote_code.py` asks this of all others."""
    with exporting(name, tmp_path) as lent:
        lent.convert.to_hf(lent.checkpoint, tmp_path / "folder")
        ours, tokens = lent.model.load(lent.checkpoint), lent.tokens()
        theirs: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "folder")
        written = theirs.generate(tokens, max_new_tokens=64, do_sample=False, eos_token_id=None)

        assert torch.equal(written, lent.module("generation").generate(ours, tokens, 64))


@pytest.mark.parametrize("back", [False, True])
def test_one_model_at_a_time_is_in_memory(
    back: bool, llama: Exporting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = llama.convert
    alive: list[weakref.ref[Any]] = []
    if back:
        convert.to_hf(llama.checkpoint, tmp_path / "folder")

    def watched(name: str) -> None:
        read = getattr(convert, name)

        def watch(*arguments: Any) -> Any:
            assert [model() for model in alive] == [None] * len(alive)
            made = read(*arguments)
            alive.append(weakref.ref(made))
            return made

        monkeypatch.setattr(convert, name, watch)

    watched("our_model")
    watched("read_theirs")
    if back:
        convert.from_hf(tmp_path / "folder", tmp_path / "back")
    else:
        convert.to_hf(llama.checkpoint, tmp_path / "folder")
    assert len(alive) == 2


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("name", [*NATIVE, "learned-mqa"])
def test_the_first_layer_that_differs_is_named(
    name: str, layer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a hand edit of the model that the export does not follow."""
    with exporting(name, tmp_path) as lent:
        attend = lent.model.Attention.forward

        def louder(self: Any, x: torch.Tensor, context: Any) -> torch.Tensor:
            out: torch.Tensor = attend(self, x, context)
            return out * 1.05 if self.layer_idx == layer else out

        monkeypatch.setattr(lent.model.Attention, "forward", louder)
        refused(lent, f"logits differ by .*: layer {layer} is the first to differ")


def louder_embedding(lent: Exporting) -> tuple[Any, str, Any]:
    class Louder(torch.nn.Embedding):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return super().forward(tokens) * 1.05

    nn = type("nn", (), {**vars(torch.nn), "Embedding": Louder})
    return lent.model, "nn", nn


def louder_head(lent: Exporting) -> tuple[Any, str, Any]:
    forward = lent.model.Model.forward
    return lent.model.Model, "forward", lambda self, *args, **kwargs: 1.05 * forward(self, *args, **kwargs)


def forgetful_cache(lent: Exporting) -> tuple[Any, str, Any]:
    return lent.model.Cache, "update", lambda _self, k, v, _layer: (k, v)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (louder_embedding, "the embeddings are the first to differ"),
        (louder_head, "no layer differs, only the last norm or the head"),
        (forgetful_cache, "greedy decoding differs at new token 2"),
    ],
)
def test_what_differs_beside_the_layers_is_named(
    llama: Exporting, harm: Callable[[Exporting], tuple[Any, str, Any]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*harm(llama))
    if harm is forgetful_cache:  # what is read is all that is masked for
        monkeypatch.setattr(llama.model, "visibility", first_steps(llama.model.visibility))
    refused(llama, why)


def first_steps(visibility: Any) -> Any:
    def shortened(tokens: torch.Tensor, documents: Any, cache: Any) -> Any:
        positions, mask = visibility(tokens, documents, cache)
        return positions, mask if cache is None else mask[..., -tokens.shape[1] :]

    return shortened


def test_a_damaged_tensor_is_named(llama: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    save = llama.convert.save_torch_state_dict

    def damaged(tensors: dict[str, torch.Tensor], folder: Path) -> None:
        tensors["model.layers.1.mlp.up_proj.weight"] = tensors["model.layers.1.mlp.up_proj.weight"] * 1.1
        save(tensors, folder)

    monkeypatch.setattr(llama.convert, "save_torch_state_dict", damaged)
    refused(llama, "layer 1 is the first to differ")
