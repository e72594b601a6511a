"""Normalisation of each token's vector."""

from collections.abc import Callable, Mapping

import numpy as np

from .tensors import Array, Model, Shapes, Weights
from .variant import choose


def rmsnorm(x: Array, eps: float, weights: Weights) -> Array:
    """Divide by the root mean square (Zhang & Sennrich 2019, arXiv:1910.07467)."""
    mean_square: Array = (x * x).mean(axis=-1, keepdims=True)
    y: Array = x / np.sqrt(mean_square + eps) * weights["weight"]
    return y


def layernorm(x: Array, eps: float, weights: Weights) -> Array:
    """Move to mean 0 and variance 1 (Ba et al. 2016, arXiv:1607.06450)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    y: Array = centred / np.sqrt(variance + eps) * weights["weight"] + weights.get("bias", 0.0)
    return y


VARIANTS: Mapping[str, Callable[[Array, float, Weights], Array]] = {
    "rmsnorm": rmsnorm,
    "layernorm": layernorm,
}


def apply(x: Array, model: Model, weights: Weights) -> Array:
    """Return `x` [B, T, D] normalised as the model says."""
    norm = model["norm"]
    return choose("norm.kind", VARIANTS, norm["kind"])(x, norm["eps"], weights)


def parameters(model: Model) -> Shapes:
    """Return the parameters of one norm; only a layernorm can have a bias."""
    norm, width = model["norm"], model["hidden_size"]
    can_have_bias = choose("norm.kind", {"rmsnorm": False, "layernorm": True}, norm["kind"])
    weight: Shapes = {"weight": (width,)}
    return {**weight, "bias": (width,)} if can_have_bias and norm["bias"] else weight
