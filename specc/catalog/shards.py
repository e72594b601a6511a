"""Files of tokens."""

from typing import Annotated, Literal

from specc.catalog.fields import Bytes, Section, key, planned


class Shards(Section):
    """The files that tokens are written to."""

    format: Annotated[Literal["bin"], planned("mds", "parquet")] = key(
        "How a shard is laid out.", "bin", reason="token ids and nothing else: read by memory mapping"
    )
    size: Bytes = key("Most bytes of a shard, unless one document is larger.", 2**30, reason="few files, quick to copy")
