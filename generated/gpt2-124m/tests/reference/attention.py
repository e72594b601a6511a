"""Attention: how tokens read from each other.

The kinds built here differ in one thing only: which key/value head each query head reads.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from .context import Context
from .functions import softmax
from .position import on_heads
from .tensors import Array, Model, Shapes, Weights
from .variant import choose


def mha(x: Array, model: Model, weights: Weights, context: Context) -> Array:
    """Multi-head: every query head has keys and values of its own (Vaswani et al. 2017, arXiv:1706.03762)."""
    queries, keys, values = _project(x, model, weights, context)
    return _output(scaled_dot_product(queries, keys, values, context.visible), weights)


def gqa(x: Array, model: Model, weights: Weights, context: Context) -> Array:
    """Grouped-query: N/K neighbouring query heads share (Ainslie et al. 2023, arXiv:2305.13245)."""
    queries, keys, values = _project(x, model, weights, context)
    group = model["num_heads"] // model["num_kv_heads"]
    read = np.arange(model["num_heads"]) // group
    mixed = scaled_dot_product(queries, keys[:, :, read], values[:, :, read], context.visible)
    return _output(mixed, weights)


def mqa(x: Array, model: Model, weights: Weights, context: Context) -> Array:
    """Multi-query: all query heads share one head of keys and values (Shazeer 2019, arXiv:1911.02150)."""
    queries, keys, values = _project(x, model, weights, context)
    read = np.zeros(model["num_heads"], dtype=np.int64)
    mixed = scaled_dot_product(queries, keys[:, :, read], values[:, :, read], context.visible)
    return _output(mixed, weights)


def scaled_dot_product(queries: Array, keys: Array, values: Array, visible: Array) -> Array:
    """Return, per head, the mean of the visible values, weighted by how well their keys fit the query.

    Queries are [B, T, N, H], keys and values [B, S, N, H], the visibility [B, T, S].
    """
    scores = np.einsum("btnh,bsnh->bnts", queries, keys) / math.sqrt(queries.shape[-1])
    shares = softmax(np.where(visible[:, None], scores, -np.inf))
    mixed: Array = np.einsum("bnts,bsnh->btnh", shares, values)
    return mixed


def _project(x: Array, model: Model, weights: Weights, context: Context) -> tuple[Array, Array, Array]:
    """Return queries [B, T, N, H], keys and values [B, T, K, H] of `x` [B, T, D], with their positions."""
    queries, keys, values = (_heads(x, weights, name, model["head_dim"]) for name in ("q_proj", "k_proj", "v_proj"))
    positions = context.positions
    return on_heads(queries, positions, model), on_heads(keys, positions, model), values


def _heads(x: Array, weights: Weights, name: str, head_dim: int) -> Array:
    """Project `x` by each head's own rows of the weight: head n owns the rows from n H to (n + 1) H."""
    width = x.shape[-1]
    heads: Array = np.einsum("btd,nhd->btnh", x, weights[f"{name}.weight"].reshape(-1, head_dim, width))
    bias = weights.get(f"{name}.bias")
    return heads if bias is None else heads + bias.reshape(-1, head_dim)


def _output(mixed: Array, weights: Weights) -> Array:
    """Return to width D: the sum over heads of what each, [B, T, N, H], writes through its own columns."""
    heads, head_dim = mixed.shape[-2:]
    y: Array = np.einsum("btnh,dnh->btd", mixed, weights["o_proj.weight"].reshape(-1, heads, head_dim))
    return y + weights.get("o_proj.bias", 0.0)


VARIANTS: Mapping[str, Callable[[Array, Model, Weights, Context], Array]] = {
    "mha": mha,
    "gqa": gqa,
    "mqa": mqa,
}


def apply(x: Array, model: Model, weights: Weights, context: Context) -> Array:
    """Return what each token of `x` [B, T, D] reads from the tokens that it may look at."""
    return choose("attention.kind", VARIANTS, model["attention"]["kind"])(x, model, weights, context)


def parameters(model: Model) -> Shapes:
    """Return the projections, [out, in], of one attention layer, and their biases."""
    attention, width = model["attention"], model["hidden_size"]
    kv_heads = {"mha": model["num_heads"], "gqa": model["num_kv_heads"], "mqa": 1}
    queries = model["num_heads"] * model["head_dim"]
    keys = choose("attention.kind", kv_heads, attention["kind"]) * model["head_dim"]
    shapes: Shapes = {
        "q_proj.weight": (queries, width),
        "k_proj.weight": (keys, width),
        "v_proj.weight": (keys, width),
        "o_proj.weight": (width, queries),
    }
    inputs = {"q_proj.bias": (queries,), "k_proj.bias": (keys,), "v_proj.bias": (keys,)}
    biases = {"none": {}, "qkv": inputs, "all": {**inputs, "o_proj.bias": (width,)}}
    return shapes | choose("attention.bias", biases, attention["bias"])
