"""Schedules: the learning rate of each step."""

import math
from collections.abc import Callable, Mapping
from typing import Any


def cosine(step: int, total_steps: int, schedule: Mapping[str, Any], lr: float) -> float:
    """Return the learning rate of one step: a linear warm-up, then half a cosine (arXiv:1608.03983).

    Args:
        step: The step, counted from 0. Step 0 already learns, at lr / warmup; the last step of the warm-up
            and the first after it are at lr.
        total_steps: Where the minimum is reached; it stays from there on.
        schedule: The spec's `train.schedule`: its `warmup`, in steps, and `min_lr_ratio`.
        lr: The highest learning rate.
    """
    warmup, lowest = schedule["warmup"], schedule["min_lr_ratio"] * lr
    if step < warmup:
        return float(lr * (step + 1) / warmup)
    if step >= total_steps:
        return float(lowest)
    progress = (step - warmup) / (total_steps - warmup)
    return float(lowest + (lr - lowest) * (1 + math.cos(math.pi * progress)) / 2)


VARIANTS: Mapping[str, Callable[[int, int, Mapping[str, Any], float], float]] = {"cosine": cosine}
