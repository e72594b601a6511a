"""What a plan takes for granted, said to the reader."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.training import PRECISIONS
from specc.plan.setting import Setting
from specc.plan.strategy import UNKNOWN_CAPACITY_BUDGET
from specc.plan.values import Throughput
from specc.resolve.values import Resolved
from specc.units import format_bytes, format_count


def assumptions(resolved: Resolved, at: Setting, throughput: Throughput | None) -> tuple[str, ...]:
    """Return one sentence for each thing that nobody said or measured."""
    return (*_absent(resolved), *_precision(at), *_device(at), *_speed(at, throughput))


def _absent(resolved: Resolved) -> Iterator[str]:
    run, machines = resolved.run, resolved.machines
    if "cluster" in resolved.assumed:
        yield f"no `cluster`: planned for one `{machines.gpu.name}`"
    if "train" in resolved.assumed:
        batch = f"{run.global_batch_size} sequences of {run.sequence_length:,}"
        yield f"no `train`: assumed {format_count(run.tokens)} tokens in {run.precision.compute}, {batch} per step"


def _precision(at: Setting) -> Iterator[str]:
    chosen = at.precision
    shorter = [p.compute for p in PRECISIONS.values() if p.compute_bytes < chosen.compute_bytes]
    if shorter and not at.gpu.flops:
        yield f"{chosen.compute} on `{at.gpu.name}`: {' and '.join(shorter)} is slower on most"


def _device(at: Setting) -> Iterator[str]:
    gpu = at.gpu
    if gpu.memory_bytes is None:
        budget = format_bytes(UNKNOWN_CAPACITY_BUDGET)
        yield f"the memory of `{gpu.name}` is unknown: sizes left open are chosen for {budget}"
    if gpu.flops and not gpu.verified:
        yield f"the numbers of `{gpu.name}` are not verified: {gpu.source}"


def _speed(at: Setting, throughput: Throughput | None) -> Iterator[str]:
    gpu, precision = at.gpu, at.precision.compute
    if throughput is not None:
        yield "uncalibrated: efficiencies that suit 147 public runs, energy at rated power, carbon of the world's grid"
    elif precision not in gpu.flops:
        yield f"the speed of `{gpu.name}` in {precision} is unknown: no time, no cost"
    else:
        yield f"the links of `{gpu.name}` are unknown: no time, no cost"
