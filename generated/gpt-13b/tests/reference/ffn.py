"""Feed-forward networks: what a layer does to each token on its own."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from .functions import erf, sigmoid
from .tensors import Array, Model, Shapes, Weights, linear
from .variant import choose


def gelu(x: Array, weights: Weights) -> Array:
    """Return down(z P(Z <= z)) for z = up(x), Z normal (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""
    z = linear(x, weights, "up_proj")
    return linear(z * (1 + erf(z / math.sqrt(2))) / 2, weights, "down_proj")


def gelu_tanh(x: Array, weights: Weights) -> Array:
    """Return `gelu` with the same paper's approximation of the normal distribution, as in GPT-2."""
    z = linear(x, weights, "up_proj")
    inner = math.sqrt(2 / math.pi) * (z + 0.044715 * z * z * z)
    return linear(z * (1 + np.tanh(inner)) / 2, weights, "down_proj")


def swiglu(x: Array, weights: Weights) -> Array:
    """Return down(gate(x) sigmoid(gate(x)) up(x)) (Shazeer 2020, arXiv:2002.05202)."""
    gate = linear(x, weights, "gate_proj")
    return linear(gate * sigmoid(gate) * linear(x, weights, "up_proj"), weights, "down_proj")


VARIANTS: Mapping[str, Callable[[Array, Weights], Array]] = {
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "swiglu": swiglu,
}


def apply(x: Array, model: Model, weights: Weights) -> Array:
    """Return what the model's feed-forward network makes of `x` [B, T, D]."""
    return choose("ffn.activation", VARIANTS, model["ffn"]["activation"])(x, weights)


def parameters(model: Model) -> Shapes:
    """Return the projections, [out, in], of one feed-forward network, and their biases."""
    outer, inner = model["hidden_size"], model["ffn"]["intermediate_size"]
    plain = {"up_proj": (inner, outer), "down_proj": (outer, inner)}
    gated = {"gate_proj": (inner, outer), **plain}
    kinds = {"gelu": plain, "gelu_tanh": plain, "swiglu": gated}
    shapes: Shapes = {}
    for name, (rows, columns) in choose("ffn.activation", kinds, model["ffn"]["activation"]).items():
        shapes[f"{name}.weight"] = (rows, columns)
        if model["ffn"]["bias"]:
            shapes[f"{name}.bias"] = (rows,)
    return shapes
