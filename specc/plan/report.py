"""The plan as `specc plan --json` prints it. Users script against the keys: add, never rename."""

from __future__ import annotations

from typing import Any

from specc.diagnostics import as_json
from specc.plan.values import Alternative, Decided, Memory, Strategy, Throughput

DIGITS = 6


def plan_json(decided: Decided) -> dict[str, Any]:
    """Return the plan as JSON values: whole bytes and counts, other numbers in six digits, unknown ones null."""
    resolved, estimate = decided.resolved, decided.estimate
    return {
        "specc": resolved.spec.specc,
        "name": resolved.spec.name,
        "model": estimate.shapes._asdict(),
        "strategy": _strategy(decided.strategy),
        "memory": {**_memory(estimate.memory), "ledger": [entry._asdict() for entry in estimate.memory.ledger]},
        "throughput": _throughput(estimate.throughput),
        "cost": {key: _rounded(value) for key, value in estimate.cost._asdict().items()},
        "serving": _serving(decided),
        "alternatives": [_alternative(alternative, decided) for alternative in estimate.alternatives],
        "assumptions": list(estimate.assumptions),
        "diagnostics": [as_json(warning) for warning in resolved.warnings],
    }


def _serving(decided: Decided) -> dict[str, Any]:
    """Return what one device holds in 16 bits; where the spec has a server, what that holds, and its size."""
    serving, servers = decided.estimate.serving._asdict(), decided.servers
    if servers is None:
        return serving
    sizing = servers.planned
    tokens, context, replicas = int(sizing.tokens.value), int(sizing.context.value), int(sizing.data.value)
    return {
        "kv_bytes_per_token": sizing.kv_token_bytes,
        "max_concurrent_sequences": tokens // context * replicas,
        "tensor": int(sizing.tensor.value),
        "data": replicas,
        "cache_tokens": tokens,
        "max_running_requests": int(sizing.running.value),
        "prefill_chunk": int(sizing.chunk.value),
    }


def _strategy(strategy: Strategy) -> dict[str, Any]:
    keys = ("data", "tensor", "pipeline", "context", "expert", "zero_stage", "micro_batch_size")
    values = strategy._asdict()
    return {key: values[key] for key in (*keys, "gradient_accumulation", "activation_checkpointing")}


def _memory(memory: Memory) -> dict[str, Any]:
    return {
        "peak_bytes_per_gpu": memory.peak_bytes_per_gpu,
        "low": memory.low,
        "high": memory.high,
        "capacity_bytes": memory.capacity_bytes,
        "fits": memory.fits.value,
    }


def _throughput(throughput: Throughput | None) -> dict[str, Any]:
    keys = ("step_seconds", "low", "high", "tokens_per_second_per_gpu", "tokens_per_second", "mfu")
    if throughput is None:
        return {**dict.fromkeys(keys), "breakdown": []}
    return {
        "step_seconds": _seconds(throughput.step_microseconds),
        "low": _seconds(throughput.low_microseconds),
        "high": _seconds(throughput.high_microseconds),
        "tokens_per_second_per_gpu": _rounded(throughput.tokens_per_second_per_gpu),
        "tokens_per_second": _rounded(throughput.tokens_per_second),
        "mfu": _rounded(throughput.mfu),
        "breakdown": [{"cause": s.cause, "seconds": _seconds(s.microseconds)} for s in throughput.breakdown],
    }


def _seconds(microseconds: int) -> float:
    """Return seconds that keep every microsecond, so that the breakdown adds up."""
    return microseconds / 1_000_000


def _alternative(alternative: Alternative, decided: Decided) -> dict[str, Any]:
    ledger = {entry.cause: entry.bytes for entry in alternative.memory.ledger}
    chosen = alternative.strategy == decided.strategy
    return {
        "strategy": _strategy(alternative.strategy),
        "memory": {**_memory(alternative.memory), "ledger": ledger},
        "chosen": chosen,
        "why": alternative.why,
    }


def _rounded(value: float | None) -> float | None:
    """Return the number in six digits, as many as anyone should read."""
    return None if value is None else float(f"{value:.{DIGITS}g}")
