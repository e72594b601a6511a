"""The plan as one screen of plain text, at most 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from specc.catalog.training import EMITTED_ZERO_STAGES
from specc.plan.strategy import CHECKPOINTING
from specc.plan.values import Alternative, Cost, Decided, Memory, Throughput
from specc.units import format_bytes, format_count, format_seconds

WIDTH = 80
LABEL = 20
COLUMN = 12
GIB = 2**30
UNKNOWN = "unknown"


def plan_screen(decided: Decided) -> str:
    """Return the plan for a person: what it is, how it runs, whether it fits, how long it takes, what it costs."""
    blocks = (_model(decided), _strategy(decided), _memory(decided), _time(decided), _assumed(decided))
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _model(decided: Decided) -> Iterator[str]:
    shapes, serving = decided.estimate.shapes, decided.estimate.serving
    yield f"{decided.resolved.spec.name}: {shapes.parameters:,} parameters"
    yield f"  {format_count(shapes.non_embedding_parameters)} without embeddings; {_flops(shapes.flops_per_token)}"
    held = serving.max_concurrent_sequences
    served = UNKNOWN if held is None else f"{held:,}"
    length = decided.resolved.network.dims.max_seq_len
    cache, checkpoint = format_bytes(shapes.kv_bytes_per_token), format_bytes(shapes.checkpoint_bytes)
    yield f"  checkpoint {checkpoint}; cache {cache} per token"
    yield f"  one device serves {served} sequences of {length:,} tokens"


def _flops(flops: int) -> str:
    return f"{flops / 1e9:.4g} GFLOP per token to train"


def _strategy(decided: Decided) -> Iterator[str]:
    strategy, run, machines = decided.strategy, decided.resolved.run, decided.resolved.machines
    nodes = f" ({machines.nodes} nodes of {machines.gpus_per_node})" if machines.nodes > 1 else ""
    yield f"{machines.ranks} x {machines.gpu.name}{nodes}: {run.precision.compute}, ZeRO stage {strategy.zero_stage}"
    parts = (
        _counted(strategy.data, "rank"),
        _counted(strategy.gradient_accumulation, "forward"),
        _counted(strategy.micro_batch_size, "sequence"),
    )
    yield f"  {' x '.join(parts)} of {run.sequence_length:,} tokens"
    yield f"  activation checkpointing: {strategy.activation_checkpointing}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _memory(decided: Decided) -> Iterator[str]:
    """Yield a table: one column per alternative with the chosen recomputation, one row per cause."""
    kind = decided.strategy.activation_checkpointing
    shown = _with_checkpointing(decided, kind)
    causes = list(dict.fromkeys(e.cause for a in shown for e in a.memory.ledger))
    yield _row("GiB per GPU", [_title(a, decided) for a in shown])
    for cause in causes:
        yield _row(f"  {cause}", [_held(a.memory, cause) for a in shown])
    yield from _verdict(f"peak ({kind})", shown)
    for other in CHECKPOINTING:
        if other != kind:
            yield from _verdict(f"peak ({other})", _with_checkpointing(decided, other))
    planned_only = {a.strategy.zero_stage for a in shown} - {*EMITTED_ZERO_STAGES, decided.strategy.zero_stage}
    yield from (f"  ZeRO {stage} is not emitted yet; `zero_stage: {stage}` plans it." for stage in sorted(planned_only))
    ranks = {a.strategy.data for a in shown} - {1, decided.strategy.data}
    if ranks:
        yield f"  ZeRO columns: {max(ranks)} such devices. * chosen. 80% bounds, uncalibrated."
    else:
        yield "  * chosen. Bounds hold 80% of cases, uncalibrated."


def _with_checkpointing(decided: Decided, kind: str) -> list[Alternative]:
    return [a for a in decided.estimate.alternatives if a.strategy.activation_checkpointing == kind]


def _title(alternative: Alternative, decided: Decided) -> str:
    strategy = alternative.strategy
    name = "1 GPU" if strategy.data == 1 else f"ZeRO {strategy.zero_stage}"
    return name + ("*" if strategy == decided.strategy else "")


def _held(memory: Memory, cause: str) -> str:
    held = sum(entry.bytes for entry in memory.ledger if entry.cause == cause)
    return _gib(held) if held else "-"


def _verdict(title: str, shown: Sequence[Alternative]) -> Iterator[str]:
    yield _row(title, [_gib(a.memory.peak_bytes_per_gpu) for a in shown])
    yield _row("  80% between", [f"{_gib(a.memory.low)}..{_gib(a.memory.high)}" for a in shown])
    capacity = shown[0].memory.capacity_bytes
    of = UNKNOWN if capacity is None else format_bytes(capacity)
    yield _row(f"  fits in {of}", [a.memory.fits.value for a in shown])


def _row(label: str, cells: Iterable[str]) -> str:
    return (f"{label:<{LABEL}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)).rstrip()


def _gib(held: int) -> str:
    gib = held / GIB
    decimals = 0 if gib >= 100 else 1 if gib >= 1 else 2 if gib >= 0.1 else 3
    return f"{gib:.{decimals}f}"


def _time(decided: Decided) -> Iterator[str]:
    timed = decided.estimate.throughput
    if timed is None:
        yield f"Time and cost: {UNKNOWN}"
        return
    between = f"{_seconds(timed.low_microseconds)} to {_seconds(timed.high_microseconds)}"
    yield f"Step {_seconds(timed.step_microseconds)} (80% between {between}, uncalibrated)"
    yield from _wrapped(_breakdown(timed))
    per_gpu = f"{format_count(timed.tokens_per_second_per_gpu)} per device"
    yield f"  {format_count(timed.tokens_per_second)} tokens/s, {per_gpu}, MFU {100 * timed.mfu:.0f}%"
    run = decided.resolved.run
    yield f"Run of {run.steps:,} steps, {format_count(run.tokens)} tokens"
    yield from _wrapped(_cost(decided.estimate.cost))


def _breakdown(timed: Throughput) -> str:
    parts = ((share.cause, 100 * share.microseconds / timed.step_microseconds) for share in timed.breakdown)
    return ", ".join(f"{cause} {percent:.0f}%" for cause, percent in parts)


def _cost(cost: Cost) -> str:
    if cost.days is None or cost.gpu_hours is None:
        return UNKNOWN
    parts = [format_seconds(cost.days * 86400), f"{_amount(cost.gpu_hours)} device hours"]
    if cost.usd_low is not None and cost.usd_high is not None:
        parts.append(f"{_amount(cost.usd_low)} to {_amount(cost.usd_high)} USD")
    if cost.kwh is not None and cost.kg_co2e is not None:
        parts.append(f"{_amount(cost.kwh)} kWh, {_amount(cost.kg_co2e)} kg CO2e")
    return ", ".join(parts)


def _amount(value: float) -> str:
    """Return the number with as many digits as an estimate deserves."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def _seconds(microseconds: int) -> str:
    return format_seconds(microseconds / 1e6)


def _assumed(decided: Decided) -> Iterator[str]:
    yield "Assumed"
    for sentence in decided.estimate.assumptions:
        yield from textwrap.wrap(sentence, WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
