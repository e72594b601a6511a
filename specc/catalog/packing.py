"""How documents share sequences, and what becomes of files that cannot be read."""

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
        init: Statements of `Dataset.__init__` that read the data card.
        batch: The expression that makes a batch of `windows`.
        inputs: What the model is called with.
    """

    partial: Partial
    init: tuple[str, ...]
    batch: str
    inputs: str


ISOLATED = Batches(
    partial=Partial("data/packing/isolated.py.j2", NoView(), (*BATCH_IMPORTS, "from .model import IGNORED")),
    init=('self.end = card["eos"]',),
    batch="to_batch(windows, self.end)",
    inputs="batch.tokens, batch.documents",
)
JOINED = Batches(
    partial=Partial("data/packing/joined.py.j2", NoView(), BATCH_IMPORTS),
    init=(),
    batch="to_batch(windows)",
    inputs="batch.tokens",
)


def packing(isolate_documents: bool) -> Batches:
    """Return the batches of documents that see, or do not see, their neighbours."""
    return ISOLATED if isolate_documents else JOINED


_READING = (
    "from collections.abc import Iterator, Sequence",
    "from pathlib import Path",
    "from .progress import Progress",
)
ON_ERROR: Mapping[str, Partial] = {
    policy: Partial(f"data/on_error/{policy}.py.j2", NoView(), _READING) for policy in ("skip", "fail")
}
"""What a file does that cannot be read, by the tag of `data.on_error`."""
