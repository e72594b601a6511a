"""What planning decides and estimates. Bytes and FLOPs are whole numbers; what is unknown is None."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from specc.catalog.served import Sizing
from specc.resolve.values import Resolved


class Fits(StrEnum):
    """Whether the peak stays below the capacity, given how far off the estimate may be."""

    YES = "yes"
    UNCERTAIN = "uncertain"
    NO = "no"


class Shapes(NamedTuple):
    """What follows from the model's sizes alone.

    Attributes:
        parameters: Trainable elements; the real vocabulary, tied weights once.
        active_parameters: Those that one token passes through.
        non_embedding_parameters: Those that are no table of token or position vectors; an untied head counts.
        flops_per_token: Forward and backward, causal attention at half, nothing recomputed.
        kv_bytes_per_token: Cache of all layers for one token at two bytes per element.
        checkpoint_bytes: One `RUN/checkpoints/step-N/`: fp32 weights and the optimizer's moments.
    """

    parameters: int
    active_parameters: int
    non_embedding_parameters: int
    flops_per_token: int
    kv_bytes_per_token: int
    checkpoint_bytes: int


class Strategy(NamedTuple):
    """How one optimizer step is spread over ranks and time; degrees are numbers of ranks.

    Attributes:
        micro_batch_size: Sequences per rank per forward.
        gradient_accumulation: Forwards per rank per optimizer step.
        activation_checkpointing: `none` or `full`.
    """

    data: int
    zero_stage: int
    micro_batch_size: int
    gradient_accumulation: int
    activation_checkpointing: str
    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    expert: int = 1


class Entry(NamedTuple):
    """One line of the memory ledger."""

    cause: str
    bytes: int
    why: str


class Memory(NamedTuple):
    """The peak on one device; the ledger adds up to it. `low` and `high` bound it with 80% confidence."""

    ledger: tuple[Entry, ...]
    low: int
    high: int
    capacity_bytes: int | None

    @property
    def peak_bytes_per_gpu(self) -> int:
        """Bytes in use when most are."""
        return sum(entry.bytes for entry in self.ledger)

    @property
    def fits(self) -> Fits:
        """Whether the peak stays below the capacity."""
        if self.capacity_bytes is None or self.low <= self.capacity_bytes < self.high:
            return Fits.UNCERTAIN
        return Fits.YES if self.high <= self.capacity_bytes else Fits.NO


class Share(NamedTuple):
    """One part of the time of a step, in whole microseconds."""

    cause: str
    microseconds: int


class Throughput(NamedTuple):
    """The time of one optimizer step; the breakdown adds up to it. `low` and `high` bound it with 80% confidence."""

    breakdown: tuple[Share, ...]
    low_microseconds: int
    high_microseconds: int
    tokens_per_second: float
    tokens_per_second_per_gpu: float
    mfu: float

    @property
    def step_microseconds(self) -> int:
        """Time of one optimizer step."""
        return sum(share.microseconds for share in self.breakdown)


class Cost(NamedTuple):
    """What the whole run takes."""

    gpu_hours: float | None
    days: float | None
    usd_low: float | None
    usd_high: float | None
    kwh: float | None
    kg_co2e: float | None


class Serving(NamedTuple):
    """What one device can hold when it serves the model."""

    kv_bytes_per_token: int
    max_concurrent_sequences: int | None


class Alternative(NamedTuple):
    """Another way to spread the same step, beside the one that was chosen."""

    strategy: Strategy
    memory: Memory
    why: str


class Estimate(NamedTuple):
    """Every number of the plan. `throughput` is None where a device's speed is unknown."""

    shapes: Shapes
    memory: Memory
    throughput: Throughput | None
    cost: Cost
    serving: Serving
    alternatives: tuple[Alternative, ...]
    assumptions: tuple[str, ...]


class Servers(NamedTuple):
    """The size of a server, and of one that tries the same model on a machine without a GPU."""

    planned: Sizing
    without_gpu: Sizing


class Decided(NamedTuple):
    """A resolved spec in which nothing says `auto` any more, and what it will take."""

    resolved: Resolved
    strategy: Strategy
    estimate: Estimate
    servers: Servers | None = None
