"""The same step spread in other ways: one device, and ZeRO 0 to 3, with and without recomputation."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.training import EMITTED_ZERO_STAGES
from specc.plan.memory import memory
from specc.plan.setting import Setting
from specc.plan.strategy import CHECKPOINTING, zero_stages
from specc.plan.values import Alternative, Fits, Memory, Strategy
from specc.units import format_bytes

USUAL_NODE = 8


def alternatives(at: Setting, chosen: Strategy) -> tuple[Alternative, ...]:
    """Return one device and each ZeRO stage, at the chosen micro batch.

    A plan for one rank is shown beside a node of such devices, since that is the next thing to buy.
    """
    ranks = chosen.data if chosen.data > 1 else min(USUAL_NODE, at.gpu.scale_up_gpus)
    return tuple(_judged(at, strategy, chosen) for strategy in _variations(at, chosen, ranks))


def _variations(at: Setting, chosen: Strategy, ranks: int) -> Iterator[Strategy]:
    for kind in CHECKPOINTING:
        single = chosen._replace(data=1, zero_stage=zero_stages(at, 1)[0], activation_checkpointing=kind)
        yield _accumulated(at, chosen if _same(single, chosen) else single)
        for stage in range(4) if ranks > 1 else ():
            yield _accumulated(at, single._replace(data=ranks, zero_stage=stage))


def _accumulated(at: Setting, strategy: Strategy) -> Strategy:
    """Return the strategy with the accumulation that its ranks need for the same global batch."""
    together = strategy.data * strategy.micro_batch_size
    return strategy._replace(gradient_accumulation=-(-at.global_batch_size // together))


def _same(strategy: Strategy, chosen: Strategy) -> bool:
    kind = chosen.activation_checkpointing
    return chosen.data == 1 and strategy.activation_checkpointing == kind


def _judged(at: Setting, strategy: Strategy, chosen: Strategy) -> Alternative:
    held = memory(at, strategy)
    why = "chosen" if strategy == chosen else _short_of_memory(held) or _reason(at, strategy, chosen)
    return Alternative(strategy, held, why)


def _short_of_memory(held: Memory) -> str:
    """Say that it does not fit, or may not; nothing where it does or where the capacity is unknown."""
    if held.capacity_bytes is None or held.fits is Fits.YES:
        return ""
    capacity = format_bytes(held.capacity_bytes)
    if held.fits is Fits.NO:
        return f"does not fit: {format_bytes(held.peak_bytes_per_gpu)} of {capacity}"
    return f"may not fit: up to {format_bytes(held.high)} of {capacity}"


def _reason(at: Setting, strategy: Strategy, chosen: Strategy) -> str:
    """Say how a strategy that fits compares with the chosen one."""
    if strategy.zero_stage not in EMITTED_ZERO_STAGES and strategy.zero_stage != chosen.zero_stage:
        return f"training with it is not emitted yet; `zero_stage: {strategy.zero_stage}` plans it"
    if strategy.data > 1 and strategy.zero_stage < min(zero_stages(at, strategy.data)):
        return "not with bf16: DeepSpeed's stage 0 skews Adam's bias correction"
    if strategy.data != chosen.data:
        return f"on {strategy.data} rank{'s' if strategy.data > 1 else ''} instead of {chosen.data}"
    if strategy.activation_checkpointing != chosen.activation_checkpointing:
        again = chosen.activation_checkpointing == CHECKPOINTING[0]
        return "computes the forward pass twice" if again else "keeps what the chosen one computes again"
    return "moves more between ranks" if strategy.zero_stage > chosen.zero_stage else "keeps more on each rank"
