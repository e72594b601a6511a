"""Small projects with a checkpoint to export: weights of chance, and a tokenizer trained on a few lines."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.emitted import compiled, imported, lay_out
from tests.spec_space import SpecValues

VOCABULARY = 300
ENDS = ["<|end|>", "<|pad|>", "<|im_start|>", "<|im_end|>"]
SIZES: SpecValues = {
    "num_layers": 3,
    "hidden_size": 24,
    "num_heads": 4,
    "head_dim": 6,
    "vocab_size": VOCABULARY,
    "max_seq_len": 96,
}
LLAMA: SpecValues = {**SIZES, "num_kv_heads": 2, "ffn": {"intermediate_size": 40}}
GPT2: SpecValues = {
    **SIZES,
    "tie_embeddings": True,
    "dropout": 0.1,
    "attention": {"kind": "mha", "bias": "all"},
    "position": "learned",
    "norm": {"kind": "layernorm"},
    "ffn": {"activation": "gelu_tanh", "intermediate_size": 40, "bias": True},
}
NATIVE = {"llama": LLAMA, "gpt2": GPT2}
# Networks that no public family expresses.
ODD: dict[str, SpecValues] = {
    "rope-layernorm": {
        **SIZES,
        "num_kv_heads": 2,
        "norm": {"kind": "layernorm", "eps": 1e-3},
        "ffn": {"activation": "gelu", "intermediate_size": 40, "bias": True},
    },
    "gelu-rmsnorm": {
        **SIZES,
        "tie_embeddings": True,
        "dropout": 0.1,
        "attention": {"kind": "mha", "bias": "qkv"},
        "norm": {"kind": "rmsnorm", "eps": 1e-2},
        "position": {"kind": "rope", "theta": 77.0},
        "ffn": {"activation": "gelu_tanh", "intermediate_size": 40},
    },
    "learned-mqa": {
        **SIZES,
        "attention": {"kind": "mqa", "bias": "all"},
        "position": "learned",
        "norm": {"kind": "layernorm", "bias": False},
        "ffn": {"intermediate_size": 40, "bias": True},
    },
}
NETWORKS = {**NATIVE, **ODD}


FILES = {
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}
"""What a folder of a public family holds."""


@dataclass(frozen=True)
class Exporting:
    """A project with its modules, and a checkpoint of it."""

    project: Path
    package: str
    checkpoint: Path
    model: ModuleType
    convert: ModuleType

    def module(self, name: str) -> Any:
        """Return another module of the package."""
        return importlib.import_module(f"{self.package}.{name}")

    def tokens(self, rows: int = 2, length: int = 20) -> torch.Tensor:
        """Return tokens of chance, always the same."""
        return torch.randint(VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(1))


def tokenizer() -> Tokenizer:
    """Return a tokenizer as `train_tokenizer.py` makes them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=ENDS, initial_alphabet=alphabet)
    made.train_from_iterator([Path(__file__).read_text(encoding="utf-8")], trainer)
    assert made.get_vocab_size() == VOCABULARY
    return made


def randomised(model: Any) -> Any:
    """Fill every tensor: biases of 0 and norms of 1 would hide mistakes.

    Embeddings and biases are small beside the rest, or the model would write one token again and again.
    """
    random = torch.Generator().manual_seed(0)
    for name, tensor in model.named_parameters():
        torch.nn.init.normal_(tensor, std=0.1 if name.endswith("bias") or "embed" in name else 1.0, generator=random)
    return model


def add_tokenizer(checkpoint: Path, project: Path, package: str) -> None:
    """Put a tokenizer's files into a checkpoint, as training does."""
    tokenizer().save(str(checkpoint / "tokenizer.json"))
    for file in (project / package / "assets").iterdir():
        shutil.copy(file, checkpoint)


@contextmanager
def exporting(name: str, folder: Path) -> Iterator[Exporting]:
    """Lend a project of this name in `NETWORKS`, and a checkpoint with a tokenizer."""
    values = {
        "specc": 1,
        "name": name,
        "model": deepcopy(NETWORKS[name]),
        "tokenizer": {"vocab_size": VOCABULARY, "chat_template": "chatml"},
    }
    project = lay_out(compiled(values), folder / "project")
    package = name.replace("-", "_")
    with imported(package, project) as model:
        lent = Exporting(project, package, folder / "checkpoint", model, importlib.import_module(f"{package}.convert"))
        made = randomised(model.Model(model.Config()))
        lent.module("checkpoint").write_checkpoint(lent.checkpoint, asdict(made.config), made.state_dict())
        add_tokenizer(lent.checkpoint, project, package)
        yield lent


def copied(lent: Exporting, folder: Path) -> Exporting:
    """Return the project with a checkpoint that a test may change."""
    shutil.copytree(lent.checkpoint, folder / "checkpoint")
    return replace(lent, checkpoint=folder / "checkpoint")


def refused(lent: Exporting, why: str) -> None:
    """Expect an error and nothing new beside the checkpoint."""
    before = sorted(lent.checkpoint.parent.iterdir())
    with pytest.raises(lent.convert.ConversionError, match=why):
        lent.convert.to_hf(lent.checkpoint, lent.checkpoint.parent / "new" / "folder")
    assert sorted(lent.checkpoint.parent.iterdir()) == before


def changed(file: Path, **values: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    content = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
