"""Rules about what a training run does beside its steps: checkpoints, evaluation, loggers, and steps that go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from specc.diagnostics import Diagnostic, Severity, rule
from specc.resolve.case import Case, Rule, multiples_near, one_of, repeats
from specc.resolve.paths import get

INTERVALS: Mapping[str, str] = MappingProxyType(
    {
        "train.checkpoint.every": "only the last step is saved",
        "train.checkpoint.keep_every": "no checkpoint is kept for good",
        "train.logging.every": "nothing is reported before the end",
        "eval.every": "nothing is evaluated before the end",
    }
)
"""Keys that count the steps between two events, and what becomes of events that lie behind the last step."""

# What an evaluation lacks, and what gives it.
NO_TRAINING = ("no training", "a `train` section")
NOTHING_HELD_OUT = ("no held-out documents", "`validation: {fraction: 0.005}` to `data`")


@rule("interval-longer-than-training")
def interval_longer_than_training(case: Case) -> Iterator[Diagnostic]:
    """Something is to happen every so many steps, and training ends before.

    Why: it would not happen at all while the model trains; a run that is interrupted before its first checkpoint
    starts again from nothing.
    Example: `steps: 500` with `checkpoint: {every: 1000}`.
    Fix: a smaller number, or leave it out: checkpoints come at every 10% of training, at most 1000 steps apart.
    """
    steps = case.filled.train.steps
    for path, effect in INTERVALS.items():
        if steps is None or not case.says(path) or get(case.written, path) <= steps:
            continue
        yield Diagnostic(
            code="interval-longer-than-training",
            severity=Severity.WARNING,
            message=f"training ends after {steps} steps: {effect}",
            path=path,
            primary=case.at.label(path, f"training has {steps} steps"),
            related=case.labels(dict.fromkeys(("train.steps", "train.tokens"), f"makes {steps} steps")),
            help=f"set `{path.rpartition('.')[2]}` to {steps} or less, or remove it",
        )


@rule("keep-every-not-a-multiple")
def keep_every_not_a_multiple(case: Case) -> Iterator[Diagnostic]:
    """The steps whose checkpoints are kept for good are not the steps at which checkpoints are written.

    Why: `keep_every` chooses from what `every` writes. Where it is no multiple, most of the steps it names have no
    checkpoint.
    Example: `checkpoint: {every: 1000, keep_every: 1500}` keeps only every third thousand.
    Fix: choose a multiple of `every`.
    """
    every, kept = case.filled.train.checkpoint.every, case.filled.train.checkpoint.keep_every
    if every is None or kept is None or kept % every == 0:
        return
    yield Diagnostic(
        code="keep-every-not-a-multiple",
        message=f"checkpoints are written every {every} steps: most multiples of {kept} have none",
        path="train.checkpoint.keep_every",
        primary=case.at.label("train.checkpoint.keep_every", f"no multiple of {every}"),
        related=case.labels({"train.checkpoint.every": "steps between checkpoints"}),
        help=f"set `keep_every` to {one_of(multiples_near(every, kept))}",
    )


@rule("stability-empty")
def stability_empty(case: Case) -> Iterator[Diagnostic]:
    """The list of what is done about steps that went wrong is empty.

    Why: without an entry for `nonfinite`, a single loss that is not a number would be taken as a step, and every weight
    would be NaN from then on, without a word.
    Example: `stability: []`.
    Fix: remove the key for `[{when: nonfinite, do: skip, limit: 3}]`; `limit: 1` stops at the first such step.
    """
    train = case.written.train
    if train is not None and not train.stability:
        yield Diagnostic(
            code="stability-empty",
            message="nothing is said about steps whose loss is not a number",
            path="train.stability",
            primary=case.at.label("train.stability", "no entry"),
            note="one such step would turn every weight into NaN",
            help="remove `stability`, or set it to `[{when: nonfinite, do: skip, limit: 3}]`",
        )


@rule("duplicate-policy")
def duplicate_policy(case: Case) -> Iterator[Diagnostic]:
    """Two entries of `stability` are about the same event.

    Why: one of them would have no effect, and nobody could tell which.
    Example: `stability: [{when: nonfinite, limit: 3}, {when: nonfinite, limit: 10}]`.
    Fix: keep one entry for each `when`.
    """
    policies = case.written.train.stability if case.written.train else ()
    items = ((f"train.stability.{index}", policy.when) for index, policy in enumerate(policies))
    named = ((f"{item}.when" if case.at.has(f"{item}.when") else item, when) for item, when in items)
    for when, path, first in repeats(named):
        yield Diagnostic(
            code="duplicate-policy",
            message=f"two entries say what to do about `{when}`",
            path=path,
            primary=case.at.label(path, "again"),
            related=(case.at.label(first, "said here already"),),
            help="remove one of them",
        )


@rule("duplicate-logger")
def duplicate_logger(case: Case) -> Iterator[Diagnostic]:
    """A logger is named twice.

    Why: every number would be written twice to the same place.
    Example: `logging: {to: [tensorboard, tensorboard]}`.
    Fix: name each logger once.
    """
    loggers = case.written.train.logging.to if case.written.train else ()
    for name, path, first in repeats((f"train.logging.to.{index}", name) for index, name in enumerate(loggers)):
        yield Diagnostic(
            code="duplicate-logger",
            message=f"`{name}` is named twice",
            path=path,
            primary=case.at.label(path, "again"),
            related=(case.at.label(first, "first named here"),),
            help="name it once",
        )


@rule("logging-without-effect")
def logging_without_effect(case: Case) -> Iterator[Diagnostic]:
    """An interval of logging is given, and no logger.

    Why: `every` is for the loggers of `to`. `metrics.jsonl` has every step, whatever is said here.
    Example: `logging: {every: 100}`.
    Fix: add `to: [tensorboard]`, or remove `every`.
    """
    train, path = case.written.train, "train.logging.every"
    if train is None or train.logging.to or not case.says(path):
        return
    yield Diagnostic(
        code="logging-without-effect",
        message="`every` has no effect without a logger",
        path=path,
        primary=case.at.key_label(path, "no logger to report to"),
        related=case.labels({"train.logging.to": "no logger"}),
        note="metrics.jsonl has every step",
        help="add `to: [tensorboard]`, or remove `every`",
    )


@rule("eval-without-effect")
def eval_without_effect(case: Case) -> Iterator[Diagnostic]:
    """The spec says how to evaluate, and there is nothing to evaluate or nothing to evaluate it on.

    Why: what is evaluated is the model in training, on documents that are held out; without either, the section
    changes nothing.
    Example: an `eval` section in a spec without `train`, or whose `data` has no `validation`.
    Fix: add `validation: {fraction: 0.005}` to `data`, or remove `eval`.
    """
    train, data = case.written.train, case.written.data
    if case.written.eval is None or (train is not None and data is not None and data.validation is not None):
        return
    lacks, add = NO_TRAINING if train is None else NOTHING_HELD_OUT
    where = "train" if train is None else "data.validation" if case.at.has("data.validation") else "data"
    yield Diagnostic(
        code="eval-without-effect",
        message=f"`eval` has no effect: {lacks}",
        path="eval",
        primary=case.at.key_label("eval", lacks),
        related=(case.at.key_label(where, lacks),) if case.at.has(where) else (),
        help=f"add {add}, or remove `eval`",
    )


RULES: tuple[Rule, ...] = (
    interval_longer_than_training,
    keep_every_not_a_multiple,
    stability_empty,
    duplicate_policy,
    duplicate_logger,
    logging_without_effect,
    eval_without_effect,
)
