"""The memory ledger: what is on one device when most is.

Training peaks at one of two instants. When the backward pass starts, everything that the blocks kept is there, and
the logits with their gradient. When it goes through a block, the logits are gone, but a block that is computed again
holds all that it keeps, and gradients of its tensors are there.
"""

from __future__ import annotations

from collections.abc import Iterable

from specc.catalog.base import Kept, Saved
from specc.plan.setting import FP32_BYTES, MASK_BYTES, Setting
from specc.plan.values import Entry, Memory, Strategy

# Physics-only ledgers of this kind were off by 5% (median) and 15% (90th percentile) on 20 public torchtitan runs,
# and by 17% (median), all of it too little, on 69 runs read from nvidia-smi: allocators round up and fragment.
LOW_PERCENT = 95
HIGH_PERCENT = 118

BUCKET_ELEMENTS = 500_000_000  # DeepSpeed's default `reduce_bucket_size`
# Measured by NVIDIA's aiconfigurator (systems/h100_sxm.yaml @095f58a) for 2 and for 4 to 8 devices.
NCCL_BYTES_PAIR = 342 * 2**20
NCCL_BYTES = 392 * 2**20
GATHERED_BLOCKS = 2  # the one in use and the one being fetched
# cross_entropy's backward holds three tensors of fp32: log-probabilities, their gradient, and that of the logits.
LOSS_TENSORS = 3


def memory(at: Setting, strategy: Strategy) -> Memory:
    """Return the ledger of one device at the instant of its peak."""
    steady = (*_states(at, strategy), *_communication(at, strategy), *_framework(at, strategy))
    instants = (_at_the_loss(at, strategy), _in_a_block(at, strategy))
    moving = max(instants, key=lambda entries: sum(entry.bytes for entry in entries))
    ledger = tuple(entry for entry in (*steady, *moving) if entry.bytes)
    peak = sum(entry.bytes for entry in ledger)
    return Memory(
        ledger=ledger,
        low=peak * LOW_PERCENT // 100,
        high=-(-peak * HIGH_PERCENT // 100),
        capacity_bytes=at.gpu.memory_bytes,
    )


def _shard(elements: int, strategy: Strategy, from_stage: int) -> tuple[int, str]:
    """Return the elements that one rank holds of what ZeRO shards from a stage on, and how to say so."""
    if strategy.zero_stage < from_stage or strategy.data == 1:
        return elements, f"{elements:,} parameters"
    return -(-elements // strategy.data), f"{elements:,} parameters / {strategy.data} ranks"


def _states(at: Setting, strategy: Strategy) -> Iterable[Entry]:
    """Return weights, gradients and optimizer state."""
    precision = at.precision
    weights, weights_text = _shard(at.parameters, strategy, 3)
    yield Entry("weights", precision.parameter_bytes * weights, f"{precision.parameter_bytes} B x {weights_text}")
    master_bytes, reason = precision.master_bytes, "fp32 weights that the optimizer updates"
    if not master_bytes and strategy.zero_stage:
        # DeepSpeed clones its shard to fp32 even where the weights are fp32 already.
        master_bytes, reason = FP32_BYTES, "ZeRO's own fp32 copy"
    master, master_text = _shard(at.parameters, strategy, 1)
    yield Entry("master weights", master_bytes * master, f"{master_bytes} B x {master_text}: {reason}")
    gradients, gradients_text = _shard(at.parameters, strategy, 2)
    yield Entry("gradients", precision.gradient_bytes * gradients, f"{precision.gradient_bytes} B x {gradients_text}")
    size = at.moments * precision.moment_bytes
    state, state_text = _shard(at.parameters, strategy, 1)
    yield Entry("optimizer state", size * state, f"{at.moments} x {precision.moment_bytes} B x {state_text}")


def _communication(at: Setting, strategy: Strategy) -> Iterable[Entry]:
    """Return what ZeRO holds to move gradients and weights between ranks."""
    if strategy.data == 1 or not strategy.zero_stage:
        return
    bucket = min(BUCKET_ELEMENTS, at.parameters)
    size = at.precision.gradient_bytes
    yield Entry("gradient bucket", size * bucket, f"{size} B x min(5e8, parameters): DeepSpeed's reduce_bucket_size")
    if strategy.zero_stage < 3:
        return
    gathered = min(at.parameters, GATHERED_BLOCKS * at.layer_parameters + at.largest_outer)
    size = at.precision.parameter_bytes
    why = f"{size} B x {gathered:,}: {GATHERED_BLOCKS} x `Block`, and the largest tensor outside of them"
    yield Entry("gathered weights", size * gathered, why)


def _framework(at: Setting, strategy: Strategy) -> Iterable[Entry]:
    """Return what the driver and NCCL take; nothing on a processor."""
    if not at.gpu.context_bytes:
        return
    yield Entry("driver context", at.gpu.context_bytes, "CUDA context and kernels, as measured on such a device")
    if strategy.data > 1:
        size = NCCL_BYTES_PAIR if strategy.data == 2 else NCCL_BYTES
        yield Entry("NCCL buffers", size, "channels between ranks, as measured on one node")


def _at_the_loss(at: Setting, strategy: Strategy) -> Iterable[Entry]:
    """Return what is there when the backward pass starts."""
    tokens = strategy.micro_batch_size * at.sequence_length
    logits = tokens * at.network.dims.vocab_size
    why = f"{LOSS_TENSORS} x fp32 x {tokens:,} tokens x {at.network.dims.vocab_size:,}: `loss_sum` and its backward"
    return (
        *_activations(at, strategy),
        Entry("logits", LOSS_TENSORS * FP32_BYTES * logits, why),
    )


def _in_a_block(at: Setting, strategy: Strategy) -> Iterable[Entry]:
    """Return what is there while the backward pass goes through a block."""
    tokens = strategy.micro_batch_size * at.sequence_length
    widest = max(at.saved, key=lambda s: s.elements)
    again = _block_bytes(at) if strategy.activation_checkpointing == "full" else 0
    # The gradients of an operation's input and of its output.
    gradients = 2 * widest.elements * at.precision.compute_bytes
    why = f"{tokens:,} tokens: gradients of `{widest.what}`"
    return (
        *_activations(at, strategy),
        Entry("block", tokens * (again + gradients), why + (" beside a `Block` computed again" if again else "")),
    )


def _block_bytes(at: Setting) -> int:
    """Return the bytes per token that one block keeps, with its copy of the mask."""
    # The kernels that take a mask want it as numbers, and each block keeps its own.
    mask = at.sequence_length * at.precision.compute_bytes if at.masked else 0
    return at.kept_bytes(at.saved) + mask


def _activations(at: Setting, strategy: Strategy) -> Iterable[Entry]:
    """Return what all blocks keep for the backward pass, and what stands around them."""
    network, size = at.network, at.precision.compute_bytes
    layers, width = network.dims.num_layers, network.dims.hidden_size
    tokens = strategy.micro_batch_size * at.sequence_length
    if strategy.activation_checkpointing == "full":
        per_layer, what = size * width, "the input of each `Block`, computed again in the backward pass"
    else:
        per_layer, what = _block_bytes(at), f"{len(at.saved)} tensors kept in each `Block` (`Attention`, `MLP`)"
    why = f"{layers} layers x {tokens:,} tokens x {per_layer:,} B: {what}"
    yield Entry("activations", layers * tokens * per_layer, why)
    head = at.kept_bytes((*network.norm.saved(width), Saved("head input", width, Kept.COMPUTE)))
    yield Entry("final norm", tokens * head, f"{tokens:,} tokens x {head:,} B: inputs of the last norm and of the head")
    if at.masked:
        elements = tokens * at.sequence_length
        yield Entry("document mask", MASK_BYTES * elements, f"{tokens:,} tokens x {at.sequence_length:,} positions")
