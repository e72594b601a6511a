"""`convert.py --to-hf`: what an exported folder holds, and what keeps it from being written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tests.exports import NATIVE, NETWORKS, ODD, Exporting, changed, exporting

FILES = {
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


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
    """Return the project with a checkpoint that a test may change."""
    shutil.copytree(llama_project.checkpoint, tmp_path / "checkpoint")
    return replace(llama_project, checkpoint=tmp_path / "checkpoint")


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


def test_folder_says_where_texts_and_turns_end(llama: Exporting, tmp_path: Path) -> None:
    llama.convert.to_hf(llama.checkpoint, tmp_path / "folder")
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    generation = json.loads((tmp_path / "folder" / "generation_config.json").read_text())
    tokens = AutoTokenizer.from_pretrained(tmp_path / "folder")

    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (None, 0, 1)
    assert (generation["eos_token_id"], generation["pad_token_id"]) == ([0, 3], 1)
    assert tokens.convert_ids_to_tokens([0, 1, 3]) == ["<|end|>", "<|pad|>", "<|im_end|>"]


def test_without_a_chat_template_only_texts_end(llama: Exporting, tmp_path: Path) -> None:
    (llama.checkpoint / "chat_template.jinja").unlink()
    changed_generation = {"temperature": 0.5, "do_sample": True}
    (llama.checkpoint / "generation_config.json").write_text(json.dumps(changed_generation))
    llama.convert.to_hf(llama.checkpoint, tmp_path / "folder")
    generation = json.loads((tmp_path / "folder" / "generation_config.json").read_text())

    assert generation["eos_token_id"] == 0
    assert generation["temperature"] == 0.5
    assert not (tmp_path / "folder" / "chat_template.jinja").exists()


def test_a_checkpoint_without_a_tokenizer_is_exported_and_says_so(
    llama: Exporting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (llama.checkpoint / name).unlink()
    llama.convert.to_hf(llama.checkpoint, tmp_path / "folder")

    assert f"note: {llama.checkpoint} holds no tokenizer.json" in capsys.readouterr().err
    assert {file.name for file in (tmp_path / "folder").iterdir()} == FILES - {
        "chat_template.jinja",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def refused(lent: Exporting, why: str) -> None:
    """Expect an error and nothing new beside the checkpoint."""
    before = sorted(lent.checkpoint.parent.iterdir())
    with pytest.raises(lent.convert.ConversionError, match=why):
        lent.convert.to_hf(lent.checkpoint, lent.checkpoint.parent / "new" / "folder")
    assert sorted(lent.checkpoint.parent.iterdir()) == before


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


def without_system(checkpoint: Path) -> None:
    template = (checkpoint / "chat_template.jinja").read_text()
    loop = "for message in messages"
    assert loop in template
    shortened = template.replace(loop, f"{loop} if message.role != 'system'")
    (checkpoint / "chat_template.jinja").write_text(shortened)


def failing_template(checkpoint: Path) -> None:
    (checkpoint / "chat_template.jinja").write_text("{{ raise_exception('no system turns') }}")


def without_eos(checkpoint: Path) -> None:
    changed(checkpoint / "tokenizer_config.json", eos_token=None)


def unknown_eos(checkpoint: Path) -> None:
    changed(checkpoint / "tokenizer_config.json", eos_token="</s>")


def without_its_config(checkpoint: Path) -> None:
    (checkpoint / "tokenizer_config.json").unlink()


def too_many_tokens(checkpoint: Path) -> None:
    tokens = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokens.add_tokens(["<|one|>", "<|more|>"])
    tokens.save(str(checkpoint / "tokenizer.json"))


def marks_left_in_text(checkpoint: Path) -> None:
    """Without its decoder the tokenizer writes `Ġ` for spaces."""
    content = json.loads((checkpoint / "tokenizer.json").read_text())
    (checkpoint / "tokenizer.json").write_text(json.dumps({**content, "decoder": None}))


def no_tokenizer_at_all(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.json").write_text("{}")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (without_system, "the chat template of .* drops the system turn"),
        (failing_template, "the chat template of .* fails: no system turns"),
        (without_eos, "tokenizer_config.json names no eos_token of tokenizer.json"),
        (unknown_eos, "tokenizer_config.json names no eos_token of tokenizer.json"),
        (without_its_config, "holds tokenizer.json without tokenizer_config.json"),
        (too_many_tokens, "the tokenizer has 302 tokens, the model 300"),
        (marks_left_in_text, "Hugging Face's side turns"),
        (no_tokenizer_at_all, "tokenizer.json is no tokenizer"),
    ],
)
def test_a_tokenizer_that_would_serve_another_text_is_refused(
    llama: Exporting, harm: Callable[[Path], None], why: str
) -> None:
    harm(llama.checkpoint)
    refused(llama, why)


def test_another_end_of_text_in_the_folder_is_refused(llama: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_config = llama.convert.generation_config

    def without(*arguments: Any) -> Any:
        config = generation_config(*arguments)
        config.eos_token_id = None
        return config

    monkeypatch.setattr(llama.convert, "generation_config", without)
    refused(llama, r"eos is None in generation_config\.json, 0 in the checkpoint")
