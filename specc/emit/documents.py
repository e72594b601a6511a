"""The emitted `documents.py`: where text comes from, and how each format of the spec is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from specc.catalog.base import Partial
from specc.catalog.packing import ON_ERROR
from specc.catalog.sources import FORMATS, Source, by_suffix, finding
from specc.emit.generation import python_string
from specc.emit.imports import merge_imports
from specc.emit.render import definitions, render
from specc.emit.views import HEADER
from specc.spec.data_schema import Data

_OWN = (
    "import time",
    "from collections import Counter",
    "from collections.abc import Callable, Iterator, Sequence",
    "from dataclasses import dataclass",
    "from fnmatch import fnmatch",
    "from glob import escape, glob",
    "from pathlib import Path",
    "from typing import Any, BinaryIO, NamedTuple",
    "from .progress import Progress, bar",
)


@dataclass(frozen=True, slots=True)
class DocumentsView:
    """What `data/documents.py.j2` says.

    Attributes:
        fields: Fields of the emitted `Source`.
        readers: The functions that read files.
        formats: Rows of the table of formats.
        constants: Assignments after that table.
        definitions: The functions that find files, and what becomes of a broken one.
    """

    header: str
    imports: str
    fields: tuple[str, ...]
    readers: tuple[str, ...]
    formats: tuple[str, ...]
    constants: tuple[str, ...]
    definitions: tuple[str, ...]


def documents_module(data: Data | None) -> str:
    """Return the module; without a `data` section it reads text files that are named when it runs."""
    sources = data.sources if data else ()
    formats = [kind for kind in FORMATS if any(isinstance(source, kind) for source in sources)] or [FORMATS[0]]
    readers = _distinct(partial for kind in formats for partial in kind.partials())
    on_error = ON_ERROR[data.on_error if data else Data.model_fields["on_error"].default]
    named, suffixes = by_suffix(formats)
    others = (finding(bool(sources)), named, on_error)
    foreign = (f"FOREIGN = {_tuple(suffixes)}  # not plain text",) if suffixes else ()
    view = DocumentsView(
        header=HEADER,
        imports=merge_imports((*_OWN, *(line for partial in (*readers, *others) for line in partial.imports))),
        fields=_fields(sources),
        readers=definitions(readers),
        formats=tuple(f'"{kind.tag()}": Format({kind.reader}, {_tuple(kind.suffixes)})' for kind in formats),
        constants=(*foreign, *_sources(sources)),
        definitions=definitions(others),
    )
    return render("data/documents.py.j2", view)


def _distinct(partials: Iterable[Partial]) -> tuple[Partial, ...]:
    """Return each partial once: formats may share a reader."""
    return tuple({partial.template: partial for partial in partials}.values())


def _fields(sources: Iterable[Source]) -> tuple[str, ...]:
    fields = ("name: str", "path: str", "format: str", "license: str | None = None")
    columns = [source.column() for source in sources]
    named = [column for column in columns if column is not None]
    return (*fields, f"text_field: str = {python_string(named[0])}") if named else fields


def _sources(sources: tuple[Source, ...]) -> tuple[str, ...]:
    """Return the assignment of the spec's sources."""
    if not sources:
        return ()
    return ("SOURCES = (", *(f"    {_source(source)}," for source in sources), ")")


def _source(source: Source) -> str:
    keys = {"name": source.name, "path": source.path, "format": source.format}
    optional = {"license": source.license, "text_field": source.column()}
    given = keys | {key: value for key, value in optional.items() if value is not None}
    return f"Source({', '.join(f'{key}={python_string(value)}' for key, value in given.items())})"


def _tuple(texts: Iterable[str]) -> str:
    """Return a tuple of strings as Python writes it."""
    items = [python_string(text) for text in texts]
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
