"""Where a training step's memory and time go, measured inside the process that takes it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._inductor import config as inductor
from torch.profiler import ProfilerActivity

STEPS = 6  # to look at
PLACES: tuple[tuple[str, str], ...] = (
    ("attention", r"scaled_dot_product"),
    ("loss over the vocabulary", r"softmax|nll_loss|cross_entropy"),
    ("matmul", r"^aten::(mm|addmm|bmm|linear|matmul)$"),
    ("optimizer, clipping", r"adam|Optimizer\.|linalg_vector_norm|_foreach|clip"),
    ("embedding", r"embedding|index"),
    ("norms, rotary, activation, sums", r"^graph_\d+_|^aten::"),
)
"""Names of operators, by what they are for; the first pattern that is found counts."""

REST = "Python, dispatch, autograd"


def name_kernels() -> None:
    """Let compiled kernels show up in profiles; while nobody looks, that costs next to nothing."""
    inductor.cpp.enable_kernel_profile = True


def profile(step: Callable[[int], object]) -> dict[str, float]:
    """Return the milliseconds of a step by what they were spent on; they add up to its wall time."""
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as seen:
        started = time.perf_counter()
        for number in range(STEPS):
            step(number)
        wall = time.perf_counter() - started
    spent = {place: 0.0 for place, _ in PLACES}
    for event in seen.key_averages():
        if place := place_of(event.key):
            spent[place] += event.self_cpu_time_total / 1e3 / STEPS
    return {**spent, REST: wall * 1e3 / STEPS - sum(spent.values())}


def place_of(name: str) -> str | None:
    """Return what an operator is for; None for those that only call others."""
    return next((place for place, pattern in PLACES if re.search(pattern, name)), None)


def memory(step: Callable[[int], object], tensors: Callable[[], Iterator[Tensor]], imported: int) -> dict[str, int]:
    """Return the most bytes that steps took: of tensors, and of the process above what its imports took."""
    reset_peak()
    for number in range(STEPS):
        step(number)
    resident_peak = status("VmHWM") - imported
    return {"tensors": tensor_peak(step, tensors), "process": resident_peak}


def tensor_peak(step: Callable[[int], object], tensors: Callable[[], Iterator[Tensor]]) -> int:
    """Return the most bytes of tensors at any moment of a step."""
    held: dict[int, int] = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors()
    }
    with torch.profiler.profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step(0)
    kineto: Any = seen.profiler
    events = [event for event in kineto.kineto_results.events() if event.name() == "[memory]"]
    changes: list[int] = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return sum(held.values()) + max(accumulate(changes, initial=0))


def resident() -> int:
    """Return the bytes of memory that this process takes now."""
    return status("VmRSS")


def reset_peak() -> None:
    """Forget how much memory this process took before."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def status(name: str) -> int:
    """Return an entry, in bytes, of what Linux says of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
