"""What a spec says about any server, and what the planner decides about one."""

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from specc.catalog.base import Dims
from specc.catalog.fields import Count, Seconds, Section, key, one_rank, planned


class Sized(NamedTuple):
    """A number that the planner chose, and why."""

    value: float
    why: str


class Sizing(NamedTuple):
    """What the planner decides about one server; each engine has its own words for it.

    Attributes:
        weights: Element type of weights and arithmetic.
        weights_why: Why that one.
        kv_token_bytes: Cache of all layers for one token, all devices of a replica together.
        tensor: Devices that share one replica.
        data: Replicas.
        context: Tokens of a request, prompt and answer together.
        running: Requests that run at once, in one replica.
        chunk: Tokens of a prompt that are read in one step.
        tokens: Tokens that the cache of one replica holds.
        memory: Share of a device's memory for weights and cache; None where there is no device memory to share.
    """

    weights: str
    weights_why: str
    kv_token_bytes: int
    tensor: Sized
    data: Sized
    context: Sized
    running: Sized
    chunk: Sized
    tokens: Sized
    memory: Sized | None


class ServedPrecision(Section):
    """Element types while serving."""

    weights: Annotated[Literal["fp32", "bf16"], planned("fp16", "fp8")] | None = key("Of weights and arithmetic.", None)
    kv: Annotated[Literal["auto", "fp32", "bf16"], planned("fp16", "fp8")] = key(
        "Of the cache of keys and values.", "auto", reason="that of the weights"
    )


class ServingTarget(Section):
    """What the server is sized for."""

    concurrency: Count | None = key(
        "Requests that run at once, over all replicas.", None, reason="as many of full length as the cache holds"
    )
    ttft: Seconds | None = key(
        "Longest time to the first token, for a prompt that fills the context.", None, reason="no limit"
    )
    tpot: Seconds | None = key(
        "Longest time between two tokens; bounds how much of a prompt is read between them.", None, reason="no limit"
    )


class ServedParallel(Section):
    """How a server spreads over the devices of one node."""

    tensor: Count | Literal["auto"] = key(
        "Devices that share each layer.", "auto", reason="the fewest on which model and targets fit"
    )
    data: Count | Literal["auto"] = key(
        "Replicas of the model.", "auto", reason="as many as `serve.target.concurrency` needs"
    )
    expert: Annotated[Literal[1, "auto"], one_rank("expert parallelism")] = key(
        "Degree.", 1, reason="the model has no experts"
    )


class ServedSampling(Section):
    """How tokens are drawn when a request does not say; goes into `generation_config.json`, which engines read."""

    temperature: float | None = key("0 is greedy.", None, reason="the engine's: 1", ge=0, le=2)
    top_p: float | None = key("Share of the probability to draw from.", None, reason="the engine's: all", gt=0, le=1)
    top_k: Count | None = key("Number of tokens to draw from.", None, reason="the engine's: all")
    min_p: float | None = key(
        "Least probability, as a share of the likeliest token's.", None, reason="the engine's: 0", ge=0, le=1
    )
    repetition_penalty: float | None = key(
        "Above 1: less of what was said.", None, reason="the engine's: 1", gt=0, le=2
    )


MOST_DEVICES = 1024
"""Far more than share a layer anywhere."""


def tensor_degrees(dims: Dims, devices: int) -> Iterator[int]:
    """Yield how many devices can share each layer, up to `devices`.

    Heads and the width of the feed-forward network are divided; key/value heads are divided, or repeated where devices
    are more than these.
    """
    for degree in range(1, min(devices, dims.num_heads, MOST_DEVICES) + 1):
        heads = dims.num_kv_heads % degree == 0 or degree % dims.num_kv_heads == 0
        if heads and dims.num_heads % degree == 0 and dims.intermediate_size % degree == 0:
            yield degree
