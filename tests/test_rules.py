"""The rules together: one mistake is one error, and no spec makes a rule crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.diagnostics import CompileFailed, Severity
from specc.pipeline.checking import check
from specc.plan import plan
from specc.resolve import as_yaml, resolve
from specc.resolve.paths import leaves
from specc.spec import load_text
from tests.test_resolve import FULL, resolved

COMPLETE = as_yaml(plan(resolved(FULL)).resolved)


@pytest.mark.parametrize("path", [leaf.path for leaf in leaves(resolved(FULL).spec) if leaf.value is not None])
@pytest.mark.parametrize("junk", ["{bad: [1]}", "nonsense"])
def test_one_mistake_is_one_error(path: str, junk: str, tmp_path: Path) -> None:
    """Rules say nothing about values that could not be read."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(COMPLETE)
    found = [d for d in check(str(spec), [f"{path}={junk}"]) if d.severity is Severity.ERROR]

    assert [d.path for d in found if not d.path.startswith(path)] == []


def test_a_wrong_item_hides_nothing_else(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(COMPLETE)
    found = check(str(spec), ["train.logging.to=[wandb, nonsense]", "train.logging.every=5", "cluster.gpu=h100"])

    assert {diagnostic.path for diagnostic in found} == {"train.logging.to.0", "train.logging.to.1", "cluster.gpu"}


COUNTS = st.one_of(st.integers(1, 70), st.sampled_from([2**10, 10**6, 10**18]))
NUMBERS = st.floats(0, 1e300, exclude_min=True)


@st.composite
def odd_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a spec that the schema accepts, however absurd."""

    def maybe(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | strategy)

    model: dict[str, Any] = {key: draw(COUNTS) for key in ("num_layers", "hidden_size", "num_heads")}
    model |= {key: maybe(COUNTS) for key in ("num_kv_heads", "head_dim", "vocab_size", "max_seq_len")}
    model["attention"] = draw(st.sampled_from([{}, {"kind": "mha"}, {"kind": "gqa"}, {"kind": "mqa"}]))
    model["position"] = draw(st.sampled_from(["rope", "learned"]))
    train: dict[str, Any] = {key: maybe(COUNTS) for key in ("tokens", "steps", "sequence_length", "global_batch_size")}
    train |= {"micro_batch_size": draw(COUNTS | st.just("auto")), "precision": maybe(st.sampled_from(["fp32", "bf16"]))}
    decay = {"kind": "wsd", "decay": maybe(COUNTS)}
    train["schedule"] = {"warmup": maybe(st.integers(0, 10**18)), **draw(st.sampled_from([{}, decay]))}
    train["checkpoint"] = {"every": maybe(COUNTS), "keep_every": maybe(COUNTS)}
    train["stability"] = draw(st.sampled_from([[], ["nonfinite"], [{"limit": 1}] * 2]))
    train["logging"] = {"every": draw(COUNTS), "to": draw(st.sampled_from([[], ["tensorboard"]]))}
    train["optimizer"] = {"betas": [draw(st.floats(-1, 2)), 0.9], "lr": draw(NUMBERS)}
    gpu = st.sampled_from(["cpu", "h100-sxm", "v100-32gb", "tpu-v5e", "h100", "", "a" * 99])
    cluster: dict[str, Any] = {"gpu": draw(gpu), "gpus_per_node": draw(COUNTS), "nodes": draw(COUNTS)}
    sections: dict[str, Any] = {
        "eval": {"every": maybe(COUNTS)},
        "train": train,
        "cluster": cluster,
        "parallel": {"zero_stage": draw(st.sampled_from([0, 3, "auto"]))},
    }
    sections["tokenizer"] = {
        "vocab_size": maybe(COUNTS),
        "special_tokens": {"eos": draw(st.sampled_from("ab")), "pad": "a"},
    }
    kept = draw(st.sets(st.sampled_from(sorted(sections))))
    return {"specc": 1, "name": "odd", "model": model, **{name: sections[name] for name in kept}}


@given(odd_specs())
def test_no_spec_makes_a_rule_crash(spec: dict[str, Any]) -> None:
    loaded = load_text(json.dumps(spec), "odd.yaml")
    try:
        found = resolve(loaded)
    except CompileFailed as failed:
        assert Severity.ERROR in {diagnostic.severity for diagnostic in failed.diagnostics}
    else:
        assert plan(found).estimate.shapes.parameters > 0
