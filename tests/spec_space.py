"""The space of specs that is built: hypothesis strategies over it, and a few fixed points that cover it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SpecValues = dict[str, Any]

RATES = st.sampled_from([0.0, 0.0, 0.1])


@st.composite
def attentions(draw: st.DrawFn) -> SpecValues:
    """Draw an attention kind and head counts that fit it."""
    kind = draw(st.sampled_from(["mha", "gqa", "mqa"]))
    kv_heads = draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 3))
    counts = {"num_heads": heads} | ({"num_kv_heads": kv_heads} if kind == "gqa" else {})
    return counts | {"attention": {"kind": kind, "bias": draw(st.sampled_from(["none", "qkv", "all"]))}}


@st.composite
def positions(draw: st.DrawFn) -> SpecValues:
    """Draw a position encoding."""
    if draw(st.booleans()):
        return {"kind": "rope", "theta": draw(st.sampled_from([2.0, 10000.0, 500000.0]))}
    return {"kind": "learned"}


@st.composite
def norms(draw: st.DrawFn) -> SpecValues:
    """Draw a normalisation."""
    eps = draw(st.sampled_from([1e-6, 1e-5, 0.1]))
    if draw(st.booleans()):
        return {"kind": "rmsnorm", "eps": eps}
    return {"kind": "layernorm", "eps": eps, "bias": draw(st.booleans())}


@st.composite
def models(draw: st.DrawFn) -> SpecValues:
    """Draw a `model:` section with odd and small sizes."""
    position = draw(positions())
    head_dim = draw(st.integers(1, 4)) * 2
    return {
        **draw(attentions()),
        "head_dim": head_dim,
        "num_layers": draw(st.integers(1, 3)),
        "hidden_size": draw(st.integers(3, 20)),
        "vocab_size": draw(st.integers(5, 40)),
        "max_seq_len": draw(st.integers(6, 16)),
        "tie_embeddings": draw(st.booleans()),
        "position": position,
        "norm": draw(norms()),
        "ffn": {
            "activation": draw(st.sampled_from(["gelu", "gelu_tanh", "swiglu"])),
            "intermediate_size": draw(st.integers(1, 24)),
            "bias": draw(st.booleans()),
        },
        "dropout": {"embedding": draw(RATES), "attention": draw(RATES), "residual": draw(RATES)},
        "init": {"kind": draw(st.sampled_from(["normal", "gpt2"])), "std": 0.02},
    }


@st.composite
def trainings(draw: st.DrawFn) -> SpecValues:
    """Draw a `train:` section for any model."""
    steps = draw(st.integers(20, 10**6))
    return {
        "steps": steps,
        "global_batch_size": draw(st.sampled_from([1, 8, 64])),
        "optimizer": {
            "kind": "adamw",
            "lr": draw(st.sampled_from([1e-4, 3e-4, 1e-2])),
            "weight_decay": draw(st.sampled_from([0.0, 0.1])),
        },
        "schedule": {
            "kind": "cosine",
            "warmup": draw(st.integers(0, 10)),
            "min_lr_ratio": draw(st.sampled_from([0.0, 0.1])),
        },
        "grad_clip": draw(st.sampled_from([None, 1.0])),
        "precision": draw(st.sampled_from(["fp32", "bf16"])),
        "activation_checkpointing": draw(st.sampled_from(["auto", "none", "full"])),
        "compile": draw(st.booleans()),
        "seed": draw(st.integers(0, 5)),
    }


DATA: SpecValues = {"sources": [{"name": "docs", "path": "text/*.txt"}]}


@st.composite
def specs(draw: st.DrawFn) -> SpecValues:
    """Draw a whole spec, some of whose sections are absent."""
    spec: SpecValues = {"specc": 1, "name": "drawn", "model": draw(models())}
    if draw(st.booleans()):
        spec["train"] = draw(trainings())
    if draw(st.booleans()):
        tokenizer = {"kind": "bpe", "vocab_size": 300, "pattern": draw(st.sampled_from(["gpt2", "gpt4"]))}
        spec["tokenizer"] = tokenizer
        spec["model"]["vocab_size"] = 300
        if draw(st.booleans()):
            packing = {"isolate_documents": draw(st.booleans())}
            spec["data"] = {**DATA, "packing": packing, "on_error": draw(st.sampled_from(["skip", "fail"]))}
    return spec


LLAMA: SpecValues = {
    "specc": 1,
    "name": "llama-like",
    "model": {
        "num_layers": 2,
        "hidden_size": 12,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 6,
        "vocab_size": 300,
        "max_seq_len": 16,
        "ffn": {"intermediate_size": 20},
    },
    "tokenizer": {"kind": "bpe"},
    "data": DATA,
    "train": {"steps": 100, "global_batch_size": 8, "precision": "fp32"},
}

GPT2: SpecValues = {
    "specc": 1,
    "name": "gpt2-like",
    "model": {
        "num_layers": 2,
        "hidden_size": 12,
        "num_heads": 3,
        "vocab_size": 300,
        "max_seq_len": 16,
        "tie_embeddings": True,
        "dropout": 0.1,
        "attention": {"kind": "mha", "bias": "all"},
        "position": "learned",
        "norm": {"kind": "layernorm"},
        "ffn": {"activation": "gelu_tanh", "intermediate_size": 20, "bias": True},
        "init": "gpt2",
    },
    "tokenizer": {"kind": "bpe", "pattern": "gpt2"},
    "data": {**DATA, "packing": {"isolate_documents": False}, "on_error": "fail"},
    "train": {
        "steps": 100,
        "global_batch_size": 8,
        "micro_batch_size": 2,
        "precision": "bf16",
        "grad_clip": None,
        "compile": False,
        "activation_checkpointing": "full",
    },
}

MQA: SpecValues = {
    "specc": 1,
    "name": "mqa-like",
    "model": {
        "num_layers": 2,
        "hidden_size": 10,
        "num_heads": 3,
        "head_dim": 4,
        "vocab_size": 31,
        "max_seq_len": 12,
        "tie_embeddings": True,
        "attention": {"kind": "mqa", "bias": "qkv"},
        "position": {"kind": "rope", "theta": 500.0},
        "norm": {"kind": "layernorm", "bias": False},
        "ffn": {"activation": "gelu", "intermediate_size": 14},
    },
    "train": {
        "steps": 100,
        "global_batch_size": 4,
        "precision": "bf16",
        "schedule": {"kind": "cosine", "warmup": 0},
    },
    "cluster": {"gpu": "h100-sxm"},
}

FIXED: tuple[SpecValues, ...] = (LLAMA, GPT2, MQA)
"""Specs that together choose every variant and render every template."""
