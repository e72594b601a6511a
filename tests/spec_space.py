"""The space of specs that is built: hypothesis strategies over it, and a few fixed points that cover it.

The strategies derive from the catalog: a variant that is added to an axis is drawn from then on.
"""

from __future__ import annotations

from types import NoneType
from typing import Any, Literal, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from specc.catalog import attention, ffn, init, norm, position, schedule, serving, sources, steps, training
from specc.catalog.fields import Only

SpecValues = dict[str, Any]

SMALL = st.integers(1, 24)
RATES = st.sampled_from([0.0, 0.0, 0.1])


def variants_of(union: object) -> tuple[type[BaseModel], ...]:
    """Return the classes of an axis."""
    inner = get_args(union)[0]
    return get_args(inner) or (inner,)


def tag_of(variant: type[BaseModel], key: str) -> str:
    """Return the name that a spec chooses a variant by."""
    return str(get_args(variant.model_fields[key].annotation)[0])


def bare(annotation: Any) -> Any:
    """Return a type without what `Annotated` adds to it."""
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def values_of(field: FieldInfo) -> st.SearchStrategy[Any] | None:
    """Return what a key may hold; None where only its default is built."""
    if any(isinstance(extra, BeforeValidator) and isinstance(extra.func, Only) for extra in field.metadata):
        return None
    kinds = [bare(kind) for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not NoneType]
    if get_origin(field.annotation) is Literal:
        return st.sampled_from(kinds)
    if field.annotation is bool:
        return st.booleans()
    if field.annotation is float:
        return st.sampled_from([field.default, field.default / 2])
    return SMALL if kinds == [int] else None


@st.composite
def variant(draw: st.DrawFn, union: object) -> SpecValues:
    """Draw one of an axis' variants, and a value for each of its keys."""
    chosen = draw(st.sampled_from(variants_of(union)))
    drawn = {name: values_of(field) for name, field in chosen.model_fields.items()}
    return {name: draw(values) for name, values in drawn.items() if values is not None}


@st.composite
def attentions(draw: st.DrawFn) -> SpecValues:
    """Draw an attention kind and head counts that fit it."""
    chosen = draw(variant(attention.AnyAttention))
    kv_heads = draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 3))
    kind = TypeAdapter[attention.Attention](attention.AnyAttention).validate_python(chosen)
    counts = {"num_heads": heads} | ({"num_kv_heads": kv_heads} if kind.fixed_kv_heads(heads) is None else {})
    return {**counts, "attention": chosen}


@st.composite
def models(draw: st.DrawFn) -> SpecValues:
    """Draw a `model:` section with odd and small sizes."""
    return {
        **draw(attentions()),
        "head_dim": 2 * draw(st.integers(1, 4)),
        "num_layers": draw(st.integers(1, 3)),
        "hidden_size": draw(st.integers(3, 20)),
        "vocab_size": draw(st.integers(5, 40)),
        "max_seq_len": draw(st.integers(6, 16)),
        "tie_embeddings": draw(st.booleans()),
        "position": draw(variant(position.AnyPosition)),
        "norm": draw(variant(norm.AnyNorm)),
        "ffn": draw(variant(ffn.AnyFfn)),
        "dropout": {"embedding": draw(RATES), "attention": draw(RATES), "residual": draw(RATES)},
        "init": draw(variant(init.AnyInit)),
    }


@st.composite
def trainings(draw: st.DrawFn) -> SpecValues:
    """Draw a `train:` section for any model."""
    every = draw(SMALL)
    logging: list[SpecValues] = [{}, {"to": ["tensorboard"], "every": every}]
    return {
        "steps": draw(st.integers(50, 10**6)),  # more than the warm-up and the decay together
        "global_batch_size": draw(st.sampled_from([1, 8, 64])),
        "optimizer": draw(variant(training.AnyOptimizer)),
        "schedule": draw(variant(schedule.AnySchedule)),
        "grad_clip": draw(st.sampled_from([None, 1.0])),
        "precision": draw(st.sampled_from(sorted(training.PRECISIONS))),
        "activation_checkpointing": draw(st.sampled_from(["auto", "none", "full"])),
        "compile": draw(st.booleans()),
        "seed": draw(st.integers(0, 5)),
        "checkpoint": {
            "every": every,
            "keep_last": draw(SMALL),
            "keep_every": draw(st.sampled_from([None, every, 2 * every])),
        },
        "stability": [{"when": "nonfinite", "limit": draw(SMALL)}],
        "logging": draw(st.sampled_from(logging)),
    }


DATA: SpecValues = {"sources": [{"name": "docs", "path": "text/*.txt"}]}


@st.composite
def step(draw: st.DrawFn) -> SpecValues:
    """Draw a step without the keys that the others make useless, and with limits in order."""
    chosen = draw(variant(steps.AnyStep))
    built = TypeAdapter[steps.Step](steps.AnyStep).validate_python(chosen)
    limits = built.limits()
    if limits is not None and limits.low > limits.high:
        chosen |= dict(zip(limits.names, (limits.high, limits.low), strict=True))
    return {name: value for name, value in chosen.items() if name not in built.unused()}


@st.composite
def datasets(draw: st.DrawFn) -> SpecValues:
    """Draw a `data:` section; pages come with a step that extracts their text."""
    formats = draw(st.lists(st.sampled_from(sources.FORMATS), min_size=1, max_size=4, unique=True))
    drawn = draw(st.lists(step(), max_size=4, unique_by=lambda values: (values["kind"], values.get("method"))))
    others = [values for values in drawn if values["kind"] != tag_of(steps.Extract, "kind")]
    pages = [draw(st.sampled_from([{"method": "trafilatura"}, {}]))] if any(kind.pages for kind in formats) else []
    return {
        "sources": [{"name": kind.tag(), "path": f"{kind.tag()}/**", "format": kind.tag()} for kind in formats],
        "steps": [*({"kind": tag_of(steps.Extract, "kind"), **values} for values in pages), *others],
        **draw(st.sampled_from([{}, {"validation": {}}, {"validation": {"fraction": 0.1}}])),
        "shards": {"size": draw(SMALL)},
        "packing": {"isolate_documents": draw(st.booleans())},
        "on_error": draw(st.sampled_from(["skip", "fail"])),
    }


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
            spec["data"] = draw(datasets())
    spec |= draw(around(spec))
    return {**spec, "serve": draw(servers(spec))} if draw(st.booleans()) else spec


@st.composite
def servers(draw: st.DrawFn, spec: SpecValues) -> SpecValues:
    """Draw a `serve:` section; engines take what the heads of the model allow."""
    kinds = [kind for kind in variants_of(serving.AnyEngine) if issubclass(kind, serving.Engine)]
    width = spec["model"]["head_dim"]
    chosen = draw(st.sampled_from([kind for kind in kinds if width in (kind.default().head_dims() or [width])]))
    switches = [flag for flag, takes in chosen.flags.items() if takes.type is bool]
    target: list[SpecValues] = [{}, {"concurrency": draw(SMALL)}]
    return {
        "engine": tag_of(chosen, "engine"),
        "target": draw(st.sampled_from(target)),
        "sampling": draw(st.sampled_from([{}, {"temperature": 0.7, "top_k": 5}, {"temperature": 0}])),
        "extra_args": draw(st.dictionaries(st.sampled_from(switches), st.booleans(), max_size=3)),
    }


@st.composite
def around(draw: st.DrawFn, spec: SpecValues) -> SpecValues:
    """Draw the sections about the training of a spec: how it is judged, and where it runs."""
    sections: SpecValues = {}
    if "train" not in spec:
        return sections
    if "validation" in spec.get("data", {}) and draw(st.booleans()):
        sections["eval"] = {"every": draw(SMALL)}
    if spec["train"]["global_batch_size"] > 1 and draw(st.booleans()):
        sections["cluster"] = {"gpu": "cpu", "gpus_per_node": draw(st.sampled_from([1, 2, 4]))}
    return sections


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
    "data": {**DATA, "steps": [{"kind": "dedup", "method": "exact"}], "validation": {}},
    "train": {"steps": 100, "global_batch_size": 8, "precision": "fp32"},
    "eval": {"every": 25},
    "serve": {"sampling": {"temperature": 0.7}},
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
    "data": {
        "sources": [
            {"name": "rows", "path": "rows/*.gz", "format": "jsonl", "text_field": "content"},
            {"name": "tables", "path": "tables", "format": "parquet"},
            {"name": "pages", "path": "pages", "format": "html"},
        ],
        "steps": [{"kind": "extract", "method": "trafilatura"}, "heuristics", {"kind": "dedup"}],
        "packing": {"isolate_documents": False},
        "on_error": "fail",
    },
    "train": {
        "steps": 1000,
        "global_batch_size": 8,
        "micro_batch_size": 2,
        "precision": "bf16",
        "grad_clip": None,
        "compile": False,
        "activation_checkpointing": "full",
        "schedule": {"kind": "wsd", "decay": 500, "min_lr_ratio": 0.1},
        "checkpoint": {"every": 20, "keep_every": 40},
        "logging": {"to": ["tensorboard"]},
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
