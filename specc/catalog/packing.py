"""How documents share sequences, which are held out, and what becomes of files that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from specc.catalog.base import NoView, Partial

BATCH_IMPORTS = (
    "from typing import NamedTuple",
    "import numpy as np",
    "import torch",
    "from torch import Tensor",
)


@dataclass(frozen=True, slots=True)
class Batches:
    """What a packing says of the batches that training reads.

    Attributes:
        partial: The class `Batch` and the function `to_batch`.
        batch: The expression that makes a batch of `windows`.
        inputs: What the model is called with.
    """

    partial: Partial
    batch: str
    inputs: str


ISOLATED = Batches(
    partial=Partial("data/packing/isolated.py.j2", NoView(), (*BATCH_IMPORTS, "from .model import IGNORED")),
    batch="to_batch(windows, self.end)",
    inputs="batch.tokens, batch.documents",
)
JOINED = Batches(
    partial=Partial("data/packing/joined.py.j2", NoView(), BATCH_IMPORTS),
    batch="to_batch(windows)",
    inputs="batch.tokens",
)


def packing(isolate_documents: bool) -> Batches:
    """Return the batches of documents that see, or do not see, their neighbours."""
    return ISOLATED if isolate_documents else JOINED


ON_ERROR: Mapping[str, Partial] = {
    policy: Partial(f"data/on_error/{policy}.py.j2", NoView()) for policy in ("skip", "fail")
}
"""What becomes of a file or a row that cannot be read, by the tag of `data.on_error`."""


def assigning(held_out: bool) -> Partial:
    """Return the function that assigns documents to splits; some are held out, or none."""
    return Partial(f"data/split/{'hold_out' if held_out else 'whole'}.py.j2", NoView())
