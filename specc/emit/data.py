"""The emitted stages from text to tokens: `train_tokenizer.py`, `prepare_data.py` and what they share."""

from __future__ import annotations

import json
from dataclasses import dataclass

from specc.catalog.packing import ON_ERROR
from specc.catalog.tokenizer import AnyTokenizer
from specc.emit.generation import python_string
from specc.emit.imports import script_imports
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER, HeaderView
from specc.resolve import Resolved
from specc.spec.data_schema import Data, Source
from specc.spec.schema import package_of

UINT16_IDS = 2**16
SMOKE_TOKENS = 64  # beyond those that every tokenizer has

DOCUMENTS = (
    "from collections.abc import Sequence",
    "from fnmatch import fnmatch",
    "from glob import glob",
    "from pathlib import Path",
)
STAGE = (
    "import argparse",
    "import sys",
    "from pathlib import Path",
    "from collections.abc import Iterator",
    "from tokenizers import Tokenizer",
    "from {package}.documents import CorpusError, find_files, read_documents",
    "from {package}.progress import Progress",
)
PREPARE = (
    *STAGE,
    "import hashlib",
    "import json",
    "import shutil",
    "from dataclasses import dataclass",
    "from itertools import islice",
    "import numpy as np",
    "from {package}.files import replacing, sha256",
)


@dataclass(frozen=True, slots=True)
class DocumentsView:
    """What `data/documents.py.j2` says."""

    header: str
    imports: str
    definitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenizerView:
    """What `data/train_tokenizer.py.j2` says; `input` are the arguments of the option `--input`."""

    header: str
    name: str
    imports: str
    vocab_size: int
    smoke_vocab_size: int
    definitions: tuple[str, ...]
    input: str


@dataclass(frozen=True, slots=True)
class PrepareView:
    """What `data/prepare_data.py.j2` says; `eos` and the `sources` are Python literals."""

    header: str
    name: str
    imports: str
    sources: tuple[str, ...]
    vocab_size: int
    eos: str
    token_type: str
    token_type_why: str


def data_modules(resolved: Resolved) -> dict[str, str]:
    """Return the stages from text to tokens, by path, not yet formatted; none for a spec without a tokenizer."""
    spec = resolved.spec
    package = package_of(spec.name)
    modules = {}
    if spec.tokenizer is not None or spec.train is not None:
        modules[f"{package}/progress.py"] = render("package/progress.py.j2", HeaderView(HEADER))
    if spec.tokenizer is None:
        return modules
    modules[f"{package}/documents.py"] = _documents(spec.data)
    modules["train_tokenizer.py"] = _train_tokenizer(spec.name, package, spec.tokenizer, spec.data)
    if spec.data is not None:
        modules["prepare_data.py"] = _prepare_data(resolved, package, spec.tokenizer, spec.data)
    return modules


def _documents(data: Data | None) -> str:
    reading = ON_ERROR[data.on_error if data else Data.model_fields["on_error"].default]
    view = DocumentsView(HEADER, imports((reading,), *DOCUMENTS), definitions((reading,)))
    return render("data/documents.py.j2", view)


def _train_tokenizer(name: str, package: str, tokenizer: AnyTokenizer, data: Data | None) -> str:
    partial = tokenizer.partial()
    own = (*STAGE, *partial.imports, "from {package}.files import replacing")
    view = TokenizerView(
        header=HEADER,
        name=name,
        imports=script_imports(package, own),
        vocab_size=tokenizer.vocab_size or tokenizer.least(),
        smoke_vocab_size=min(tokenizer.vocab_size or tokenizer.least(), tokenizer.least() + SMOKE_TOKENS),
        definitions=definitions((partial,)),
        input=f"default={json.dumps([source.path for source in data.sources])}" if data else "required=True",
    )
    return render("data/train_tokenizer.py.j2", view)


def _prepare_data(resolved: Resolved, package: str, tokenizer: AnyTokenizer, data: Data) -> str:
    vocab_size = resolved.network.dims.vocab_size
    small = vocab_size <= UINT16_IDS
    view = PrepareView(
        header=HEADER,
        name=resolved.spec.name,
        imports=script_imports(package, PREPARE),
        sources=tuple(_source(source) for source in data.sources),
        vocab_size=vocab_size,
        eos=python_string(tokenizer.special_tokens.eos),
        token_type="<u2" if small else "<u4",
        token_type_why=f"{2 if small else 4} bytes hold {vocab_size:,} ids",
    )
    return render("data/prepare_data.py.j2", view)


def _source(source: Source) -> str:
    """Return a row of the data card's sources."""
    licence = "None" if source.license is None else python_string(source.license)
    return f'{{"name": {python_string(source.name)}, "path": {python_string(source.path)}, "license": {licence}}}'
