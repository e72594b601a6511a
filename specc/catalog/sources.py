"""Formats of the files that text comes from."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import Field

from specc.catalog.base import NoView, Partial, Variant
from specc.catalog.fields import key, only, variants

_READING = ("from collections.abc import Iterator", "from typing import BinaryIO")
ARROW = "pyarrow==26.0.1"


class Source(Variant):
    """What all sources share."""

    format: str
    name: str = key("Names the source in the data card.", min_length=1)
    path: str = key("Folder, file or glob of files.", min_length=1)
    weight: Annotated[Any, only(1.0, "a source weight")] = key(
        "Share in the mixture.", 1.0, reason="all documents once"
    )
    license: str | None = key("Licence note, carried to the data card.", None, reason="unknown")

    suffixes: ClassVar[tuple[str, ...]]
    """How the names of such files end; none for plain text, which any other name means."""
    reader: ClassVar[str]
    """The emitted function that reads such a file."""
    pages: ClassVar[bool] = False
    """Whether its documents are web pages, from which text has to be taken."""
    requirements: ClassVar[tuple[str, ...]] = ()
    """What its partial imports beyond the standard library, pinned."""

    @classmethod
    @abstractmethod
    def partials(cls) -> tuple[Partial, ...]:
        """Return the function `reader`, and what it needs."""

    @classmethod
    def tag(cls) -> str:
        """Return the format's name."""
        return str(get_args(cls.model_fields["format"].annotation)[0])

    def column(self) -> str | None:
        """Return the name of the column or key that holds the text; None where a whole file does."""
        return None


class _Plain(Source):
    """Files of UTF-8 text."""

    suffixes = ()
    reader = "read_text"

    @classmethod
    def partials(cls) -> tuple[Partial, ...]:
        """Return the function that reads a whole file."""
        return (Partial("data/format/text.py.j2", NoView(), _READING),)


class Text(_Plain):
    """Text in UTF-8: each file is one document."""

    format: Literal["text"]


class Code(_Plain):
    """Source code in UTF-8: each file is one document."""

    format: Literal["code"]


class _Rows(Source):
    """Files of rows, each of which is one document."""

    text_field: str = key("Column or key that holds the text.", "text", reason="the usual name", min_length=1)
    requirements = (ARROW,)

    def column(self) -> str:
        """Return the name of the column or key that holds the text."""
        return self.text_field


class Jsonl(_Rows):
    """One JSON object per line, plain or compressed with gzip or zstd: each line is one document."""

    format: Literal["jsonl"]
    suffixes = (".jsonl", ".jsonl.gz", ".jsonl.zst")
    reader = "read_jsonl"

    @classmethod
    def partials(cls) -> tuple[Partial, ...]:
        """Return the function that reads line by line."""
        own = ("import json", "from io import BufferedReader", "from pathlib import Path", "import pyarrow")
        return (Partial("data/format/jsonl.py.j2", NoView(), (*_READING, *own)),)


class Parquet(_Rows):
    """Parquet files, read by row group: each row is one document."""

    format: Literal["parquet"]
    suffixes = (".parquet",)
    reader = "read_parquet"

    @classmethod
    def partials(cls) -> tuple[Partial, ...]:
        """Return the function that reads batch by batch."""
        own = ("from itertools import chain", "import pyarrow", "from pyarrow.parquet import ParquetFile")
        return (Partial("data/format/parquet.py.j2", NoView(), (*_READING, *own)),)


class Html(Source):
    """Web pages: each file is one document. A step extracts their text."""

    format: Literal["html"]
    pages = True
    suffixes = (".html", ".htm", ".xhtml")
    reader = "read_html"

    @classmethod
    def partials(cls) -> tuple[Partial, ...]:
        """Return the function that decodes a whole file."""
        return (Partial("data/format/html.py.j2", NoView(), (*_READING, "import re")),)


FORMATS: tuple[type[Source], ...] = (Text, Code, Jsonl, Parquet, Html)
"""Every format that is built."""

COMPRESSED = (".bz2", ".gz", ".xz", ".zip", ".zst")


class PlainView(NamedTuple):
    """What `data/find/plain.py.j2` says: the format of files whose names tell nothing."""

    plain: str


def by_suffix(formats: Iterable[type[Source]]) -> tuple[Partial, tuple[str, ...]]:
    """Return the function that tells a file's format by its name, and the suffixes that no plain text has."""
    built = list(formats)
    plain = next((kind.tag() for kind in built if not kind.suffixes), None)
    if plain is None:
        return Partial("data/find/named.py.j2", NoView()), ()
    rows = {suffix for kind in FORMATS if kind not in built and issubclass(kind, _Rows) for suffix in kind.suffixes}
    foreign = sorted({*COMPRESSED, *(suffix for suffix in rows if not suffix.endswith(COMPRESSED))})
    return Partial("data/find/plain.py.j2", PlainView(plain)), tuple(foreign)


def finding(in_spec: bool) -> Partial:
    """Return the function that finds files, of the sources in the spec or of those named at run time alone."""
    return Partial(f"data/find/{'sources' if in_spec else 'inputs'}.py.j2", NoView())


AnySource = Annotated[
    Text | Code | Jsonl | Parquet | Html,
    Field(discriminator="format"),
    variants("format", default="text", planned=("warc", "wet", "wikipedia", "huggingface")),
]
