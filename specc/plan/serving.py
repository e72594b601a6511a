"""What devices can hold when they serve the model, and the size of the server that a spec asks for."""

from __future__ import annotations

from typing import NamedTuple

from specc.catalog.base import Dims
from specc.catalog.gpu import Gpu
from specc.catalog.served import Sized, Sizing, tensor_degrees
from specc.catalog.serving import Engine
from specc.catalog.training import PRECISIONS
from specc.plan.setting import Setting
from specc.plan.values import Servers, Serving, Shapes
from specc.resolve.values import Resolved
from specc.units import format_bytes, format_seconds

WEIGHT_BYTES = 2  # bf16
# The rest is for activations, graphs and the allocator: SGLang's `mem_fraction_static` and vLLM's
# `gpu_memory_utilization` are near it by default.
USABLE_PERCENT = 90
# Long prompts read at a good half of a device's dense peak, with what is around the matmuls: a share on the safe side.
PREFILL_EFFICIENCY = 0.4
BACKWARD_FACTOR = 3  # forward and backward together, in forwards
CHUNKS = tuple(2**power for power in range(13, 6, -1))  # 8192, SGLang's own choice for 80 GB, down to 128
CPU_RUNNING = 8
CPU_CACHE_BYTES = 2**30


def serving(at: Setting, shapes: Shapes) -> Serving:
    """Return how many sequences of full length one device holds beside bf16 weights; 0 where not even those fit."""
    if at.gpu.memory_bytes is None:
        return Serving(shapes.kv_bytes_per_token, None)
    free = at.gpu.memory_bytes * USABLE_PERCENT // 100 - WEIGHT_BYTES * shapes.parameters
    sequence = shapes.kv_bytes_per_token * at.network.dims.max_seq_len
    return Serving(shapes.kv_bytes_per_token, max(free // sequence, 0))


class _Served(NamedTuple):
    """What the size of a server follows from.

    Attributes:
        element: Bytes of one weight, and of one number of the cache.
        devices: Devices of one node.
    """

    engine: Engine
    dims: Dims
    gpu: Gpu
    shapes: Shapes
    devices: int
    weights: str
    element: int

    @property
    def weight_bytes(self) -> int:
        return self.element * self.shapes.parameters

    @property
    def kv_token_bytes(self) -> int:
        return self.shapes.kv_bytes_per_token // WEIGHT_BYTES * self.element

    @property
    def context(self) -> int:
        return int(self.engine.extra_args.get(self.engine.context_flag, self.dims.max_seq_len))

    def memory_share(self) -> float:
        """Return the share of a device's memory that weights and cache may fill."""
        assert self.gpu.memory_bytes is not None
        usable = self.gpu.memory_bytes * USABLE_PERCENT // 100 - self.gpu.context_bytes
        return max(usable * 100 // self.gpu.memory_bytes, 1) / 100

    def tokens(self, tensor: int) -> int:
        """Return the tokens that the cache of one replica holds."""
        assert self.gpu.memory_bytes is not None
        room = int(self.gpu.memory_bytes * self.memory_share()) * tensor - self.weight_bytes
        return max(room // self.kv_token_bytes, 0)

    def first_token_seconds(self, tensor: int, tokens: int) -> float | None:
        """Return the time to read so many tokens of a prompt; None where the device's speed is unknown."""
        rate = self.gpu.flops.get(self.weights)
        forward = self.shapes.flops_per_token / BACKWARD_FACTOR
        return None if rate is None else forward * tokens / (rate * PREFILL_EFFICIENCY * tensor)

    def step_seconds(self, tensor: int, requests: int) -> float | None:
        """Return the time of one step of decoding full contexts: all weights and caches are read once."""
        if self.gpu.memory_bandwidth is None:
            return None
        cached = min(requests * self.context, self.tokens(tensor)) * self.kv_token_bytes
        return (self.weight_bytes + cached) / (self.gpu.memory_bandwidth * tensor)


def servers(resolved: Resolved, shapes: Shapes) -> Servers | None:
    """Return the size of the server for the spec's device, and for a machine without a GPU; None without `serve`."""
    engine = resolved.spec.serve
    if engine is None:
        return None
    weights = engine.precision.weights
    assert weights is not None
    why = resolved.origins["serve.precision.weights"].detail
    machines = resolved.machines
    served = _Served(
        engine,
        resolved.network.dims,
        machines.gpu,
        shapes,
        machines.gpus_per_node,
        weights,
        PRECISIONS[weights].compute_bytes,
    )
    full = max(PRECISIONS.values(), key=lambda precision: precision.compute_bytes)
    plain = engine.model_copy(update={"extra_args": {}})
    tried = served._replace(engine=plain, weights=full.compute, element=full.compute_bytes)
    planned = _without_gpu(served, why) if machines.gpu.memory_bytes is None else _with_gpu(served, why)
    return Servers(planned, _without_gpu(tried, "answers as the checkpoint does"))


def _without_gpu(served: _Served, why: str) -> Sizing:
    """Return a server that fits on any machine: a few requests, a cache of a GiB or one context."""
    context, asked, kv_bytes = served.context, served.engine.target.concurrency, served.kv_token_bytes
    running = asked or CPU_RUNNING
    tokens = max(min(running * context, CPU_CACHE_BYTES // kv_bytes), context)
    one = Sized(1, "one process")
    return Sizing(
        weights=served.weights,
        weights_why=why,
        kv_token_bytes=kv_bytes,
        tensor=one,
        data=one,
        context=_context(served),
        running=Sized(running, "serve.target.concurrency" if asked else "a few: they share the cores"),
        chunk=_paged(served, next((c for c in CHUNKS if c <= context), CHUNKS[-1]), "a whole prompt, or most of it"),
        tokens=Sized(
            tokens, f"{format_bytes(tokens * kv_bytes)} of cache: {_times(tokens // context, 'full context')}"
        ),
        memory=None,
    )


def _with_gpu(served: _Served, why: str) -> Sizing:
    tensor = _tensor(served)
    degree = int(tensor.value)
    data = _data(served, degree)
    running = _running(served, degree, int(data.value))
    tokens = served.tokens(degree)
    share = served.memory_share()
    held = f"{format_bytes(served.weight_bytes)} of weights and {tokens:,} tokens of cache"
    rest = f"{100 - round(100 * share)}% is left to activations, graphs and the driver"
    return Sizing(
        weights=served.weights,
        weights_why=why,
        kv_token_bytes=served.kv_token_bytes,
        tensor=tensor,
        data=data,
        context=_context(served),
        running=running,
        chunk=_chunk(served, degree, int(running.value)),
        tokens=Sized(tokens, held),
        memory=Sized(share, f"{held} on {degree} x {served.gpu.name}; {rest}"),
    )


def _times(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _context(served: _Served) -> Sized:
    if served.context != served.dims.max_seq_len:
        return Sized(served.context, "the spec's `serve.extra_args`")
    return Sized(served.context, "model.max_seq_len")


def _tensor(served: _Served) -> Sized:
    asked = served.engine.parallel.tensor
    if asked != "auto":
        return Sized(asked, "serve.parallel.tensor")
    possible = list(tensor_degrees(served.dims, served.devices))
    meeting = [degree for degree in possible if _meets(served, degree)]
    if meeting:
        return Sized(meeting[0], "the fewest devices on which model and targets fit")
    return Sized(possible[-1], "the most that can share a layer; fewer hold no full context, or miss a target")


def _meets(served: _Served, tensor: int) -> bool:
    """Return whether a full context fits and, by a roofline, the targets are met."""
    target = served.engine.target
    first = served.first_token_seconds(tensor, served.context)
    step = served.step_seconds(tensor, 1)
    late = target.ttft is not None and first is not None and first > target.ttft
    slow = target.tpot is not None and step is not None and step > target.tpot
    return served.tokens(tensor) >= served.context and not late and not slow


def _data(served: _Served, tensor: int) -> Sized:
    asked, wanted = served.engine.parallel.data, served.engine.target.concurrency
    if asked != "auto":
        return Sized(asked, "serve.parallel.data")
    if wanted is None:
        return Sized(1, "no `serve.target.concurrency` asks for more")
    each = max(served.tokens(tensor) // served.context, 1)
    needed = -(-wanted // each)
    return Sized(max(min(needed, served.devices // tensor), 1), f"one holds {each} of {wanted} full contexts")


def _running(served: _Served, tensor: int, data: int) -> Sized:
    full = served.tokens(tensor) // served.context
    wanted = served.engine.target.concurrency
    if wanted is None:
        return Sized(max(full, 1), f"so many contexts of {served.context:,} tokens fit")
    share = -(-wanted // data)
    over = f"; {full} of full length fit, more wait or share" if share > full else ""
    return Sized(
        share, f"serve.target.concurrency over {data} replicas{over}" if data > 1 else f"serve.target.concurrency{over}"
    )


def _chunk(served: _Served, tensor: int, running: int) -> Sized:
    """Return the longest piece of a prompt that may be read between two tokens of the running requests."""
    limit, step = served.engine.target.tpot, served.step_seconds(tensor, running)
    if limit is None or step is None:
        return _paged(served, CHUNKS[0], "long enough to keep the device busy")
    for chunk in CHUNKS:
        read = served.first_token_seconds(tensor, chunk)
        if read is not None and read + step <= limit:
            both = f"{format_seconds(read)} beside {format_seconds(step)} of decoding"
            return _paged(served, chunk, f"{both}, within serve.target.tpot")
    return _paged(served, CHUNKS[-1], f"the least; decoding alone takes {format_seconds(step)} of serve.target.tpot")


def _paged(served: _Served, chunk: int, why: str) -> Sized:
    """Return a chunk of whole pages, where the spec says how long pages are."""
    pages = [int(served.engine.extra_args.get(page, 1)) for _, page in served.engine.multiples]
    page = max(pages, default=1)
    return Sized(max(chunk // page, 1) * page, why)
