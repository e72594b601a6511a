"""The loss: how badly the logits predict their targets, in nats."""

import numpy as np

from .functions import log_softmax
from .tensors import Array


def cross_entropy_sum(logits: Array, targets: Array, ignored: int = -100) -> tuple[Array, int]:
    """Return the cross-entropy of logits [..., V] summed over the targets [...] that count, and how many do.

    Sum and count of the parts of a batch add up to those of the whole, however it is divided.
    """
    counted = targets != ignored
    surprises = -log_softmax(logits[counted])
    chosen: Array = surprises[np.arange(len(surprises)), targets[counted]]
    return chosen.sum(), int(counted.sum())


def cross_entropy_mean(logits: Array, targets: Array, ignored: int = -100) -> Array:
    """Return the cross-entropy per target that counts.

    Raises:
        ValueError: No target counts.
    """
    total, count = cross_entropy_sum(logits, targets, ignored)
    if not count:
        raise ValueError("every target is ignored: their mean loss is undefined")
    return total / count
