"""The emitted `shards.py` and `data.py`: how tokens lie on the disk, and how training reads them."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.base import NoView, Partial
from specc.catalog.packing import packing
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.spec.data_schema import Packing
from specc.spec.schema import package_of

_SHARDS = ("import hashlib", "import zlib", "from pathlib import Path")
_READING = Partial("data/shards/reading.py.j2", NoView(), (*_SHARDS, "from typing import Any", "import numpy as np"))
_WRITING = Partial("data/shards/writing.py.j2", NoView(), _SHARDS)

_DATA = (
    "import json",
    "from bisect import bisect_left, bisect_right",
    "from collections.abc import Iterator, Sequence",
    "from hashlib import blake2b",
    "from itertools import accumulate",
    "from pathlib import Path",
    "from typing import Any",
    "import numpy as np",
    "from .files import sha256",
    "from .shards import BLOCK, DataError, Shard",
)


@dataclass(frozen=True, slots=True)
class ShardsView:
    """What `data/shards.py.j2` says."""

    header: str
    imports: str
    constants: tuple[str, ...]
    definitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataView:
    """What `data/data.py.j2` says; `batch` is an expression over `windows`."""

    header: str
    imports: str
    definitions: tuple[str, ...]
    batch: str


def dataset_modules(resolved: Resolved) -> dict[str, str]:
    """Return the modules that write and read shards, by path, not yet formatted; nothing where no stage does."""
    spec = resolved.spec
    package = package_of(spec.name)
    written = spec.data.shards if spec.data is not None and spec.tokenizer is not None else None
    partials = ((_READING,) if spec.train is not None else ()) + ((_WRITING,) if written is not None else ())
    if not partials:
        return {}
    view = ShardsView(
        header=HEADER,
        imports=imports(partials),
        constants=(f"SHARD_BYTES = {written.size:_}",) if written is not None else (),
        definitions=definitions(partials),
    )
    modules = {f"{package}/shards.py": render("data/shards.py.j2", view)}
    if spec.train is not None:
        modules[f"{package}/data.py"] = _data(spec.data.packing if spec.data is not None else Packing())
    return modules


def _data(chosen: Packing) -> str:
    batches = packing(chosen.isolate_documents)
    view = DataView(
        header=HEADER,
        imports=imports((batches.partial,), *_DATA),
        definitions=definitions((batches.partial,)),
        batch=batches.batch,
    )
    return render("data/data.py.j2", view)
