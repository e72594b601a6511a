"""Derivatives without a derivative: the complex step."""

from collections.abc import Callable

import numpy as np

from .tensors import Array, Weights


def directional_derivative(
    f: Callable[[Weights], Array],
    weights: Weights,
    name: str,
    direction: Array,
    step: float = 1e-30,
) -> float:
    """Return how fast the real number `f(weights)` grows as the tensor `name` moves along `direction`.

    It is the sum of gradient * direction. For analytic f, f(w + i h d) = f(w) + i h f'(w) d + O(h^2): the
    imaginary part has no difference of near numbers in it, so a tiny h makes the result exact to rounding, as
    no quotient of differences is (Squire & Trapp 1998, doi:10.1137/S003614459631241X).

    Args:
        f: Analytic in the weights; see `functions`.
        weights: Where to take the derivative.
        name: The tensor that moves.
        direction: How it moves; of the tensor's shape.
        step: The length h of the step.
    """
    moved = {**weights, name: weights[name] + 1j * step * direction}
    return float(np.imag(f(moved))) / step
