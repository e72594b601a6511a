"""Values that follow from others: one small function each, which also says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from specc.catalog.base import Dims
from specc.catalog.gpu import DEFAULT_GPU, GPUS, Gpu
from specc.catalog.model import Network
from specc.catalog.tokenizer import Trained
from specc.catalog.training import PRECISIONS
from specc.resolve.paths import get, has, put
from specc.resolve.stages import fill_stages
from specc.spec.schema import Cluster, Spec
from specc.spec.train_schema import Parallel, Train

TOKENS_PER_PARAMETER = 20
"""Compute-optimal for a dense decoder (Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models")."""

TOKENS_PER_STEP = 2**19
"""Half a million tokens, the batch of GPT-3's models of about a billion parameters (Brown et al. 2020, table 2.1)."""

MAX_SEQ_LEN = 2048
MAX_WARMUP = 2000
MAX_CHECKPOINT_INTERVAL = 1000

ASSUMED: Mapping[str, type[Train] | type[Parallel] | type[Cluster]] = MappingProxyType(
    {"train": Train, "parallel": Parallel, "cluster": Cluster}
)
"""The sections that the planner needs: their defaults stand in where a spec has none."""


class Because(NamedTuple):
    """A derived value and the reason for it."""

    value: object
    reason: str


class Filled(NamedTuple):
    """A spec with the sections that the planner needs and with every value that can be derived.

    Attributes:
        spec: The completed spec; a value is None only where what it follows from is unknown.
        train: Its training section.
        cluster: Its machines.
        gpu: Its device; the default one while a rule refuses an unknown name.
        reasons: Why each derived value is what it is, by dotted path.
    """

    spec: Spec
    train: Train
    cluster: Cluster
    gpu: Gpu
    reasons: Mapping[str, str]

    @property
    def ranks(self) -> int:
        """Number of devices."""
        return self.cluster.gpus_per_node * self.cluster.nodes


def fill(spec: Spec) -> Filled:
    """Return the spec with everything filled in that follows from what it says. Never fails."""
    absent = {name: section.model_construct() for name, section in ASSUMED.items() if getattr(spec, name) is None}
    filled = _filled(spec.model_copy(update=absent), {})
    for path, derive in DERIVATIONS.items():
        if has(filled.spec, path) and get(filled.spec, path) is None:
            because = derive(filled)
            if because is not None:
                filled = _filled(put(filled.spec, path, because.value), {**filled.reasons, path: because.reason})
    stages = fill_stages(filled.spec, network(filled.spec))
    return _filled(stages.spec, {**filled.reasons, **stages.reasons})


def dims(spec: Spec) -> Dims | None:
    """Return every size of the network; None while the vocabulary is unknown."""
    model = spec.model
    sizes = (model.vocab_size, model.max_seq_len, model.num_kv_heads, model.head_dim, model.ffn.intermediate_size)
    vocab_size, max_seq_len, num_kv_heads, head_dim, intermediate_size = sizes
    if not (vocab_size and max_seq_len and num_kv_heads and head_dim and intermediate_size):
        return None
    return Dims(
        vocab_size=vocab_size,
        max_seq_len=max_seq_len,
        num_layers=model.num_layers,
        hidden_size=model.hidden_size,
        num_heads=model.num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        intermediate_size=intermediate_size,
    )


def network(spec: Spec) -> Network | None:
    """Return the network; None while the vocabulary is unknown."""
    sizes, model = dims(spec), spec.model
    if sizes is None:
        return None
    return Network(
        dims=sizes,
        attention=model.attention,
        position=model.position,
        ffn=model.ffn,
        norm=model.norm,
        dropout=model.dropout,
        init=model.init,
        tie_embeddings=model.tie_embeddings,
    )


def _filled(spec: Spec, reasons: Mapping[str, str]) -> Filled:
    train, cluster = spec.train, spec.cluster
    assert train is not None
    assert cluster is not None
    return Filled(spec, train, cluster, device(cluster), reasons)


def device(cluster: Cluster) -> Gpu:
    """Return the device by its name, or from the numbers that the spec gives."""
    gpu = cluster.gpu
    if isinstance(gpu, str):
        return GPUS.get(gpu, GPUS[DEFAULT_GPU])
    return gpu.gpu()


def _max_seq_len(filled: Filled) -> Because:
    if filled.train.sequence_length is not None:
        return Because(filled.train.sequence_length, "train.sequence_length")
    return Because(MAX_SEQ_LEN, "a common length to train at; no train.sequence_length to follow")


def _vocab_size(filled: Filled) -> Because | None:
    tokenizer = filled.spec.tokenizer
    if not isinstance(tokenizer, Trained) or tokenizer.vocab_size is None:
        return None
    return Because(tokenizer.vocab_size, "tokenizer.vocab_size")


def _tokenizer_vocab_size(filled: Filled) -> Because | None:
    size = filled.spec.model.vocab_size
    return None if size is None else Because(size, "model.vocab_size")


def _num_kv_heads(filled: Filled) -> Because:
    model = filled.spec.model
    # A rule refuses a kind that leaves the number open, in a spec that leaves it open too.
    heads = model.attention.fixed_kv_heads(model.num_heads) or model.num_heads
    return Because(heads, f"fixed by attention.kind {model.attention.kind}")


def _head_dim(filled: Filled) -> Because:
    model = filled.spec.model
    # A rule refuses heads that do not divide the width.
    return Because(max(model.hidden_size // model.num_heads, 1), "hidden_size / num_heads")


def _intermediate_size(filled: Filled) -> Because:
    model = filled.spec.model
    return Because(*model.ffn.default_width(model.hidden_size))


def _sequence_length(filled: Filled) -> Because:
    return Because(filled.spec.model.max_seq_len, "model.max_seq_len")


def _precision(filled: Filled) -> Because:
    safe, *fast = sorted(PRECISIONS.values(), key=lambda precision: -precision.compute_bytes)
    gpu = filled.gpu
    if not gpu.flops:
        shorter = " and ".join(precision.compute for precision in fast)
        return Because(safe.compute, f"runs on any {gpu.name}; {shorter} is slower than {safe.compute} on most")
    for precision in fast:
        if precision.compute in gpu.flops:
            return Because(precision.compute, f"{gpu.name} has it, and it needs no loss scale")
    return Because(safe.compute, f"{gpu.name} has no {' or '.join(p.compute for p in fast)}")


def _served_precision(filled: Filled) -> Because:
    """Return what training would choose: the shortest type that the device has."""
    if filled.gpu.memory_bytes is None:
        full = max(PRECISIONS.values(), key=lambda precision: precision.compute_bytes)
        return Because(full.compute, f"a CPU is no faster with less, and {full.compute} answers as the checkpoint does")
    return _precision(filled)


def _bandwidth(filled: Filled) -> Because | None:
    usual = filled.gpu.network_bytes_per_second
    return None if usual is None else Because(usual, f"the usual network of {filled.gpu.name}")


def _global_batch_size(filled: Filled) -> Because:
    length, micro = filled.train.sequence_length or 1, filled.train.micro_batch_size
    together = filled.ranks * (micro if isinstance(micro, int) else 1)
    batch = max(TOKENS_PER_STEP // length // together, 1) * together
    return Because(batch, "about half a million tokens per step, the same number on every rank")


def _tokens(filled: Filled) -> Because | None:
    train = filled.train
    if train.steps is not None:
        tokens = train.steps * _tokens_per_step(train)
        return Because(tokens, "steps x global_batch_size x sequence_length")
    net = network(filled.spec)
    if net is None:
        return None
    tokens = TOKENS_PER_PARAMETER * net.parameter_count()
    return Because(tokens, f"{TOKENS_PER_PARAMETER} per parameter (Hoffmann et al. 2022)")


def _steps(filled: Filled) -> Because | None:
    tokens = filled.train.tokens
    if tokens is None:
        return None
    return Because(-(-tokens // _tokens_per_step(filled.train)), "tokens / (global_batch_size x sequence_length)")


def _tokens_per_step(train: Train) -> int:
    return (train.global_batch_size or 1) * (train.sequence_length or 1)


def _warmup(filled: Filled) -> Because | None:
    steps = filled.train.steps
    return None if steps is None else Because(min(MAX_WARMUP, steps // 10), f"10% of steps, at most {MAX_WARMUP}")


def _decay(filled: Filled) -> Because | None:
    steps, warmup = filled.train.steps, filled.train.schedule.warmup
    if steps is None or warmup is None:
        return None
    usual, left = max(steps // 5, 1), max(steps - warmup, 1)
    if left < usual:
        return Because(left, "all that the warm-up leaves")
    return Because(usual, "20% of steps (Haegele et al. 2024)")


def _checkpoint_interval(filled: Filled) -> Because | None:
    steps, most = filled.train.steps, MAX_CHECKPOINT_INTERVAL
    return None if steps is None else Because(min(max(steps // 10, 1), most), f"10% of steps, at most {most}")


def _validation_interval(filled: Filled) -> Because | None:
    every = filled.train.checkpoint.every
    return None if every is None else Because(every, "train.checkpoint.every")


def _launcher(filled: Filled) -> Because:
    if filled.cluster.nodes > 1:
        return Because("torchrun", f"the ranks are on {filled.cluster.nodes} nodes")
    return Because("local", "all ranks are on one node")


DERIVATIONS: Mapping[str, Callable[[Filled], Because | None]] = MappingProxyType(
    {
        "model.max_seq_len": _max_seq_len,
        "model.vocab_size": _vocab_size,
        "tokenizer.vocab_size": _tokenizer_vocab_size,
        "model.num_kv_heads": _num_kv_heads,
        "model.head_dim": _head_dim,
        "model.ffn.intermediate_size": _intermediate_size,
        "train.sequence_length": _sequence_length,
        "train.precision": _precision,
        "cluster.network.bandwidth_per_gpu": _bandwidth,
        "train.global_batch_size": _global_batch_size,
        "train.tokens": _tokens,
        "train.steps": _steps,
        "train.schedule.warmup": _warmup,
        "train.schedule.decay": _decay,
        "train.checkpoint.every": _checkpoint_interval,
        "eval.every": _validation_interval,
        "cluster.launcher": _launcher,
        "serve.precision.weights": _served_precision,
    }
)
"""Every value that is derived when the spec does not say it; each may read those before it."""
