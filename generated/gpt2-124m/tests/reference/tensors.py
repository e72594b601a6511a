"""Named arrays, and the linear map that every layer is made of."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""float64, or complex128 when the derivative is asked for."""

Model: TypeAlias = Mapping[str, Any]
Weights: TypeAlias = Mapping[str, Array]
Shapes: TypeAlias = dict[str, tuple[int, ...]]


def under(weights: Weights, prefix: str) -> Weights:
    """Return the weights of one submodule, under the names they have inside it."""
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    """Return the shapes of one submodule under the names they have in the whole model."""
    return {prefix + name: shape for name, shape in shapes.items()}


def linear(x: Array, weights: Weights, name: str) -> Array:
    """Return y = x W^T + b for W of shape [out, in]; the bias is there when the weights have one."""
    y: Array = x @ weights[f"{name}.weight"].T
    bias = weights.get(f"{name}.bias")
    return y if bias is None else y + bias
