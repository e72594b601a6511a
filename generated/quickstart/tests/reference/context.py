"""What a token knows of the sequence it stands in: its position, and which tokens it may look at."""

from dataclasses import dataclass

import numpy as np

from .tensors import Array


@dataclass(frozen=True)
class Context:
    """Positions [B, T], counted from 0, and visibility [B, T, S]: may the token at t look at the one at s?"""

    positions: Array
    visible: Array


def context_of(documents: Array) -> Context:
    """Return the context of packed sequences, from the number of each token's document, [B, T].

    Documents are strangers to each other: positions restart at each, and none sees another.

    Raises:
        ValueError: The tokens of one document do not stand together.
    """
    order = np.arange(documents.shape[1])
    causal = order[:, None] >= order[None, :]
    same_document = documents[:, :, None] == documents[:, None, :]
    return Context(positions=_positions(documents), visible=causal & same_document)


def _positions(documents: Array) -> Array:
    """Count each token's place in its own document."""
    positions = np.zeros(documents.shape, dtype=np.int64)
    for sequence, numbers in enumerate(documents):
        starts: dict[int, int] = {}
        for place, number in enumerate(numbers.tolist()):
            if number in starts and numbers[place - 1] != number:
                raise ValueError(f"document {number} of sequence {sequence} comes back at token {place}")
            positions[sequence, place] = place - starts.setdefault(number, place)
    return positions
