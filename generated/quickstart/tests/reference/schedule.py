"""Schedules: the learning rate of each step."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


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
    angle = math.pi * (step - warmup) / (total_steps - warmup)
    return float(lowest + (lr - lowest) * (1 + math.cos(angle)) / 2)


def wsd(step: int, total_steps: int, schedule: Mapping[str, Any], lr: float) -> float:
    """Return the learning rate of one step: warm-up, stable, decay (arXiv:2404.06395, arXiv:2405.18392).

    The decay is a straight line that reaches the minimum at the end of training. It never begins before the warm-up is
    over: training too short for both has a shorter decay, and training shorter than the warm-up has none.

    Args:
        step: The step, counted from 0. The warm-up is that of `cosine`; the first step of the decay is still at lr.
        total_steps: Where the minimum is reached; it stays from there on.
        schedule: The spec's `train.schedule`: its `warmup` and `decay`, in steps, and `min_lr_ratio`.
        lr: The highest learning rate.
    """
    warmup, lowest = schedule["warmup"], schedule["min_lr_ratio"] * lr
    if step < warmup:
        return float(lr * (step + 1) / warmup)
    decay_start = max(total_steps - schedule["decay"], warmup)
    return float(np.interp(step, [decay_start, total_steps], [lr, lowest]))


VARIANTS: Mapping[str, Callable[[int, int, Mapping[str, Any], float], float]] = {"cosine": cosine, "wsd": wsd}
