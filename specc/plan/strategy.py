"""The search: every open choice tried, the best taken. Data parallelism only in this version."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.training import EMITTED_ZERO_STAGES
from specc.plan.memory import memory
from specc.plan.setting import Setting
from specc.plan.throughput import throughput
from specc.plan.values import Fits, Memory, Shapes, Strategy
from specc.resolve.values import Run

CHECKPOINTING = ("none", "full")
"""From the fastest to the smallest."""

# What a device whose memory is unknown is taken to have when something must be chosen: any machine has that.
UNKNOWN_CAPACITY_BUDGET = 4 * 2**30

_ORDER = {Fits.YES: 0, Fits.UNCERTAIN: 1, Fits.NO: 2}


def decide(at: Setting, run: Run, ranks: int, shapes: Shapes) -> Strategy:
    """Return the best way to run the step.

    What surely fits goes before what may fit; then the shorter step to two digits, since the estimate cannot tell
    closer ones apart; then less recomputed, less sharded, and the larger micro batch. Where nothing fits, the smallest.
    """
    return min(_candidates(at, run, ranks), key=lambda strategy: _rank(at, strategy, shapes))


def zero_stages(at: Setting, ranks: int) -> tuple[int, ...]:
    """Return the ZeRO stages to choose from: those that emitted training has, whatever could be planned beyond them.

    DeepSpeed's stage 0 steps Adam once on zero gradients when it trains in bf16, which skews its bias correction, so
    bf16 starts at stage 1. On one rank there is nothing to shard.
    """
    least = 1 if at.precision.master_bytes else 0
    return tuple(stage for stage in EMITTED_ZERO_STAGES if stage >= least) if ranks > 1 else (least,)


def _candidates(at: Setting, run: Run, ranks: int) -> Iterator[Strategy]:
    """Yield every strategy that agrees with what the spec says."""
    per_rank = at.global_batch_size // ranks
    stages = zero_stages(at, ranks) if run.zero_stage is None else (run.zero_stage,)
    kinds = CHECKPOINTING if run.activation_checkpointing is None else (run.activation_checkpointing,)
    micro = _powers_of_two(per_rank) if run.micro_batch_size is None else (run.micro_batch_size,)
    for stage in stages:
        for kind in kinds:
            for size in micro:
                yield Strategy(ranks, stage, size, per_rank // size, kind)


def _powers_of_two(number: int) -> tuple[int, ...]:
    """Return the powers of two that divide a number."""
    return tuple(2**exponent for exponent in range(number.bit_length()) if number % 2**exponent == 0)


def _rank(at: Setting, strategy: Strategy, shapes: Shapes) -> tuple[int, ...]:
    """Return whole numbers by which strategies compare; smaller is better."""
    held = memory(at, strategy)
    fits = _fits(held)
    if fits is Fits.NO:
        return (_ORDER[fits], held.peak_bytes_per_gpu)
    timed = throughput(at, strategy, shapes.flops_per_token)
    microseconds = _two_digits(timed.step_microseconds) if timed else 0
    recomputed = CHECKPOINTING.index(strategy.activation_checkpointing)
    return (_ORDER[fits], microseconds, recomputed, strategy.zero_stage, -strategy.micro_batch_size)


def _two_digits(number: int) -> int:
    """Return a number rounded to its first two digits."""
    return round(number, -max(len(str(number)) - 2, 0))


def _fits(held: Memory) -> Fits:
    """Return whether it fits, against a budget where the capacity is unknown."""
    if held.capacity_bytes is not None:
        return held.fits
    return Fits.YES if held.high <= UNKNOWN_CAPACITY_BUDGET else Fits.NO
