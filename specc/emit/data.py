"""The emitted stages from text to tokens: `train_tokenizer.py`, `prepare_data.py` and what they share."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.tokenizer import AnyTokenizer, TokenizerParts, Trained
from specc.emit.documents import documents_module
from specc.emit.imports import merge_imports, script_imports
from specc.emit.render import definitions, render
from specc.emit.steps import splits_module, steps_module
from specc.emit.views import HEADER, HeaderView
from specc.resolve import Resolved
from specc.spec.data_schema import Data
from specc.spec.schema import package_of

SHARDS = "*-[0-9][0-9][0-9][0-9][0-9].*"
UINT16_IDS = 2**16
SMOKE_TOKENS = 64  # beyond those that every tokenizer has

ENCODING = (
    "import os",
    "from functools import cache",
    "from pathlib import Path",
    "from typing import NamedTuple",
    "import numpy as np",
    "from tokenizers import Tokenizer",
    "from .documents import CorpusError",
    "from .splits import Kept",
)
FOLDER = (
    "import hashlib",
    "import shutil",
    "from collections.abc import Iterator",
    "from contextlib import contextmanager",
    "from itertools import chain",
    "from pathlib import Path",
    "from typing import Any",
    "from .encoding import Encoded",
    "from .files import sync",
    "from .shards import ShardWriter",
)
STAGE = (
    "import argparse",
    "import sys",
    "from itertools import islice",
    "from pathlib import Path",
    "from {package}.documents import Corpus, CorpusError, find_files",
    "from {package}.progress import Progress",
)
TRAIN_TOKENIZER = (
    *STAGE,
    "from collections.abc import Iterator",
    "from tokenizers import Tokenizer",
    "from {package}.files import locked, replacing",
)
PREPARE = (
    *STAGE,
    "import json",
    "from functools import partial",
    "from typing import Any",
    "from {package}.encoding import TOKEN_TYPE, encode, end_id, open_tokenizer",
    "from {package}.files import locked, sha256",
    "from {package}.folder import CARD, Split, replacing_data",
    "from {package}.splits import SPLITS, assigned",
    "from {package}.steps import Sieve, examine",
    "from {package}.workers import Workers, batched, cores",
)


@dataclass(frozen=True, slots=True)
class TokenizerView:
    """What `data/train_tokenizer.py.j2` says.

    Attributes:
        definitions: The function that trains, and its constants.
        input: Arguments of the option `--input`.
        texts: The expression of the texts of all `documents`.
    """

    header: str
    name: str
    imports: str
    vocab_size: int
    smoke_vocab_size: int
    definitions: tuple[str, ...]
    input: str
    texts: str


@dataclass(frozen=True, slots=True)
class EncodingView:
    """What `data/encoding.py.j2` says.

    Attributes:
        missing: What a user does who has no tokenizer.
        end: Expression of the token that ends a document, by the tokenizer in `file`.
        end_shown: The same inside of an f-string.
        opening: Statements after the `tokenizer` is opened.
        ids: Expression of the tokens of an `encoding`.
    """

    header: str
    imports: str
    vocab_size: int
    missing: str
    end: str
    end_shown: str
    opening: tuple[str, ...]
    ids: str
    token_type: str
    token_type_why: str


@dataclass(frozen=True, slots=True)
class PrepareView:
    """What `data/prepare_data.py.j2` says.

    Attributes:
        option: Arguments of the option `--tokenizer`.
        chosen: Expression of the file that it means.
        copying: Statement that copies the tokenizer.
        errors: The exceptions that end the stage.
    """

    header: str
    name: str
    imports: str
    option: str
    chosen: str
    copying: str
    errors: str


@dataclass(frozen=True, slots=True)
class FolderView:
    """What `data/folder.py.j2` says; `old` are globs of files."""

    header: str
    imports: str
    old: tuple[str, ...]


def data_modules(resolved: Resolved) -> dict[str, str]:
    """Return the stages from text to tokens, by path, not yet formatted; none for a spec without a tokenizer."""
    spec = resolved.spec
    package = package_of(spec.name)
    modules = {}
    if spec.tokenizer is not None or spec.train is not None:
        modules[f"{package}/progress.py"] = render("package/progress.py.j2", HeaderView(HEADER))
    if spec.tokenizer is None:
        return modules
    modules[f"{package}/documents.py"] = documents_module(spec.data)
    if isinstance(spec.tokenizer, Trained):
        modules["train_tokenizer.py"] = _train_tokenizer(spec.name, package, spec.tokenizer, spec.data)
    if spec.data is not None:
        modules |= _preparing(resolved, package, spec.tokenizer, spec.data)
    return modules


def data_requirements(data: Data | None) -> tuple[str, ...]:
    """Return what preparing data needs besides the tokenizer, pinned."""
    if data is None:
        return ()
    needed = {pin for source in data.sources for pin in source.requirements}
    return tuple(sorted({"numpy==2.4.6", *needed, *(pin for step in data.steps for pin in step.requirements())}))


def _preparing(resolved: Resolved, package: str, tokenizer: AnyTokenizer, data: Data) -> dict[str, str]:
    parts = tokenizer.parts()
    folder = FolderView(HEADER, merge_imports(FOLDER), (SHARDS, *parts.copied))
    return {
        "prepare_data.py": _prepare_data(resolved.spec.name, package, parts),
        f"{package}/encoding.py": _encoding(resolved.network.dims.vocab_size, parts),
        f"{package}/folder.py": render("data/folder.py.j2", folder),
        f"{package}/splits.py": splits_module(data),
        f"{package}/steps.py": steps_module(data),
        f"{package}/workers.py": render("package/workers.py.j2", HeaderView(HEADER)),
    }


def _prepare_data(name: str, package: str, parts: TokenizerParts) -> str:
    needed = (f"from {{package}}.tokenizer import {', '.join(parts.names)}",) if parts.names else ()
    view = PrepareView(
        header=HEADER,
        name=name,
        imports=script_imports(package, (*PREPARE, *parts.modules, *needed)),
        option=parts.option,
        chosen=parts.chosen,
        copying=parts.copying,
        errors=", ".join(("CorpusError", *parts.errors, "OSError")),
    )
    return render("data/prepare_data.py.j2", view)


def _encoding(vocab_size: int, parts: TokenizerParts) -> str:
    width = 2 if vocab_size <= UINT16_IDS else 4
    view = EncodingView(
        header=HEADER,
        imports=merge_imports((*ENCODING, f"from .tokenizer import {parts.end_name}")),
        vocab_size=vocab_size,
        missing=parts.missing,
        end=parts.end,
        end_shown=f"{{{parts.end}}}",
        opening=parts.opening,
        ids=parts.ids,
        token_type=f"<u{width}",
        token_type_why=f"{width} bytes hold {vocab_size:,} ids",
    )
    return render("data/encoding.py.j2", view)


def _train_tokenizer(name: str, package: str, tokenizer: Trained, data: Data | None) -> str:
    partial = tokenizer.partial()
    pages = any(step.makes_text for step in data.steps) if data else False
    own = (*TRAIN_TOKENIZER, *partial.imports, *(("from {package}.steps import main_texts",) if pages else ()))
    view = TokenizerView(
        header=HEADER,
        name=name,
        imports=script_imports(package, own),
        vocab_size=tokenizer.vocab_size or tokenizer.least(),
        smoke_vocab_size=min(tokenizer.vocab_size or tokenizer.least(), tokenizer.least() + SMOKE_TOKENS),
        definitions=definitions((partial,)),
        input="default=[]" if data else "required=True",
        texts="main_texts(documents)" if pages else "(document.text for document in documents)",
    )
    return render("data/train_tokenizer.py.j2", view)
