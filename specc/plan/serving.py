"""What one device can hold when it serves the model."""

from __future__ import annotations

from specc.plan.setting import Setting
from specc.plan.values import Serving, Shapes

WEIGHT_BYTES = 2  # bf16
# The rest is for activations, graphs and the allocator: SGLang's `mem_fraction_static` and vLLM's
# `gpu_memory_utilization` are near it by default.
USABLE_PERCENT = 90


def serving(at: Setting, shapes: Shapes) -> Serving:
    """Return how many sequences of full length one device holds beside bf16 weights; 0 where not even those fit."""
    if at.gpu.memory_bytes is None:
        return Serving(shapes.kv_bytes_per_token, None)
    free = at.gpu.memory_bytes * USABLE_PERCENT // 100 - WEIGHT_BYTES * shapes.parameters
    sequence = shapes.kv_bytes_per_token * at.network.dims.max_seq_len
    return Serving(shapes.kv_bytes_per_token, max(free // sequence, 0))
