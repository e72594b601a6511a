"""Elementary functions for float64 and complex128.

The complex step needs functions that are analytic: where one takes a maximum or a branch, the real part
decides, and nothing takes an absolute value or a conjugate.
"""

import math

import numpy as np

from .tensors import Array


def erf(x: Array) -> Array:
    """Return the error function, for complex `x` to first order in the imaginary part.

    First order is all that a complex step reads; with a step of 1e-30 the rest is far below rounding.
    """
    values = np.array([math.erf(value) for value in x.real.flat]).reshape(x.shape)
    if not np.iscomplexobj(x):
        return values
    slope = 2 / math.sqrt(math.pi) * np.exp(-x.real * x.real)
    to_first_order: Array = values + 1j * slope * x.imag
    return to_first_order


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow on either side."""
    decay = np.exp(np.where(x.real >= 0, -x, x))
    y: Array = np.where(x.real >= 0, 1.0, decay) / (1 + decay)
    return y


def softmax(x: Array) -> Array:
    """Return the softmax over the last axis; an entry of -inf gets weight zero."""
    exponentials: Array = np.exp(x - x.real.max(axis=-1, keepdims=True))
    total: Array = exponentials.sum(axis=-1, keepdims=True)
    return exponentials / total


def log_softmax(x: Array) -> Array:
    """Return the logarithm of the softmax over the last axis."""
    shifted: Array = x - x.real.max(axis=-1, keepdims=True)
    total: Array = np.exp(shifted).sum(axis=-1, keepdims=True)
    return shifted - np.log(total)
