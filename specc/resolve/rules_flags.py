"""Rules about `serve.extra_args`: flags of an engine, by exact name, type, range and what they must divide."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.serving import LAUNCHED, SECRETS, Engine
from specc.diagnostics import Diagnostic, did_you_mean, rule
from specc.resolve.case import Case, Rule, multiples_near, one_of


def without_gpu(case: Case) -> bool:
    """Return whether the spec has a server and no GPU for it."""
    return case.written.serve is not None and case.filled.gpu.memory_bytes is None


def _at(flag: str) -> str:
    return f"serve.extra_args.{flag}"


@rule("unknown-flag")
def unknown_flag(case: Case) -> Iterator[Diagnostic]:
    """`serve.extra_args` has a key that is no flag of the engine, or one that specc does not check.

    Why: the engine would find out only when it starts, on the machine that is paid for. Or not even then: SGLang takes
    any beginning of a flag's name for the flag.
    Example: `extra_args: {mem-fraction: 0.8}`; the flag is `mem-fraction-static`.
    Fix: the exact name, without dashes before it. Flags that are not listed can be given to `serve/launch.sh` behind
    the checkpoint.
    """
    engine = case.written.serve
    for flag in engine.extra_args if engine else ():
        if engine is None or flag in {*engine.flags, *engine.decided, *LAUNCHED, *SECRETS}:
            continue
        yield Diagnostic(
            code="unknown-flag",
            message=f"`{flag}` is none of the flags of {engine.title} {engine.version} that a spec may set",
            path=_at(flag),
            primary=case.at.key_label(_at(flag), "unknown flag"),
            note="flags stand for themselves: no dashes before them, no short forms, no beginnings of names",
            help=did_you_mean(flag.lstrip("-"), tuple(engine.flags), "flags"),
        )


@rule("flag-decided-elsewhere")
def flag_decided_elsewhere(case: Case) -> Iterator[Diagnostic]:
    """`serve.extra_args` sets what a key of the spec, the launcher or the environment decides.

    Why: two places for one value can contradict each other, and the plan reads only one of them. A secret does not
    belong into a file that is built, hashed and committed.
    Example: `extra_args: {tp-size: 2}`; the plan sizes the cache for `serve.parallel.tensor`.
    Fix: use the key; give a path, a port or a secret to `serve/launch.sh`.
    """
    engine = case.written.serve
    for flag in engine.extra_args if engine else ():
        if engine is None or flag not in {*engine.decided, *LAUNCHED, *SECRETS}:
            continue
        by_key = engine.decided.get(flag)
        yield Diagnostic(
            code="flag-decided-elsewhere",
            message=f"`{flag}` is decided elsewhere",
            path=_at(flag),
            primary=case.at.key_label(_at(flag), f"`{by_key}` decides it" if by_key else "`serve/launch.sh` gives it"),
            help=f"set `{by_key}`" if by_key else _at_start(flag),
        )


def _at_start(flag: str) -> str:
    """Return how the launcher is told."""
    if flag in ("host", "port"):
        return f"remove it: `{flag.upper()}=... bash serve/launch.sh CHECKPOINT`"
    return f"remove it; `bash serve/launch.sh CHECKPOINT --{flag} ...` passes it on"


@rule("flag-out-of-range")
def flag_out_of_range(case: Case) -> Iterator[Diagnostic]:
    """A flag in `serve.extra_args` has a value that it cannot take.

    Why: SGLang's parser accepts a share of memory of 1.5, and fails when the model is loaded.
    Example: `extra_args: {mem-fraction-static: 1.5}`.
    Fix: a value of the type and in the range that the message names.
    """
    engine = case.written.serve
    for flag, value in engine.extra_args.items() if engine else ():
        known = engine.flags.get(flag) if engine else None
        if known is None or known.takes(value):
            continue
        yield Diagnostic(
            code="flag-out-of-range",
            message=f"`{flag}` must be {known}",
            path=_at(flag),
            primary=case.at.label(_at(flag), "not possible"),
            help=f"set `{flag}` to {known}, or remove it: the plan decides what it can",
        )


def _pair(engine: Engine, first: str, second: str) -> tuple[int, int] | None:
    """Return two whole numbers of `extra_args` that are in their ranges, when both are there."""
    values = [engine.extra_args.get(flag) for flag in (first, second)]
    taken = [
        engine.flags[flag].takes(value)
        for flag, value in zip((first, second), values, strict=True)
        if value is not None
    ]
    return (int(values[0] or 0), int(values[1] or 0)) if len(taken) == 2 and all(taken) else None


@rule("flag-not-a-multiple")
def flag_not_a_multiple(case: Case) -> Iterator[Diagnostic]:
    """A prompt's chunk is no whole number of the cache's pages.

    Why: the cache is given out in pages; a chunk that ends inside of one is refused when the server starts, or wastes
    the rest of the page for every chunk.
    Example: `extra_args: {chunked-prefill-size: 100, page-size: 64}`.
    Fix: a multiple of the page, such as 128.
    """
    engine = case.written.serve
    for first, second in engine.multiples if engine else ():
        pair = _pair(engine, first, second) if engine else None
        if pair is None or pair[0] % pair[1] == 0:
            continue
        near = multiples_near(pair[1], pair[0])
        yield Diagnostic(
            code="flag-not-a-multiple",
            message=f"`{first}` {pair[0]} is no multiple of `{second}` {pair[1]}",
            path=_at(first),
            primary=case.at.label(_at(first), f"no multiple of {pair[1]}"),
            related=case.labels({_at(second): "the page"}),
            help=f"set `{first}` to {one_of(near)}",
        )


@rule("flag-too-small")
def flag_too_small(case: Case) -> Iterator[Diagnostic]:
    """A flag is smaller than another that it must hold.

    Why: each running request takes part in each step, so a step of fewer tokens than requests is refused by the engine,
    as is a cache that does not hold one chunk of a prompt.
    Example: `extra_args: {max-num-batched-tokens: 64, max-num-seqs: 256}`.
    Fix: raise the first or lower the second.
    """
    engine = case.written.serve
    for first, second in engine.bounded if engine else ():
        pair = _pair(engine, first, second) if engine else None
        if pair is not None and pair[0] < pair[1]:
            yield Diagnostic(
                code="flag-too-small",
                message=f"`{first}` {pair[0]} is less than `{second}` {pair[1]}",
                path=_at(first),
                primary=case.at.label(_at(first), f"less than {pair[1]}"),
                related=case.labels({_at(second): "what it must hold"}),
                help=f"set `{first}` to {pair[1]} or more",
            )


@rule("flag-not-on-device")
def flag_not_on_device(case: Case) -> Iterator[Diagnostic]:
    """A flag in `serve.extra_args` contradicts what makes the engine run without a GPU.

    Why: without a GPU there is one kind of attention and one schedule that work.
    Example: `extra_args: {attention-backend: flashinfer}` with `cluster: {gpu: cpu}`.
    Fix: remove the flag, or plan for a GPU.
    """
    engine = case.written.serve
    if engine is None or not without_gpu(case):
        return
    for flag, value, why in engine.recipe:
        if engine.extra_args.get(flag, value) != value:
            yield Diagnostic(
                code="flag-not-on-device",
                message=f"`{flag}` has one value that works without a GPU",
                path=_at(flag),
                primary=case.at.label(_at(flag), "needs a GPU"),
                related=case.labels({"cluster.gpu": "the device"}),
                note=why,
                help="remove it, or choose a GPU in `cluster.gpu`",
            )


@rule("context-longer-than-model")
def context_longer_than_model(case: Case) -> Iterator[Diagnostic]:
    """The server is to take longer requests than the model has positions for.

    Why: positions that the model never saw give nonsense; a table of positions has no entries for them at all.
    Example: `extra_args: {context-length: 8192}` with `model: {max_seq_len: 4096}`.
    Fix: at most `model.max_seq_len`.
    """
    engine, longest = case.written.serve, case.filled.spec.model.max_seq_len
    asked = engine.extra_args.get(engine.context_flag) if engine else None
    if engine is None or longest is None or not isinstance(asked, int) or asked <= longest:
        return
    path = _at(engine.context_flag)
    yield Diagnostic(
        code="context-longer-than-model",
        message=f"requests of {asked} tokens for a model of {longest} positions",
        path=path,
        primary=case.at.label(path, f"more than {longest}"),
        related=case.labels({"model.max_seq_len": "the model's positions"}),
        help=f"set it to {longest} or less, or remove it",
    )


RULES: tuple[Rule, ...] = (
    unknown_flag,
    flag_decided_elsewhere,
    flag_out_of_range,
    flag_not_a_multiple,
    flag_too_small,
    flag_not_on_device,
    context_longer_than_model,
)
