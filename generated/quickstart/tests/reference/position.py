"""Position encodings: how the order of the tokens enters the model.

A kind acts where its idea needs it, on the embeddings or on the heads of queries and keys, and nowhere else.
"""

from collections.abc import Callable

import numpy as np

from .tensors import Array, Model, Shapes, Weights
from .variant import choose


def learned(x: Array, positions: Array, table: Array) -> Array:
    """Add row p of a trained table to the embedding, [B, T, D], at position p (arXiv:1705.03122)."""
    return x + table[positions]


def rope(heads: Array, positions: Array, theta: float) -> Array:
    """Rotate queries or keys [B, T, heads, H] by their position (Su et al. 2021, arXiv:2104.09864).

    Pair j is a point in the plane; it turns by position * theta^(-2j/H) radians, so that a dot product sees
    only the distance of two tokens. In the "half" layout of Llama, pair j is elements j and j + H/2.
    """
    pairs = heads.shape[-1] // 2
    frequencies = theta ** (-np.arange(pairs) / pairs)
    angles = positions[:, :, None, None] * frequencies
    a, b = heads[..., :pairs], heads[..., pairs:]
    turned = [a * np.cos(angles) - b * np.sin(angles), a * np.sin(angles) + b * np.cos(angles)]
    return np.concatenate(turned, axis=-1)


def on_embeddings(x: Array, positions: Array, model: Model, weights: Weights) -> Array:
    """Return the embeddings [B, T, D] with what the model's kind of position does to them."""
    kinds: dict[str, Callable[[], Array]] = {
        "learned": lambda: learned(x, positions, weights["embed_positions.weight"]),
        "rope": lambda: x,
    }
    return choose("position.kind", kinds, model["position"]["kind"])()


def on_heads(heads: Array, positions: Array, model: Model) -> Array:
    """Return queries or keys [B, T, heads, H] with what the model's kind of position does to them."""
    kinds: dict[str, Callable[[], Array]] = {
        "learned": lambda: heads,
        "rope": lambda: rope(heads, positions, model["position"]["theta"]),
    }
    return choose("position.kind", kinds, model["position"]["kind"])()


def parameters(model: Model) -> Shapes:
    """Return what the model's kind of position learns."""
    table: Shapes = {"embed_positions.weight": (model["max_seq_len"], model["hidden_size"])}
    return choose("position.kind", {"learned": table, "rope": {}}, model["position"]["kind"])
