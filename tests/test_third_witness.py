"""The third witness: emitted models equal those of `transformers`, through `specc import` and the emitted `convert.py`.

A mistake in `resolve` would hide from the model and from the reference alike; nobody here wrote these classes.
Their norms, rotary angles and softmax pass through float32, hence the limit in float64.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, LlamaConfig

from specc.catalog.family import FAMILIES
from specc.interop import import_folder
from specc.resolve import resolve
from specc.spec import load_text
from tests.witness import CONFIGS, LIMITS, ROOT, Logits, Witness, assert_same_tensors, built, saved, witnessed


@pytest.fixture(params=list(CONFIGS.values()), ids=list(CONFIGS))
def any_witness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Witness]:
    yield from witnessed(request.param, tmp_path)


def test_model_converts_both_ways(any_witness: Witness, tmp_path: Path) -> None:
    convert, checkpoint, back = any_witness.convert, tmp_path / "checkpoint", tmp_path / "back"

    convert.from_hf(any_witness.folder, checkpoint)
    for dtype, limit in LIMITS.items():
        assert any_witness.differ(any_witness.model.load(checkpoint), dtype) <= limit

    convert.to_hf(checkpoint, back)
    again = type(any_witness.theirs).from_pretrained(back)
    assert_same_tensors(any_witness.theirs, again)
    assert any_witness.differ(Logits(again), torch.float32) == 0


def test_absent_keys_mean_their_defaults(tmp_path: Path) -> None:
    """A `config.json` with nothing but its family is the one that the library's defaults write."""
    configs = {"llama": LlamaConfig(), "gpt2": GPT2Config()}
    assert configs.keys() == FAMILIES.keys()
    for model_type, config in configs.items():
        (folder := tmp_path / model_type).mkdir()
        config.save_pretrained(folder)
        full = resolve(load_text(import_folder(folder), "spec.yaml")).network
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        assert resolve(load_text(import_folder(folder), "spec.yaml")).network == full


@pytest.mark.parametrize("name", ["llama-gqa", "gpt2-untied-wide"])
def test_convert_speaks_of_its_own_family_alone(name: str, tmp_path: Path) -> None:
    saved(CONFIGS[name], tmp_path / "witness")
    package = built(tmp_path / "witness", tmp_path / "project")
    text = (tmp_path / "project" / package / "convert.py").read_text().lower()
    words = {"llama": ("llama", "rope"), "gpt2": ("gpt2", "c_attn")}

    for family, own in words.items():
        assert all((word in text) == name.startswith(family) for word in own)
    assert "specc" not in text.partition("\n")[2]


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["llama-gqa-tied", "gpt2-tied"])
def test_commands_convert_both_ways(name: str, tmp_path: Path) -> None:
    """What the README says, typed by a user: import, build, convert, convert back."""
    theirs = saved(CONFIGS[name], tmp_path / "witness")
    commands = [
        ("specc", "import", str(tmp_path / "witness"), "-o", str(tmp_path / "spec.yaml")),
        ("specc", "build", str(tmp_path / "spec.yaml"), "-o", str(tmp_path / "project")),
    ]
    for command in commands:
        done = run(*command, cwd=ROOT)
        assert done.returncode == 0, done.stderr
    project = tmp_path / "project"
    there = run("witness.convert", "--from-hf", str(tmp_path / "witness"), "--to", "checkpoint", cwd=project)
    back = run("witness.convert", "--to-hf", "checkpoint", "back", cwd=project)

    note = "note: checkpoint holds no tokenizer.json: exported without one, and unchecked\n"
    assert [(done.returncode, done.stderr) for done in (there, back)] == [(0, ""), (0, note)]
    assert_same_tensors(theirs, type(theirs).from_pretrained(project / "back"))
