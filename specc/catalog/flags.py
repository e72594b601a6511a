"""Flags of serving engines that a spec may set: their exact names and what each takes.

The engines' own parsers are no check: SGLang's takes any beginning of a name, a share of memory of 1.5, and degrees
that do not divide the model. A test compares every row with the parser of the version that is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MANY = 2**31 - 1
FlagValue = bool | int | float | str
_NAMES = {bool: "`true` or `false`", int: "a whole number", float: "a number", str: "a string"}


class Flag(NamedTuple):
    """What one flag takes.

    Attributes:
        type: bool, int, float or str.
        low: Smallest number; of an int or float.
        high: Largest number.
        choices: The only strings, where they are few.
    """

    type: type[FlagValue]
    low: float = 0
    high: float = MANY
    choices: tuple[str, ...] = ()

    def takes(self, value: FlagValue) -> bool:
        """Return whether the value has the type, without conversion, and lies in the range."""
        # A whole number is a number as well; true is none.
        fits = type(value) is self.type or (self.type is float and type(value) is int)
        if not fits or isinstance(value, bool):
            return fits
        if isinstance(value, str):
            return value in self.choices if self.choices else value.isprintable() and value != ""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.choices:
            return f"one of {', '.join(f'`{choice}`' for choice in self.choices)}"
        limits = f" from {self.low} to {self.high}" if self.high != MANY else f" of {self.low} or more"
        return _NAMES[self.type] + (limits if self.type in (int, float) else "")


SWITCH = Flag(bool)
COUNT = Flag(int, 1)
FROM_ZERO = Flag(int, 0)
TEXT = Flag(str)
SHARE = Flag(float, 0.01, 0.99)

SGLANG: Mapping[str, Flag] = {
    # memory
    "mem-fraction-static": SHARE,
    "max-total-tokens": COUNT,
    "page-size": Flag(int, 1, 256),
    "context-length": COUNT,
    # schedule
    "max-running-requests": COUNT,
    "max-queued-requests": COUNT,
    "chunked-prefill-size": COUNT,
    "max-prefill-tokens": COUNT,
    "prefill-max-requests": COUNT,
    "schedule-policy": Flag(str, choices=("lpm", "random", "fcfs", "dfs-weight", "lof", "shortest-prefill-first")),
    "schedule-conservativeness": Flag(float, 0.01, 10),
    "enable-mixed-chunk": SWITCH,
    "disable-overlap-schedule": SWITCH,
    "num-continuous-decode-steps": Flag(int, 1, 64),
    "scheduler-recv-interval": COUNT,
    # cache of prefixes
    "disable-radix-cache": SWITCH,
    "radix-eviction-policy": Flag(str, choices=("lru", "lfu")),
    "enable-cache-report": SWITCH,
    # kernels
    "attention-backend": Flag(str, choices=("triton", "torch_native", "flashinfer", "fa3")),
    "sampling-backend": Flag(str, choices=("pytorch", "flashinfer")),
    "disable-decode-cuda-graph": SWITCH,
    "disable-prefill-cuda-graph": SWITCH,
    "cuda-graph-max-bs-decode": COUNT,
    "enable-deterministic-inference": SWITCH,
    "triton-attention-reduce-in-fp32": SWITCH,
    "disable-custom-all-reduce": SWITCH,
    # constrained output
    "grammar-backend": Flag(str, choices=("xgrammar", "llguidance", "none")),
    "constrained-json-disable-any-whitespace": SWITCH,
    # answers
    "stream-interval": COUNT,
    "incremental-streaming-output": SWITCH,
    "allow-auto-truncate": SWITCH,
    "random-seed": FROM_ZERO,
    # the process
    "tokenizer-worker-num": Flag(int, 1, 64),
    "watchdog-timeout": Flag(float, 1, 86_400),
    "sleep-on-idle": SWITCH,
    "skip-server-warmup": SWITCH,
    "fastapi-root-path": TEXT,
    # what it says
    "log-level": Flag(str, choices=("debug", "info", "warning", "error", "critical")),
    "log-level-http": Flag(str, choices=("debug", "info", "warning", "error", "critical")),
    "log-requests": SWITCH,
    "log-requests-level": Flag(int, 0, 3),
    "decode-log-interval": COUNT,
    "enable-metrics": SWITCH,
    "enable-request-time-stats-logging": SWITCH,
}
"""Of SGLang 0.5.23."""

VLLM: Mapping[str, Flag] = {
    # memory
    "gpu-memory-utilization": SHARE,
    "max-model-len": COUNT,
    "block-size": Flag(int, 1, 256),
    "num-gpu-blocks-override": COUNT,
    "kv-cache-memory-bytes": COUNT,
    # schedule
    "max-num-seqs": COUNT,
    "max-num-batched-tokens": COUNT,
    "enable-chunked-prefill": SWITCH,
    "long-prefill-token-threshold": FROM_ZERO,
    "scheduling-policy": Flag(str, choices=("fcfs", "priority")),
    "async-scheduling": SWITCH,
    # cache of prefixes
    "enable-prefix-caching": SWITCH,
    "prefix-caching-hash-algo": Flag(str, choices=("sha256", "sha256_cbor", "xxhash", "xxhash_cbor")),
    "enable-prompt-tokens-details": SWITCH,
    # kernels
    "enforce-eager": SWITCH,
    "disable-custom-all-reduce": SWITCH,
    "disable-cascade-attn": SWITCH,
    "performance-mode": Flag(str, choices=("balanced", "interactivity", "throughput")),
    "max-cudagraph-capture-size": COUNT,
    # answers
    "max-logprobs": Flag(int, 0, 1000),
    "stream-interval": COUNT,
    "sse-keep-alive-interval": FROM_ZERO,
    "seed": Flag(int, 0, 2**32 - 1),
    "response-role": TEXT,
    "enable-force-include-usage": SWITCH,
    "return-tokens-as-token-ids": SWITCH,
    # the process
    "shutdown-timeout": FROM_ZERO,
    "root-path": TEXT,
    "disable-fastapi-docs": SWITCH,
    # what it says
    "uvicorn-log-level": Flag(str, choices=("debug", "info", "warning", "error", "critical", "trace")),
    "disable-uvicorn-access-log": SWITCH,
    "enable-log-requests": SWITCH,
    "enable-server-load-tracking": SWITCH,
    "max-log-len": COUNT,
    "disable-log-stats": SWITCH,
}
"""Of vLLM 0.32."""
