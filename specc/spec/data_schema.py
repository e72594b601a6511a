"""The `data:` section of a spec."""

from typing import Annotated, Literal

from pydantic import Field

from specc.catalog.fields import Section, key, planned
from specc.catalog.shards import Shards
from specc.catalog.sources import AnySource
from specc.catalog.steps import AnyStep


class Packing(Section):
    """How documents fill sequences."""

    kind: Annotated[Literal["concatenate"], planned("best_fit", "none")] = key(
        "Which documents share a sequence.", "concatenate", reason="no padding: every token trains"
    )
    isolate_documents: bool = key(
        "Whether attention stops at document borders.", True, reason="unrelated documents only add noise"
    )


class Validation(Section):
    """What is held out of training."""

    fraction: float = key(
        "Share of the documents, chosen by the hash of their text; at least one.",
        0.005,
        reason="the larger the corpus, the fewer are needed",
        gt=0,
        le=0.5,
    )


class Data(Section):
    """Where text comes from and how it becomes sequences."""

    sources: tuple[AnySource, ...] = Field(description="Where documents lie.", strict=False, min_length=1)
    steps: tuple[AnyStep, ...] = key(
        "Extraction, filters and deduplication, in order.", (), reason="every document is kept", strict=False
    )
    validation: Validation | None = key("What is held out of training.", None, reason="nothing is held out")
    packing: Packing = key("How documents fill sequences.", Packing.model_construct(), reason="no padding")
    shards: Shards = key(
        "The files that tokens are written to.", Shards.model_construct(), reason="memory-mapped token ids"
    )
    on_error: Annotated[Literal["skip", "fail"], planned()] = key(
        "What a file or a row does that cannot be read.",
        "skip",
        reason="one broken file should not stop a long job; it is reported",
    )
    engine: Annotated[Literal["local"], planned("spark", "ray", "slurm")] = key(
        "Where data is prepared.", "local", reason="one machine"
    )
