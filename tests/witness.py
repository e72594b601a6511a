"""Hugging Face models with random weights, and the projects that are built for them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from specc.emit.assemble import emit
from specc.interop import import_folder
from specc.plan import plan
from specc.resolve import resolve
from specc.spec import load_text
from tests.emitted import imported, lay_out

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {torch.float32: 1e-4, torch.float64: 1e-5}
VOCABULARY, LENGTH = 37, 19
NO_TOKENS = {"bos_token_id": None, "eos_token_id": None}


def llama(**changes: Any) -> LlamaConfig:
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 36,
        "intermediate_size": 53,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": LENGTH,
    }
    return LlamaConfig(**{**sizes, **NO_TOKENS, **changes})


def gpt2(**changes: Any) -> GPT2Config:
    sizes = {"vocab_size": VOCABULARY, "n_embd": 30, "n_layer": 2, "n_head": 5, "n_positions": LENGTH}
    return GPT2Config(**{**sizes, **NO_TOKENS, **changes})


CONFIGS: dict[str, LlamaConfig | GPT2Config] = {
    "llama-gqa": llama(),
    "llama-gqa-tied": llama(num_key_value_heads=3, tie_word_embeddings=True),
    "llama-gqa-wide-heads": llama(head_dim=10, num_hidden_layers=3, attention_dropout=0.1),
    "llama-mqa-biases": llama(num_key_value_heads=1, attention_bias=True, mlp_bias=True),
    "llama-mqa-tied": llama(num_key_value_heads=1, tie_word_embeddings=True),
    "llama-mha": llama(num_key_value_heads=6, rms_norm_eps=1e-2, attention_bias=True),
    "llama-theta": llama(rope_parameters={"rope_type": "default", "rope_theta": 37.0}),
    "gpt2-tied": gpt2(),
    "gpt2-untied-wide": gpt2(tie_word_embeddings=False, n_inner=41, n_layer=3),
    "gpt2-exact-gelu": gpt2(activation_function="gelu", layer_norm_epsilon=1e-2, attn_pdrop=0.0, n_head=1),
}


def saved(config: LlamaConfig | GPT2Config, folder: Path) -> Any:
    """Save a model whose every tensor is random: biases of 0 and norms of 1 would hide mistakes."""
    model: Any = LlamaForCausalLM(config) if isinstance(config, LlamaConfig) else GPT2LMHeadModel(config)
    random = torch.Generator().manual_seed(0)
    for tensor in model.parameters():
        torch.nn.init.normal_(tensor, mean=0.1, std=0.3, generator=random)
    model.save_pretrained(folder)
    return model.eval()


def built(folder: Path, project: Path) -> str:
    """Import a Hugging Face folder, write its project, and return the name of the package."""
    text = import_folder(folder)
    loaded = load_text(text, "spec.yaml")
    lay_out(emit(plan(resolve(loaded)), text), project)
    return loaded.spec.name.replace("-", "_")


@dataclass(frozen=True)
class Witness:
    """A Hugging Face folder with its model, and the modules of the project built for it."""

    folder: Path
    theirs: Any
    model: ModuleType
    convert: ModuleType

    def differ(self, ours: torch.nn.Module, dtype: torch.dtype) -> float:
        """Return the largest difference of logits."""
        tokens = torch.randint(VOCABULARY, (2, LENGTH), generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            expected = self.theirs.to(dtype)(tokens).logits
            self.theirs.float()
            return float((ours.eval().to(dtype)(tokens) - expected).abs().max())


def witnessed(config: LlamaConfig | GPT2Config, folder: Path) -> Iterator[Witness]:
    """Save a model, build its project and lend both."""
    source = folder / f"witness-{config.model_type}"
    theirs = saved(config, source)
    package = built(source, folder / "project")
    with imported(package, folder / "project") as model:
        yield Witness(source, theirs, model, importlib.import_module(f"{package}.convert"))


class Logits(torch.nn.Module):
    """A model of theirs that gives logits alone, as ours do."""

    def __init__(self, theirs: Any) -> None:
        super().__init__()
        self.theirs = theirs

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.theirs(tokens).logits
        return logits


def assert_same_tensors(one: Any, other: Any) -> None:
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])] == []
    assert {tensor.dtype for tensor in ours.values()} == {tensor.dtype for tensor in theirs.values()}
