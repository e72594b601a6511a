"""What `resolve` fills into the sections of training: schedule, checkpoints, evaluation, policies, launcher."""

from __future__ import annotations

import pytest

from specc.resolve import as_yaml, document
from specc.resolve.paths import get
from specc.spec.nodes import Origin
from tests.test_resolve import SPEC, resolved

HELD_OUT = """\
tokenizer: {vocab_size: 512}
data: {sources: [{name: docs, path: text}], validation: {fraction: 0.1}}
"""


@pytest.mark.parametrize(
    ("sections", "path", "value", "reason"),
    [
        ("train: {steps: 1000}\n", "train.schedule.warmup", 100, "10% of steps"),
        ("train: {steps: 100k}\n", "train.schedule.warmup", 2000, "at most 2000"),
        ("train: {steps: 1}\n", "train.schedule.warmup", 0, "10% of steps"),
        ("train: {steps: 1000, schedule: wsd}\n", "train.schedule.decay", 200, "20% of steps"),
        ("train: {steps: 1, schedule: wsd}\n", "train.schedule.decay", 1, "20% of steps"),
        ("train: {steps: 100, schedule: {kind: wsd, warmup: 90}}\n", "train.schedule.decay", 10, "the warm-up leaves"),
        ("train: {steps: 500}\n", "train.checkpoint.every", 50, "10% of steps"),
        ("train: {steps: 5}\n", "train.checkpoint.every", 1, "10% of steps"),
        ("train: {steps: 100k}\n", "train.checkpoint.every", 1000, "at most 1000"),
        (f"{HELD_OUT}train: {{steps: 500}}\neval: {{}}\n", "eval.every", 50, "train.checkpoint.every"),
        ("cluster: {gpus_per_node: 2}\n", "cluster.launcher", "local", "on one node"),
        ("cluster: {nodes: 2}\n", "cluster.launcher", "torchrun", "on 2 nodes"),
        ("train: {}\n", "train.precision", "bf16", "h100-sxm has it"),
        ("train: {}\ncluster: {gpu: v100-32gb}\n", "train.precision", "fp32", "v100-32gb has no bf16"),
        ("train: {}\ncluster: {gpu: cpu}\n", "train.precision", "fp32", "bf16 is slower than fp32 on most"),
    ],
)
def test_derived_value(sections: str, path: str, value: object, reason: str) -> None:
    found = resolved(SPEC + sections)

    assert get(found.spec, path) == value
    assert found.origins[path].kind == "derived"
    assert reason in found.origins[path].detail


def test_keys_that_python_cannot_name_are_read_and_printed() -> None:
    found = resolved(f"{SPEC}train: {{checkpoint: {{async: false}}}}\n")

    assert found.origins["train.checkpoint.async"] == Origin("user", "tiny.yaml:8")
    assert get(found.spec, "train.checkpoint.async") is False
    assert "    async: false  # user tiny.yaml:8\n" in as_yaml(found)
    assert document(found)["train"]["checkpoint"]["async"] is False


def test_an_interval_without_a_logger_is_said_and_not_repeated() -> None:
    silent, logged = (resolved(f"{SPEC}train: {{logging: {{to: {to}}}}}\n") for to in ("[]", "[tensorboard]"))

    assert "    # every: 10  # default: enough for a curve\n" in as_yaml(silent)
    assert document(silent)["train"]["logging"] == {"to": []}
    assert document(logged)["train"]["logging"] == {"every": 10, "to": ["tensorboard"]}


@pytest.mark.parametrize(
    ("sections", "every"),
    [
        ("train: {steps: 500}\n", None),
        (f"{HELD_OUT}train: {{steps: 500}}\n", 50),
        (f"{HELD_OUT}train: {{steps: 500}}\neval: {{}}\n", 50),
        (f"{HELD_OUT}train: {{steps: 500}}\neval: {{every: 7}}\n", 7),
        (f"{HELD_OUT}train: {{steps: 500, checkpoint: {{every: 20}}}}\neval: {{}}\n", 20),
    ],
)
def test_held_out_documents_are_evaluated(sections: str, every: int | None) -> None:
    assert resolved(SPEC + sections).run.validate_every == every


def test_a_non_finite_step_is_skipped_unless_the_spec_says_more() -> None:
    (policy,) = get(resolved(f"{SPEC}train: {{}}\n").spec, "train.stability")

    assert (policy.when, policy.do, policy.limit) == ("nonfinite", "skip", 3)
