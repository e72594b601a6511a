"""A whole file to a `Spec`, or to every problem that it has, in words that help."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.diagnostics import EXPLANATIONS, CompileFailed, Diagnostic, render
from specc.spec import load, load_text
from tests.specs import MINIMAL, MODEL, only, problems, with_model


def test_a_minimal_spec_loads() -> None:
    loaded = load_text(MINIMAL, "tiny.yaml")
    assert loaded.spec.name == "tiny"
    assert loaded.spec.model.num_layers == 2
    assert loaded.spec.train is None


@pytest.mark.parametrize("text", [MINIMAL.replace("\n", "\r\n"), f"\ufeff{MINIMAL}", f"# a comment\n---\n{MINIMAL}..."])
def test_the_same_spec_in_other_bytes(text: str) -> None:
    assert load_text(text, "tiny.yaml").spec == load_text(MINIMAL, "tiny.yaml").spec


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MINIMAL.encode())))
    assert load("-").spec.name == "tiny"


@pytest.mark.parametrize(
    ("line", "code", "path", "place", "words"),
    [
        ("attention: {kind: gqqa}", "unknown-value", "model.attention.kind", (7, 21), "did you mean `gqa`?"),
        ("attention: gqqa", "unknown-value", "model.attention", (7, 14), "did you mean `gqa`?"),
        ("attention: {biass: qkv}", "unknown-key", "model.attention.biass", (7, 15), "did you mean `bias`?"),
        ("attention: {kind: mha, bias: qkvo}", "unknown-value", "model.attention.bias", (7, 32), "did you mean `qkv`?"),
        ("position: {rope_tetha: 5}", "unknown-key", "model.position.rope_tetha", (7, 14), "did you mean `theta`?"),
        ("theta: 5", "unknown-key", "model.theta", (7, 3), "move it to `model.position`"),
        ("rope_theta: 5", "unknown-key", "model.rope_theta", (7, 3), "as `theta`"),
        ("n_embd: 5", "unknown-key", "model.n_embd", (7, 3), "did you mean `hidden_size`?"),
        ("zzz: 5", "unknown-key", "model.zzz", (7, 3), "keys: `architecture`"),
        ("vocab_size: twelve", "bad-unit", "model.vocab_size", (7, 15), "such as `13b`"),
        ("vocab_size: 80GiB", "bad-unit", "model.vocab_size", (7, 15), "a number of bytes"),
        ("vocab_size: 1_000", "bad-unit", "model.vocab_size", (7, 15), "write `1000`"),
        ("vocab_size: 0", "out-of-range", "model.vocab_size", (7, 15), "greater than 0"),
        ("vocab_size: 1.5", "wrong-type", "model.vocab_size", (7, 15), "a whole number, found `1.5`"),
        ("vocab_size: [1]", "wrong-type", "model.vocab_size", (7, 15), "found a list"),
        ("tie_embeddings: no", "wrong-type", "model.tie_embeddings", (7, 19), "write `false`"),
        ("tie_embeddings: 1", "wrong-type", "model.tie_embeddings", (7, 19), "`true` or `false`, found `1`"),
        ("attention: 5", "wrong-type", "model.attention", (7, 14), "a mapping, found `5`"),
        ("attention:", "wrong-type", "model.attention", (7, 13), "found nothing"),
        ("attention: {kind: mla, q_lora_rank: x}", "not-built", "model.attention.kind", (7, 21), "`mla` is not built"),
        ("attention: mla", "not-built", "model.attention", (7, 14), "`mla` is not built"),
        ("moe: {num_experts: x, bogus: 1}", "not-built", "model.moe", (7, 3), "not built"),
    ],
)
def test_wrong_keys_and_values(line: str, code: str, path: str, place: tuple[int, int], words: str) -> None:
    diagnostic = only(with_model(line))
    span = diagnostic.primary.span
    assert (diagnostic.code, diagnostic.path, (span.line, span.column)) == (code, path, place)
    assert words in render([diagnostic], colour=False)


def test_a_key_of_another_section_is_said_to_be_there() -> None:
    diagnostic = only(with_model("intermediate_size: 5"))
    assert diagnostic.note == "`intermediate_size` is a key of `model.ffn`"


def test_a_missing_key_is_reported_at_its_parent() -> None:
    diagnostic = only(MINIMAL.replace("  num_heads: 4\n", ""))
    assert (diagnostic.code, diagnostic.path, diagnostic.primary.span.line) == ("missing-key", "model.num_heads", 3)


def test_a_missing_section_is_reported_at_the_top() -> None:
    diagnostic = only("specc: 1\nname: tiny\n")
    assert (diagnostic.code, diagnostic.path, diagnostic.primary.span.line) == ("missing-key", "model", 1)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n"])
def test_an_empty_file(text: str) -> None:
    diagnostic = only(text)
    assert diagnostic.code == "empty-file"
    assert (diagnostic.path, diagnostic.primary.span.line) == ("", 1)


@pytest.mark.parametrize("text", ["- a\n", "just text\n"])
def test_a_file_that_is_no_mapping(text: str) -> None:
    assert only(text).code == "not-a-mapping"


def test_a_large_file_is_refused_at_once() -> None:
    assert only("x" * 10_000_000).code == "file-too-large"


def test_every_problem_is_reported_once_and_none_hides_another() -> None:
    text = MINIMAL.replace("num_layers: 2", "num_layers: [").replace("[", "!x 2")
    text += "  bogus: 1\n  bogus: 2\ntrain: {tokens: 80GiB, optimizer: {lr: -1}}\nparallel: 5\nsafety: {guard: x}\n"
    found = [(d.code, d.path) for d in problems(text)]
    assert found == [
        ("tag", "model.num_layers"),
        ("unknown-key", "model.bogus"),
        ("duplicate-key", "model.bogus"),
        ("bad-unit", "train.tokens"),
        ("out-of-range", "train.optimizer.lr"),
        ("wrong-type", "parallel"),
        ("not-built", "safety"),
    ]


def test_a_refused_value_is_not_reported_again_by_validation() -> None:
    assert [d.code for d in problems(MINIMAL.replace("num_layers: 2", "num_layers: *a"))] == ["anchor"]
    assert [d.code for d in problems("specc: 1\nname: tiny\nmodel:\n  <<: *base\n")] == ["anchor"]


def test_a_quoted_number_is_no_number() -> None:
    diagnostic = only(MINIMAL.replace("specc: 1", 'specc: "1"'))
    assert (diagnostic.code, diagnostic.help) == ("wrong-type", "remove the quotes")


def test_branches_of_a_union_speak_with_one_voice() -> None:
    diagnostic = only(f"{MINIMAL}train: {{micro_batch_size: [1]}}\n")
    assert diagnostic.code == "wrong-type"
    assert "a whole number or one of `auto`, found a list" in diagnostic.message
    assert only(f"{MINIMAL}train: {{micro_batch_size: atuo}}\n").help == "did you mean `auto`?"
    assert only(f"{MINIMAL}train: {{micro_batch_size: 0}}\n").code == "out-of-range"
    gpu = "cluster: {gpu: {name: x, memory: 80gb, memory_bandwidth: 4TB/s, tflops: {bf16: 1}}}\n"
    assert only(MINIMAL + gpu).path == "cluster.gpu.memory"


def test_items_of_lists_have_their_index_in_the_path() -> None:
    text = f"{MINIMAL}data:\n  sources:\n    - {{name: a, path: b}}\n    - {{name: c}}\n"
    diagnostic = only(text)
    assert (diagnostic.code, diagnostic.path) == ("missing-key", "data.sources.1.path")
    assert diagnostic.primary.span.line == 10


def test_more_problems_than_anyone_reads() -> None:
    found = problems(MINIMAL + "".join(f"k{i}: 1\n" for i in range(1200)))
    assert len(found) == 1001
    assert "too-many-problems" in {d.code for d in found}


FRAGMENTS = st.sampled_from(
    [
        *"\n\n\n  :-,{}[]'\"#&*!|>%@?\t~",
        ": ",
        "- ",
        "specc: 1\n",
        "name: tiny\n",
        MODEL,
        "model:",
        "  kind: rope",
        "${env:X}",
    ]
    + ["$${", "extends: presets/llama", "<<: *a", "1", "3e-4", "null", "train: {tokens: 4Mi", "data:\n  sources:\n"]
    + ["---\n", "\ufeff", "\x00", "\x85", "日", "\ud800", '"\\u0000"', "position: ", "serve: {}", "cluster:\n  gpu: "]
)


@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=30).map("".join)), st.text(max_size=12))
def test_no_text_makes_the_front_end_crash(text: str, argument: str) -> None:
    for candidate in (text, MINIMAL + text):
        try:
            load_text(candidate, "any.yaml", [argument] if argument else [])
        except CompileFailed as failed:
            check_values(failed.diagnostics)


def check_values(diagnostics: tuple[Diagnostic, ...]) -> None:
    assert diagnostics
    assert len(set(diagnostics)) == len(diagnostics)
    for diagnostic in diagnostics:
        assert diagnostic.code in EXPLANATIONS
        assert diagnostic.primary.span.line >= 1
        assert diagnostic.primary.span.column >= 1
        assert diagnostic.message
    shown = render(diagnostics, colour=False)
    assert all(line.isprintable() for line in shown.split("\n"))
