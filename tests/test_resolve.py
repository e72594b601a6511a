"""Defaults, derivations, origins and rules: what `resolve` fills in and says about it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specc.diagnostics import CompileFailed, Diagnostic, Severity, Source
from specc.plan import plan
from specc.resolve import Resolved, as_yaml, document, implied, model_document, resolve
from specc.resolve.paths import get, leaves
from specc.resolve.yaml_text import flow
from specc.spec import load_text
from specc.spec.nodes import Mapping, Origin, to_data
from specc.spec.source import parse
from tests.spec_space import specs
from tests.specs import MINIMAL

SPEC = f"{MINIMAL}  vocab_size: 512\n"
FULL = f"""\
{SPEC}  num_kv_heads: 2
  dropout: 0.1
  norm: layernorm
tokenizer: {{vocab_size: 512, chat_template: chatml}}
data:
  sources:
    - {{name: docs, path: text}}
    - {{name: "two words", path: "$${{HOME}}/*.txt"}}
  validation: {{}}
train:
  tokens: 1b
  sequence_length: 128
  schedule: wsd
  logging: {{to: [tensorboard]}}
parallel: {{zero_stage: 2, tensor: auto, context: auto, pipeline: auto, expert: auto}}
cluster: {{gpu: a100-80gb, gpus_per_node: 4, nodes: 2}}
align:
  - {{name: sft, kind: sft, data: [{{path: chats.jsonl, format: chat}}], peft: lora}}
  - {{name: more, kind: sft, data: [{{path: tasks.jsonl, format: alpaca}}], validation: null}}
eval: {{}}
serve:
  target: {{concurrency: 300, tpot: 50ms}}
  parallel: {{expert: auto}}
  sampling: {{temperature: 0.7}}
  extra_args: {{schedule-policy: lpm, mem-fraction-static: 0.8, log-requests: true, max-queued-requests: 7}}
"""


def resolved(text: str, *overrides: str) -> Resolved:
    return resolve(load_text(text, "tiny.yaml", overrides))


def broken(text: str, *overrides: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileFailed) as caught:
        resolved(text, *overrides)
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("sections", "path", "value", "reason"),
    [
        ("", "model.num_kv_heads", 4, "fixed by attention.kind mha"),
        ("  attention: mqa\n", "model.num_kv_heads", 1, "fixed by attention.kind mqa"),
        ("  num_kv_heads: 2\n", "model.attention.kind", "gqa", "num_kv_heads is given"),
        ("", "model.head_dim", 16, "hidden_size / num_heads"),
        ("", "model.max_seq_len", 2048, "no train.sequence_length"),
        ("train: {sequence_length: 128}\n", "model.max_seq_len", 128, "train.sequence_length"),
        ("", "model.ffn.intermediate_size", 192, "8/3 x hidden_size"),
        ("  ffn: gelu\n", "model.ffn.intermediate_size", 256, "4 x hidden_size"),
        ("tokenizer: bpe\n", "tokenizer.vocab_size", 512, "model.vocab_size"),
        ("  max_seq_len: 64\ntrain: {}\n", "train.sequence_length", 64, "model.max_seq_len"),
        ("train: {sequence_length: 512}\n", "train.global_batch_size", 1024, "half a million tokens"),
        ("train: {sequence_length: 512, micro_batch_size: 48}\n", "train.global_batch_size", 1008, "half a million"),
        ("train: {sequence_length: 1Mi}\n", "train.global_batch_size", 1, "half a million"),
        ("train: {steps: 10, sequence_length: 512}\n", "train.tokens", 10 * 2**19, "steps x"),
        ("train: {tokens: 1048577, sequence_length: 512}\n", "train.steps", 3, "tokens / "),
        ("cluster: {nodes: 2}\n", "cluster.network.bandwidth_per_gpu", 50e9, "usual network of h100-sxm"),
    ],
)
def test_derived_value(sections: str, path: str, value: object, reason: str) -> None:
    found = resolved(SPEC + sections)

    assert get(found.spec, path) == value
    assert found.origins[path].kind == "derived"
    assert reason in found.origins[path].detail


def test_vocabulary_from_the_tokenizer() -> None:
    assert resolved(f"{MINIMAL}tokenizer: {{vocab_size: 4k}}\n").network.dims.vocab_size == 4000


def test_tokens_follow_the_parameters() -> None:
    """The lengths of an unsaid run: 20 tokens per parameter (Hoffmann et al. 2022)."""
    found = resolved(f"{SPEC}train: {{}}\n")

    assert get(found.spec, "train.tokens") == 20 * sum(p.numel for p in found.network.parameters().values())


def test_ranks_share_the_batch() -> None:
    found = resolved(f"{SPEC}cluster: {{gpus_per_node: 8, nodes: 3}}\n")

    assert found.machines.ranks == 24
    assert found.run.global_batch_size % 24 == 0


def test_run_is_a_whole_number_of_steps() -> None:
    run = resolved(f"{SPEC}train: {{tokens: 1000001, global_batch_size: 10, sequence_length: 100}}\n").run

    assert (run.steps, run.tokens) == (1001, 1_001_000)


def test_absent_sections_are_assumed_and_stay_absent() -> None:
    found = resolved(SPEC)

    assert found.assumed == ("train", "parallel", "cluster")
    assert found.machines.gpu.name == "h100-sxm"
    assert found.run.steps > 0
    assert list(document(found)) == ["specc", "name", "model"]
    assert not [path for path in found.origins if path.startswith(("train", "parallel", "cluster"))]


@pytest.mark.parametrize(
    ("line", "path", "origin"),
    [
        ("  head_dim: 8\n", "model.head_dim", Origin("user", "tiny.yaml:8")),
        ("  head_dim: null\n", "model.head_dim", Origin("derived", "hidden_size / num_heads")),
        ("  dropout: 0.1\n", "model.dropout.residual", Origin("user", "tiny.yaml:8")),
        ("  dropout: {residual: 0.1}\n", "model.dropout.attention", None),
        ("  attention: mqa\n", "model.attention.kind", Origin("user", "tiny.yaml:8")),
        ("  attention: mqa\n", "model.attention.bias", None),
        ("  attention: {bias: qkv}\n", "model.attention.kind", Origin("default", "each head its own keys")),
        ("", "model.norm.eps", Origin("default", "as in Llama 2 and 3")),
        ("tokenizer: bpe\n", "tokenizer.pattern", Origin("default", "splits numbers into threes")),
        ("tokenizer: {}\n", "tokenizer.kind", Origin("default", "")),
        ("data: {sources: [{name: a, path: b}]}\n", "data.sources.0.path", Origin("user", "tiny.yaml:8")),
        ("train: {optimizer: {betas: [0.8, 0.9]}}\n", "train.optimizer.betas", Origin("user", "tiny.yaml:8")),
    ],
)
def test_origin(line: str, path: str, origin: Origin | None) -> None:
    found = resolved(SPEC + line).origins[path]

    assert found == origin if origin else found.kind == "default"


def test_origin_of_overrides_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERS", "3")
    found = resolved(SPEC, "model.num_layers=${env:LAYERS}", "model.head_dim=8")

    assert found.origins["model.num_layers"] == Origin("environment", "LAYERS=3")
    assert found.origins["model.head_dim"] == Origin("override", "--set model.head_dim=8")


def test_every_value_has_an_origin_and_defaults_have_reasons() -> None:
    found = resolved(FULL)

    assert set(found.origins) == {leaf.path for leaf in leaves(found.spec) if "." in leaf.path or leaf.value}
    unexplained = [path for path, origin in found.origins.items() if origin.kind == "default" and not origin.detail]
    assert unexplained == ["tokenizer.kind", "data.sources.0.format", "data.sources.1.format", "serve.engine"]


def test_planner_closes_what_is_open() -> None:
    found = plan(resolved(FULL)).resolved

    assert "auto" not in json.dumps(document(found))
    assert found.origins["train.micro_batch_size"].kind == "planner"
    assert found.origins["parallel.zero_stage"].kind == "user"


def same(text: str) -> None:
    """Require that the printed spec is a spec with the same meaning, to the last decision."""
    first = plan(resolved(text))
    again = plan(resolved(as_yaml(first.resolved)))

    assert document(again.resolved) == document(first.resolved)
    assert implied(again.resolved) == implied(first.resolved)
    assert again.resolved.machines == first.resolved.machines
    assert again.strategy == first.strategy
    assert again.estimate == first.estimate
    written = [path for path in again.resolved.origins if not path.startswith(tuple(implied(again.resolved)))]
    assert {again.resolved.origins[path].kind for path in written} == {"user"}


@pytest.mark.parametrize(
    "sections", ["", "train: {steps: 10}\n", "train: {}\n", "cluster: {}\n", "  attention: mqa\n", "parallel: {}\n"]
)
def test_printed_spec_compiles_to_the_same(sections: str) -> None:
    same(SPEC + sections)


def test_full_printed_spec_compiles_to_the_same() -> None:
    same(FULL)


@given(specs())
def test_any_printed_spec_compiles_to_the_same(spec: dict[str, Any]) -> None:
    same(json.dumps(spec))


@example("${env:HOME}")
@example("null")
@example("12:30")
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives_printing(text: str) -> None:
    source = f"{SPEC}data:\n  sources:\n    - name: docs\n      path: {flow(text)}\n"

    assert get(load_text(source, "tiny.yaml").spec, "data").sources[0].path == text


@pytest.mark.parametrize("value", [3e-4, 1e-05, 1e22, 0.1, 10**18, -1, True, False, None])
def test_any_number_survives_printing(value: object) -> None:
    root = parse(Source("numbers.yaml", f"key: {flow(value)}"), "user").root

    assert isinstance(root, Mapping)
    assert repr(to_data(root)) == repr({"key": value})


@pytest.mark.parametrize(("asked", "other"), [("steps", "tokens"), ("tokens", "steps")])
def test_printed_spec_keeps_what_was_asked(asked: str, other: str) -> None:
    train = document(resolved(f"{SPEC}train: {{{asked}: 1M}}\n"))["train"]

    assert train[asked] == 10**6
    assert other not in train


def test_model_document_has_every_key() -> None:
    model = model_document(plan(resolved(SPEC)).resolved)

    assert model["num_kv_heads"] == 4
    assert model["attention"]["backend"] == "sdpa"
    assert None not in [model[key] for key in ("head_dim", "max_seq_len", "vocab_size")]


def test_warnings_do_not_stop() -> None:
    (warning,) = resolved(f"{SPEC}cluster: {{nodes: 2, launcher: local}}\n").warnings

    assert (warning.code, warning.severity) == ("launcher-on-one-node", Severity.WARNING)


def test_errors_carry_warnings_too() -> None:
    codes = [diagnostic.code for diagnostic in broken(f"{SPEC}cluster: {{gpu: h100, nodes: 2, launcher: local}}\n")]

    assert codes == ["unknown-gpu", "launcher-on-one-node"]
