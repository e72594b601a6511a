"""Optimizers: one step of one tensor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .tensors import Array


@dataclass(frozen=True)
class Moments:
    """Running means of the gradient and of its square after `step` steps."""

    step: int
    first: Array
    second: Array


def no_moments(parameter: Array) -> Moments:
    """Return the state of a tensor before its first step."""
    return Moments(step=0, first=np.zeros_like(parameter), second=np.zeros_like(parameter))


def adamw(
    parameter: Array, gradient: Array, moments: Moments, optimizer: Mapping[str, Any], lr: float
) -> tuple[Array, Moments]:
    """Return parameter and moments after one step of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).

    As in PyTorch, the learning rate scales the decay too, and eps is added after bias correction.

    Args:
        parameter: The tensor before the step.
        gradient: Of the loss, at that tensor.
        moments: What the steps before left.
        optimizer: The spec's `train.optimizer`: its `betas`, `eps` and `weight_decay`.
        lr: The learning rate of this step, which the schedule gives.
    """
    beta1, beta2 = optimizer["betas"]
    step = moments.step + 1
    first = beta1 * moments.first + (1 - beta1) * gradient
    second = beta2 * moments.second + (1 - beta2) * gradient * gradient
    # Means that start at zero are too small at first, by a factor that is known.
    unbiased_first, unbiased_second = first / (1 - beta1**step), second / (1 - beta2**step)
    update = unbiased_first / (np.sqrt(unbiased_second) + optimizer["eps"])
    decayed = parameter - lr * optimizer["weight_decay"] * parameter
    return decayed - lr * update, Moments(step, first, second)


Update: TypeAlias = Callable[[Array, Array, Moments, Mapping[str, Any], float], tuple[Array, Moments]]

VARIANTS: Mapping[str, Update] = {"adamw": adamw}
