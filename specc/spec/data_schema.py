"""The `data:` section of a spec."""

from typing import Annotated, Any, Literal

from pydantic import Field

from specc.catalog.fields import Section, key, only, planned


class Source(Section):
    """A folder of documents."""

    name: str = key("Names the source in the data card.", min_length=1)
    path: str = key("Folder or glob of the files.", min_length=1)
    format: Annotated[
        Literal["text", "code"],
        planned("jsonl", "parquet", "html", "warc", "wet", "wikipedia", "huggingface"),
    ] = key("What the files hold: each file is one document.", "text", reason="plain files")
    weight: Annotated[Any, only(1.0, "source weights")] = key("Share in the mixture.", 1.0, reason="all documents once")
    license: str | None = key("Licence note, carried to the data card.", None, reason="unknown")


class Packing(Section):
    """How documents fill sequences."""

    kind: Annotated[Literal["concatenate"], planned("best_fit", "none")] = key(
        "Which documents share a sequence.", "concatenate", reason="no padding: every token trains"
    )
    isolate_documents: bool = key(
        "Whether attention stops at document borders.", True, reason="unrelated documents only add noise"
    )


class Data(Section):
    """Where text comes from and how it becomes sequences."""

    sources: tuple[Source, ...] = Field(description="Folders of documents.", strict=False, min_length=1)
    steps: Annotated[Any, only(None, "data steps")] = key("Filters, in order.", None, reason="every document is kept")
    validation: Annotated[Any, only(None, "a validation split")] = key(
        "Held-out share.", None, reason="nothing held out"
    )
    packing: Packing = key("How documents fill sequences.", Packing.model_construct(), reason="no padding")
    shards: Annotated[Any, only(None, "shard formats")] = key("Shard format.", None, reason="one file of token ids")
    on_error: Annotated[Literal["skip", "fail"], planned()] = key(
        "What an unreadable file does.",
        "skip",
        reason="one broken file should not stop a long job; it is reported",
    )
    engine: Annotated[Literal["local"], planned("spark", "ray", "slurm")] = key(
        "Where data is prepared.", "local", reason="one machine"
    )
