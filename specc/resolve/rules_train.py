"""Rules about the length, the batches and the optimizer of training."""

from __future__ import annotations

from collections.abc import Iterator

from specc.diagnostics import Diagnostic, Severity, rule
from specc.resolve.case import Case, Rule, multiples_near, one_of
from specc.resolve.paths import get


@rule("sequence-longer-than-model")
def sequence_longer_than_model(case: Case) -> Iterator[Diagnostic]:
    """Training sequences are longer than the longest that the model is made for.

    Why: `max_seq_len` is what the model promises to everything after training: the table of learned positions, the
    cache of decoding, the server. Training beyond it either fails or wastes what it teaches.
    Example: `max_seq_len: 2048` with `train: {sequence_length: 4096}`.
    Fix: give only one of the two, or raise `max_seq_len`.
    """
    train, longest = case.written.train, case.written.model.max_seq_len
    # Without a length of its own the model is as long as the sequences of `train`.
    wanted = [("train", train.sequence_length, longest)] if train else []
    fixed = case.filled.spec.model.max_seq_len
    wanted += [(f"align.{i}", stage.sequence_length, fixed) for i, stage in enumerate(case.written.align or ())]
    for section, length, limit in wanted:
        if length is None or limit is None or length <= limit:
            continue
        path = f"{section}.sequence_length"
        yield Diagnostic(
            code="sequence-longer-than-model",
            message=f"sequences of {length} tokens do not fit a model for {limit}",
            path=path,
            primary=case.at.label(path, f"more than {limit}"),
            related=case.labels({case.said("model.max_seq_len", "train.sequence_length"): "the longest of the model"}),
            help=f"set `model.max_seq_len` to {length}, or remove `{path}`",
        )


@rule("tokens-and-steps")
def tokens_and_steps(case: Case) -> Iterator[Diagnostic]:
    """Training is given both a number of tokens and a number of steps.

    Why: each follows from the other, the batch and the sequence length; two numbers can contradict.
    Example: `train: {tokens: 260b, steps: 100k}`.
    Fix: remove one. `tokens` keeps its meaning when the batch changes.
    """
    train = case.written.train
    if train is None or train.tokens is None or train.steps is None:
        return
    yield Diagnostic(
        code="tokens-and-steps",
        message="`tokens` and `steps` both say how long to train",
        path="train.steps",
        primary=case.at.key_label("train.steps", "one of them too many"),
        related=(case.at.key_label("train.tokens", "says it already"),),
        help="remove one of them",
    )


@rule("batch-not-divisible")
def batch_not_divisible(case: Case) -> Iterator[Diagnostic]:
    """The global batch cannot be split evenly over ranks and forward passes.

    Why: an optimizer step is `ranks x micro_batch_size x gradient accumulation` sequences, all of them whole numbers.
    Example: `global_batch_size: 100` with `micro_batch_size: 8`, or on 16 devices.
    Fix: choose a multiple of ranks x micro_batch_size.
    """
    train, ranks = case.written.train, case.filled.ranks
    of_ranks = "1 rank" if ranks == 1 else f"{ranks} ranks"
    sections = (
        *([("train", train)] if train else []),
        *((f"align.{i}", s) for i, s in enumerate(case.written.align or ())),
    )
    for section, batches in sections:
        micro = batches.micro_batch_size if isinstance(batches.micro_batch_size, int) else 1
        size, unit = batches.global_batch_size, micro * ranks
        if size is None or size % unit == 0:
            continue
        path = f"{section}.global_batch_size"
        if not case.at.has(path) and case.at.has(f"{section}.micro_batch_size"):
            path = f"{section}.micro_batch_size"
        yield Diagnostic(
            code="batch-not-divisible",
            message=f"{size} sequences per step cannot be split over {of_ranks} by {micro}",
            path=path,
            primary=case.at.label(path, f"no multiple of {unit}"),
            related=case.labels(
                {
                    f"{section}.micro_batch_size": "sequences per rank and forward",
                    "cluster.gpus_per_node": "ranks per node",
                    "cluster.nodes": "nodes",
                }
            ),
            note="a step is ranks x micro_batch_size x accumulation sequences",
            help=f"set `global_batch_size` to {one_of(multiples_near(unit, size))}",
        )


@rule("warmup-longer-than-training")
def warmup_longer_than_training(case: Case) -> Iterator[Diagnostic]:
    """The learning rate would still be warming up when training ends.

    Why: warm-up counts optimizer steps. When it takes all of them, the rate never reaches its peak, and what the
    schedule does after warm-up has no effect.
    Example: `steps: 1000` with `schedule: {warmup: 2000}`.
    Fix: some hundred steps, or one to ten percent of training; leave it out for 10%, at most 2000 steps.
    """
    train, steps = case.written.train, case.filled.train.steps
    warmup = None if train is None else train.schedule.warmup
    if steps is None or not warmup or warmup < steps:
        return
    yield Diagnostic(
        code="warmup-longer-than-training",
        message=f"{warmup} steps of warm-up leave nothing of {steps} steps of training",
        path="train.schedule.warmup",
        primary=case.at.label("train.schedule.warmup", f"training has {steps} steps"),
        related=case.labels(dict.fromkeys(_length_of(case), f"makes {steps} steps")),
        help=f"set `warmup` to {max(steps // 10, 0)}, or train longer",
    )


def _length_of(case: Case) -> list[str]:
    """Return the keys that say how many steps there are."""
    said = [path for path in ("train.steps", "train.tokens") if case.at.has(path)]
    # Without either, the size of the model decides.
    return said or ["model.num_layers", "model.hidden_size", "train.global_batch_size"]


@rule("decay-longer-than-training")
def decay_longer_than_training(case: Case) -> Iterator[Diagnostic]:
    """The learning rate would have to decay before it has warmed up.

    Why: warm-up is the beginning of training and decay its end. Where they overlap, neither is what the spec says.
    Example: `steps: 1000` with `schedule: {kind: wsd, warmup: 300, decay: 800}`.
    Fix: a decay of 10% to 20% of training; leave it out for 20%.
    """
    steps, warmup, path = case.filled.train.steps, case.filled.train.schedule.warmup, "train.schedule.decay"
    if steps is None or warmup is None or warmup >= steps or not case.says(path):
        return
    decay, left = get(case.written, path), steps - warmup
    if decay <= left:
        return
    yield Diagnostic(
        code="decay-longer-than-training",
        message=f"{decay} steps of decay do not fit behind {warmup} of warm-up in {steps} steps of training",
        path=path,
        primary=case.at.label(path, f"at most {left} are left"),
        related=case.labels(
            {**dict.fromkeys(_length_of(case), f"makes {steps} steps"), "train.schedule.warmup": "steps of warm-up"}
        ),
        help=f"set `decay` to {left} or less, or train longer",
    )


@rule("tokens-below-one-step")
def tokens_below_one_step(case: Case) -> Iterator[Diagnostic]:
    """Fewer tokens are asked for than one optimizer step has.

    Why: training takes whole steps, so it would see more tokens than the spec says.
    Example: `tokens: 100k` where a step is 256 sequences of 2048 tokens.
    Fix: more tokens, or a smaller `global_batch_size`.
    """
    train, filled = case.written.train, case.filled.train
    per_step = (filled.global_batch_size or 1) * (filled.sequence_length or 1)
    if train is None or train.tokens is None or train.tokens >= per_step:
        return
    yield Diagnostic(
        code="tokens-below-one-step",
        severity=Severity.WARNING,
        message=f"training sees {per_step} tokens in its only step, more than the {train.tokens} asked for",
        path="train.tokens",
        primary=case.at.label("train.tokens", f"less than one step of {per_step} tokens"),
        related=case.labels(
            {"train.global_batch_size": "sequences per step", "train.sequence_length": "tokens per sequence"}
        ),
        help="ask for more tokens, or give a smaller `global_batch_size`",
    )


@rule("betas-out-of-range")
def betas_out_of_range(case: Case) -> Iterator[Diagnostic]:
    """A decay of Adam's moments is negative, or not below 1.

    Why: each moment is a running mean `m = beta x m + (1 - beta) x new`; with 1 it never moves, beyond it diverges.
    Example: `betas: [0.9, 1.0]`.
    Fix: `[0.9, 0.95]` is usual for language models; `[0.9, 0.999]` for long, small-batch training.
    """
    train = case.written.train
    for index, beta in enumerate(train.optimizer.betas if train else ()):
        if not 0 <= beta < 1:
            path = f"train.optimizer.betas.{index}"
            yield Diagnostic(
                code="betas-out-of-range",
                message=f"{beta:g} is no decay of a moment",
                path=path,
                primary=case.at.label(path, "must be at least 0 and less than 1"),
                help="set `betas` to `[0.9, 0.95]`",
            )


RULES: tuple[Rule, ...] = (
    sequence_longer_than_model,
    tokens_and_steps,
    batch_not_divisible,
    warmup_longer_than_training,
    decay_longer_than_training,
    tokens_below_one_step,
    betas_out_of_range,
)
