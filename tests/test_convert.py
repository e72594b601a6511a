"""The emitted `convert.py`: what it reads, what it keeps, and what it refuses without writing anything."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaForCausalLM

from tests.witness import CONFIGS, LIMITS, Witness, assert_same_tensors, witnessed


@pytest.fixture(scope="module")
def llama_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    yield from witnessed(CONFIGS["llama-gqa"], tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def gpt2_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    yield from witnessed(CONFIGS["gpt2-tied"], tmp_path_factory.mktemp("gpt2"))


def copied(witness: Witness, folder: Path) -> Witness:
    """Return the witness with a folder and a model that a test may change."""
    shutil.copytree(witness.folder, folder)
    return replace(witness, folder=folder, theirs=deepcopy(witness.theirs))


@pytest.fixture
def llama_witness(llama_project: Witness, tmp_path: Path) -> Witness:
    return copied(llama_project, tmp_path / "witness")


@pytest.fixture
def gpt2_witness(gpt2_project: Witness, tmp_path: Path) -> Witness:
    return copied(gpt2_project, tmp_path / "witness")


def test_other_floats_are_kept(llama_witness: Witness, tmp_path: Path) -> None:
    llama_witness.theirs.bfloat16().save_pretrained(tmp_path / "short")
    llama_witness.convert.from_hf(tmp_path / "short", tmp_path / "checkpoint")
    llama_witness.convert.to_hf(tmp_path / "checkpoint", tmp_path / "back")

    assert_same_tensors(llama_witness.theirs, LlamaForCausalLM.from_pretrained(tmp_path / "back"))


def test_tokenizer_travels_along(llama_witness: Witness, tmp_path: Path) -> None:
    files = {"tokenizer.model": "pieces", "generation_config.json": '{"top_k": 7}', "other.txt": "stays"}
    for name, text in files.items():
        (llama_witness.folder / name).write_text(text)
    llama_witness.convert.from_hf(llama_witness.folder, tmp_path / "checkpoint")
    llama_witness.convert.to_hf(tmp_path / "checkpoint", tmp_path / "back")

    assert json.loads((tmp_path / "back" / "generation_config.json").read_text())["top_k"] == 7
    assert (tmp_path / "back" / "tokenizer.model").read_text() == "pieces"
    assert not (tmp_path / "back" / "other.txt").exists()


Weights = dict[str, Tensor]
Edit = Callable[[Weights], Weights]


def edited(folder: Path, edit: Edit, **changes: Any) -> Path:
    """Change tensors and keys of a folder in place."""
    weights = folder / "model.safetensors"
    save_file(edit(load_file(weights)), weights, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


def kept(weights: Weights) -> Weights:
    return weights


def as_shards(folder: Path, theirs: Any) -> None:
    shutil.rmtree(folder)
    theirs.save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").exists()


def as_pickle(folder: Path, theirs: Any) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(theirs.state_dict(), folder / "pytorch_model.bin")


def as_first_released(folder: Path, _: Any) -> None:
    """The oldest GPT-2 folders hold the inner model's names and the buffers of its causal masks."""

    def edit(weights: Weights) -> Weights:
        names = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
        return names | {"h.0.attn.bias": torch.ones(1, 1, 9, 9), "h.0.attn.masked_bias": torch.tensor(-1e4)}

    edited(folder, edit)


@pytest.mark.parametrize("store", [as_shards, as_pickle, as_first_released])
def test_folder_of_any_kind_is_read(gpt2_witness: Witness, store: Callable[[Path, Any], None], tmp_path: Path) -> None:
    store(gpt2_witness.folder, gpt2_witness.theirs)
    gpt2_witness.convert.from_hf(gpt2_witness.folder, tmp_path / "checkpoint")

    assert gpt2_witness.differ(gpt2_witness.model.load(tmp_path / "checkpoint"), torch.float32) <= LIMITS[torch.float32]


def test_old_rotary_buffers_are_skipped(llama_witness: Witness, tmp_path: Path) -> None:
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    edited(llama_witness.folder, lambda weights: {**weights, name: torch.ones(3)})
    llama_witness.convert.from_hf(llama_witness.folder, tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("edit", "changes", "why"),
    [
        (kept, {"num_hidden_layers": 3, "vocab_size": 36}, "vocab_size is 36, here 37; num_hidden_layers is 3, here 2"),
        (kept, {"rms_norm_eps": 1e-5}, "rms_norm_eps is 1e-05, here 1e-06"),
        (kept, {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}, "rope_parameters is"),
        (kept, {"hidden_size": 40}, "cannot read the config.json"),
        (kept, {"model_type": "gpt2"}, "holds a model of type gpt2, not llama"),
        (kept, {"model_type": "lama"}, "holds a model of type lama, not llama"),
        (lambda weights: {**weights, "model.extra": torch.ones(3)}, {}, "unexpected model.extra"),
        (lambda weights: {n: t for n, t in weights.items() if n != "lm_head.weight"}, {}, "missing lm_head.weight"),
        (lambda weights: {**weights, "model.norm.weight": torch.ones(5)}, {}, "misshapen model.norm.weight"),
        (lambda weights: {n: t * float("nan") for n, t in weights.items()}, {}, "logits differ by nan"),
    ],
)
def test_another_model_is_refused(
    llama_witness: Witness, edit: Edit, changes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    folder = edited(llama_witness.folder, edit, **changes)
    with pytest.raises(llama_witness.convert.ConversionError, match=why):
        llama_witness.convert.from_hf(folder, tmp_path / "checkpoint")

    assert not list(tmp_path.glob("checkpoint*"))


class Malicious:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


def cut_off(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def malicious(folder: Path) -> None:
    without_weights(folder)
    torch.save({"model.norm.weight": Malicious()}, folder / "pytorch_model.bin")


@pytest.mark.parametrize("harm", [cut_off, without_weights, malicious, shutil.rmtree])
def test_damaged_folder_is_refused(
    llama_witness: Witness, harm: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    harm(llama_witness.folder)
    with pytest.raises(llama_witness.convert.ConversionError):
        llama_witness.convert.from_hf(llama_witness.folder, tmp_path / "checkpoint")

    assert not list(tmp_path.glob("checkpoint*"))
    assert not (tmp_path / "ran").exists()


def test_nothing_is_written_when_logits_differ(
    llama_witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a hand edit of the model that Hugging Face's does not follow."""
    convert = llama_witness.convert
    convert.from_hf(llama_witness.folder, tmp_path / "checkpoint")
    monkeypatch.setattr(llama_witness.model, "ROPE_THETA", 9000.0)
    before = sorted(tmp_path.iterdir())

    with pytest.raises(convert.ConversionError, match="logits differ by"):
        convert.from_hf(llama_witness.folder, tmp_path / "other")
    with pytest.raises(convert.ConversionError, match="logits differ by"):
        convert.to_hf(tmp_path / "checkpoint", tmp_path / "back")
    assert sorted(tmp_path.iterdir()) == before


def test_other_checkpoints_and_used_folders_are_refused(llama_witness: Witness, tmp_path: Path) -> None:
    convert, model, checkpoint = llama_witness.convert, llama_witness.model, tmp_path / "checkpoint"
    weights = model.Model(model.Config()).state_dict()
    sizes = vars(model.Config())

    with pytest.raises(convert.ConversionError, match="exists already"):
        convert.to_hf(checkpoint, tmp_path)
    with pytest.raises(convert.CheckpointError):
        convert.to_hf(checkpoint, tmp_path / "back")
    convert.write_checkpoint(checkpoint, {**sizes, "num_experts": 8}, weights)
    with pytest.raises(convert.ConversionError, match="another model"):
        convert.to_hf(checkpoint, tmp_path / "back")
    convert.write_checkpoint(tmp_path / "deeper", {**sizes, "num_layers": 3}, weights)
    with pytest.raises(convert.ConversionError, match=r"model\.layers\.2"):
        convert.to_hf(tmp_path / "deeper", tmp_path / "back")
    assert not list(tmp_path.glob("*back*"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--from-hf", "missing", "--to", "checkpoint"], "error: missing holds no config.json"),
        (["--to-hf", "missing", "folder"], "error: missing is no folder"),
        (["--from-hf", "missing"], 2),
        (["--to", "checkpoint"], 2),
        (["--to-hf", "checkpoint", "folder", "--to", "checkpoint"], 2),
        ([], 2),
    ],
)
def test_command_line_says_what_is_wrong(
    llama_project: Witness, arguments: list[str], code: str | int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text as the exit code goes to stderr, and the process returns 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convert", *arguments])
    with pytest.raises(SystemExit) as stopped:
        llama_project.convert.main()

    assert stopped.value.code == code
    assert not list(tmp_path.iterdir())
