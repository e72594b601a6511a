"""The time of one optimizer step: a roofline with rates that were never measured on the machine at hand."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from specc.plan.setting import Setting
from specc.plan.shapes import PASSES, forward_attention_flops
from specc.plan.values import Share, Strategy, Throughput

# Rounded so that the median of 147 public data-parallel runs (MosaicML llm-foundry, torchtitan; A100 and H100) takes
# about the estimated time. Nothing is fitted to a device: A100s do better than this, H100s worse.
MATMUL_EFFICIENCY = 0.65
ATTENTION_EFFICIENCY = 0.30
MEMORY_EFFICIENCY = 0.80  # NVIDIA's aiconfigurator uses the same share of the rated bandwidth
LINK_EFFICIENCY = 0.80
# Communication that overlaps with compute still takes its multiprocessors and bandwidth.
OVERLAP_COST = 0.1
# Of each kept tensor: written and read in the forward pass; read, and its gradient written and read, in the backward.
MEMORY_PASSES = 5
# Of the logits' three fp32 tensors and the head's own output, in forward and backward.
LOGIT_BYTES = 40

# On the same runs the 10th and the 90th percentile of measured over estimated time are 0.90 and 1.39.
LOW_FACTOR = 0.85
HIGH_FACTOR = 1.4


class Work(NamedTuple):
    """What one device does in one optimizer step, in seconds."""

    matmul: float
    attention: float
    elementwise: float
    recompute: float
    optimizer: float
    communication: float

    @property
    def backward_window(self) -> float:
        """Time in which communication can hide: forward and backward passes."""
        return self.matmul + self.attention + self.elementwise + self.recompute


def throughput(at: Setting, strategy: Strategy, flops_per_token: int) -> Throughput | None:
    """Return the time of one optimizer step, or None where the device's rates are unknown.

    Args:
        at: The model and the machines.
        strategy: How the step is spread.
        flops_per_token: Of the model itself, for the MFU.
    """
    peak, bandwidth = at.gpu.flops.get(at.precision.compute), at.gpu.memory_bandwidth
    if peak is None or bandwidth is None:
        return None
    moved = _communication(at, strategy)
    if moved is None:
        return None
    work = _work(at, strategy, peak, bandwidth * MEMORY_EFFICIENCY, moved)
    breakdown = tuple(share for share in _breakdown(work) if share.microseconds)
    microseconds = sum(share.microseconds for share in breakdown)
    tokens = at.global_batch_size * at.sequence_length
    per_second = tokens * 1e6 / microseconds
    return Throughput(
        breakdown=breakdown,
        low_microseconds=round(LOW_FACTOR * microseconds),
        high_microseconds=round(HIGH_FACTOR * microseconds),
        tokens_per_second=per_second,
        tokens_per_second_per_gpu=per_second / strategy.data,
        mfu=per_second * flops_per_token / (peak * strategy.data),
    )


def _work(at: Setting, strategy: Strategy, peak: float, bandwidth: float, moved: float) -> Work:
    """Return the parts of a step; `bandwidth` in bytes per second of memory, `moved` in seconds of communication."""
    network = at.network
    tokens = at.global_batch_size * at.sequence_length // strategy.data
    forward = 2 * at.matmul_parameters * tokens / (peak * MATMUL_EFFICIENCY)
    # A kernel that takes a mask cannot skip the half that causality hides.
    full = 2 if at.masked else 1
    flops = full * forward_attention_flops(network, at.sequence_length) * tokens
    attention = flops / (peak * ATTENTION_EFFICIENCY)
    kept = at.kept_bytes(at.saved) * network.dims.num_layers
    elementwise = (MEMORY_PASSES * kept + LOGIT_BYTES * network.dims.vocab_size) * tokens / bandwidth
    head = 2 * network.dims.vocab_size * network.dims.hidden_size * tokens / (peak * MATMUL_EFFICIENCY)
    again = forward - head + attention if strategy.activation_checkpointing == "full" else 0.0
    return Work(
        matmul=PASSES * forward,
        attention=PASSES * attention,
        elementwise=elementwise,
        recompute=again,
        optimizer=_optimizer_bytes(at, strategy) / bandwidth,
        communication=moved,
    )


def _optimizer_bytes(at: Setting, strategy: Strategy) -> int:
    """Return what one rank reads and writes to accumulate gradients and to update its share of the weights."""
    precision = at.precision
    state = 2 * (at.moments * precision.moment_bytes + max(precision.master_bytes, precision.parameter_bytes))
    update = state + precision.gradient_bytes + precision.parameter_bytes
    shard = -(-at.parameters // strategy.data)
    updated = shard if strategy.zero_stage >= 1 else at.parameters
    accumulated = (strategy.gradient_accumulation - 1) * (shard if strategy.zero_stage >= 2 else at.parameters)
    # Accumulation reads a new and an old gradient and writes their sum.
    return update * updated + 3 * precision.gradient_bytes * accumulated


def _communication(at: Setting, strategy: Strategy) -> float | None:
    """Return the seconds that gradients and weights are under way in one step; None where a link is unknown."""
    if strategy.data == 1:
        return 0.0
    link = _link(at, strategy)
    if link is None:
        return None
    gradients = at.precision.gradient_bytes * at.parameters
    weights = at.precision.parameter_bytes * at.parameters
    rounds = strategy.gradient_accumulation
    # Each a reduce-scatter or an all-gather, in which a rank moves all but its own share.
    volume = {
        0: 2 * gradients,
        1: gradients + weights,
        2: rounds * gradients + weights,
        3: rounds * (gradients + 2 * weights),
    }[strategy.zero_stage]
    return volume * (strategy.data - 1) / strategy.data / (link * LINK_EFFICIENCY)


def _link(at: Setting, strategy: Strategy) -> float | None:
    """Return the bytes per second at which a ring over all ranks moves.

    A ring enters and leaves each node once, and there is one ring per network card, so all cards of a node carry it.
    """
    island = min(at.gpus_per_node, at.gpu.scale_up_gpus)
    if strategy.data <= at.gpu.scale_up_gpus and strategy.data <= at.gpus_per_node:
        return at.gpu.link_bytes_per_second
    network, link = at.network_bytes_per_second, at.gpu.link_bytes_per_second
    if network is None:
        return None
    if island == 1 or link is None:
        return network
    return min(link, island * network)


def _breakdown(work: Work) -> tuple[Share, ...]:
    """Return the parts that add up to the step, each rounded up to a microsecond."""
    hidden = min(work.communication, work.backward_window)
    exposed = work.communication - hidden + OVERLAP_COST * hidden
    parts = {
        "matmul": work.matmul,
        "attention": work.attention,
        "elementwise": work.elementwise,
        "recompute": work.recompute,
        "optimizer": work.optimizer,
        "communication": exposed,
    }
    return tuple(Share(cause, ceil(seconds * 1e6)) for cause, seconds in parts.items())
