"""Specs that tests of the planner share, and how to plan them."""

from __future__ import annotations

from typing import Any

import yaml

from specc.plan import Decided, plan
from specc.plan.values import Memory
from specc.resolve import Resolved, resolve
from specc.spec.load import load_text

GPT2_BLOCK = {
    "tie_embeddings": True,
    "attention": {"kind": "mha", "bias": "all"},
    "position": {"kind": "learned"},
    "norm": {"kind": "layernorm", "bias": True},
    "ffn": {"activation": "gelu_tanh", "bias": True},
}


def gpt2(layers: int, width: int, heads: int, vocab: int = 50257, length: int = 1024) -> dict[str, Any]:
    sizes = {"num_layers": layers, "hidden_size": width, "num_heads": heads}
    return {**sizes, "vocab_size": vocab, "max_seq_len": length, **GPT2_BLOCK}


def llama(layers: int, width: int, heads: int, ffn: int, vocab: int, **more: Any) -> dict[str, Any]:
    sizes = {"num_layers": layers, "hidden_size": width, "num_heads": heads, "vocab_size": vocab}
    return {"max_seq_len": 4096, **sizes, "ffn": {"activation": "swiglu", "intermediate_size": ffn}, **more}


LLAMA_3_8B = llama(32, 4096, 32, 14336, 128256, num_kv_heads=8, max_seq_len=8192)
TINY = llama(2, 64, 4, 96, 512, max_seq_len=128)
NODE = {"gpu": "h100-sxm", "gpus_per_node": 8}

# Exact counts that the models' authors publish: parameters of the weights on the Hugging Face hub, or the NumParams
# column of mosaicml/llm-foundry scripts/train/benchmarking (MPT: biases, learned positions, 50368 tokens).
PUBLIC_COUNTS = {
    "gpt2": (gpt2(12, 768, 12), 124_439_808),
    "gpt2-xl": (gpt2(48, 1600, 25), 1_557_611_200),
    "llama-2-7b": (llama(32, 4096, 32, 11008, 32000), 6_738_415_616),
    "llama-2-13b": (llama(40, 5120, 40, 13824, 32000), 13_015_864_320),
    "llama-3-8b": (LLAMA_3_8B, 8_030_261_248),
    "phi-3-mini": (llama(32, 3072, 32, 8192, 32064), 3_821_079_552),
    "smollm3-3b": (llama(36, 2048, 16, 11008, 128256, num_kv_heads=4, tie_embeddings=True), 3_075_098_624),
    "qwen2.5-7b": (
        llama(28, 3584, 28, 18944, 152064, num_kv_heads=4, attention={"kind": "gqa", "bias": "qkv"}),
        7_615_616_512,
    ),
    "mpt-125m": (gpt2(12, 768, 12, 50368, 32768), 148_904_448),
    "mpt-7b": (gpt2(32, 4096, 32, 50368, 512), 6_652_567_552),
    "mpt-70b": (gpt2(80, 8192, 64, 50368, 2048), 64_862_437_376),
}


def resolved(model: dict[str, Any], **sections: Any) -> Resolved:
    text = yaml.safe_dump({"specc": 1, "name": "planned", "model": model, **sections})
    return resolve(load_text(text, "planned.yaml"))


def planned(model: dict[str, Any], **sections: Any) -> Decided:
    return plan(resolved(model, **sections))


def held(held_memory: Memory) -> dict[str, int]:
    return {entry.cause: entry.bytes for entry in held_memory.ledger}
