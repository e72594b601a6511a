"""`extends`, the environment, `--set`, and where every value was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc import resources
from specc.diagnostics import CompileFailed, Source, one_line
from specc.spec import Loaded, load, load_text
from specc.spec.compose import compose
from specc.spec.nodes import to_data
from tests.specs import MINIMAL, MODEL, only, problems, with_model, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_extends_merges_key_by_key_and_replaces_lists(folder: Path) -> None:
    write("base/low.yaml", f"{MODEL}  norm: {{eps: 0.5}}\ntrain: {{optimizer: {{betas: [0.5, 0.6], lr: 0.1}}}}\n")
    write("base/high.yml", "extends: low\nmodel: {num_layers: 3}\n")
    text = "specc: 1\nname: tiny\nextends: [./base/low.yaml, base/high]\ntrain: {optimizer: {betas: [0.7, 0.8]}}\n"
    loaded = load(write("tiny.yaml", text))
    assert loaded.spec.model.num_layers == 3
    assert loaded.spec.train is not None
    assert loaded.spec.train.optimizer.betas == (0.7, 0.8)
    assert loaded.spec.train.optimizer.lr == 0.1
    origins = {path: (origin.kind, origin.detail) for path, origin in loaded.locator.origins()}
    assert origins["model.num_layers"] == ("user", "base/high.yml:2")
    assert origins["model.norm.eps"] == ("user", "base/low.yaml:5")
    assert origins["name"] == ("user", "tiny.yaml:2")
    assert str(folder) not in str(origins)


def test_presets_come_with_specc(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("installed/llama.yaml", f"{MODEL}  tie_embeddings: true\n")
    monkeypatch.setattr(resources, "_data", lambda *_: folder / "installed")
    loaded = load_text("specc: 1\nname: tiny\nextends: presets/llama\n", "x.yaml")
    assert loaded.locator.origin("model.tie_embeddings").kind == "preset"
    assert loaded.locator.origin("model.tie_embeddings").detail == "presets/llama:5"
    missing = problems("specc: 1\nname: tiny\nextends: presets/lama\n")
    assert [(d.code, d.help) for d in missing] == [("extends-not-found", "did you mean `llama`?")]
    climbing = problems("specc: 1\nname: tiny\nextends: presets/../tiny\n")
    assert [d.code for d in climbing] == ["extends-not-found"]


@pytest.mark.usefixtures("folder")
def test_another_kind_replaces_the_keys_of_the_first() -> None:
    write("base.yaml", f"{MODEL}  max_seq_len: 8\n  position: {{kind: rope, theta: 1000.0}}\n")
    text = "specc: 1\nname: tiny\nextends: base\nmodel: {position: {kind: learned}}\n"
    assert load(write("tiny.yaml", text)).spec.model.position.kind == "learned"
    kept = load(write("tiny.yaml", text.replace("kind: learned", "theta: 5.0")))
    assert kept.spec.model.position.model_dump()["theta"] == 5.0


@pytest.mark.usefixtures("folder")
def test_an_explicit_null_replaces() -> None:
    write("base.yaml", f"{MODEL}  vocab_size: 100\n")
    loaded = load(write("tiny.yaml", "specc: 1\nname: tiny\nextends: base\nmodel: {vocab_size: null}\n"))
    assert loaded.spec.model.vocab_size is None


@pytest.mark.usefixtures("folder")
def test_problems_of_an_extended_file_point_into_it() -> None:
    write("base.yaml", f"{MODEL}  tie_embedings: true\n")
    with pytest.raises(CompileFailed) as caught:
        load(write("tiny.yaml", "specc: 1\nname: tiny\nextends: base\n"))
    (diagnostic,) = caught.value.diagnostics
    assert one_line(diagnostic).startswith("base.yaml:5:3: error[unknown-key]")


@pytest.mark.parametrize(
    ("base", "code"),
    [
        ("extends: tiny.yaml\n", "extends-cycle"),
        ("a: [\n", "yaml-syntax"),
        ("", "empty-file"),
        ("- a", "not-a-mapping"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_unusable_base_is_one_problem(base: str, code: str) -> None:
    write("base.yaml", base)
    with pytest.raises(CompileFailed) as caught:
        load(write("tiny.yaml", "specc: 1\nname: tiny\nextends: [base, base]\n"))
    assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("extends", "code", "path"),
    [
        ("nowhere", "extends-not-found", "extends"),
        ('"a\\0b"', "extends-not-found", "extends"),
        ("x" * 5000, "extends-not-found", "extends"),
        ("{preset: llama}", "bad-extends", "extends"),
        ("[[x]]", "bad-extends", "extends.0"),
        ("7", "bad-extends", "extends"),
    ],
)
def test_wrong_extends(extends: str, code: str, path: str) -> None:
    diagnostic = only(f"{MINIMAL}extends: {extends}\n")
    assert (diagnostic.code, diagnostic.path) == (code, path)


def test_the_environment_is_read_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "010")
    monkeypatch.setenv("PLACE", "a: [b")
    sources = 'data: {sources: [{name: "$${env:X}", path: "${env:PLACE}/${env:HIDDEN}"}]}\n'
    loaded = load_text(MINIMAL.replace("64", "${env:HIDDEN}") + sources, "tiny.yaml")
    assert loaded.spec.model.hidden_size == 10
    assert loaded.locator.origin("model.hidden_size").detail == "HIDDEN=010"
    assert loaded.locator.origin("model.hidden_size").kind == "environment"
    assert loaded.spec.data is not None
    assert loaded.spec.data.sources[0].path == "a: [b/010"
    assert loaded.spec.data.sources[0].name == "${env:X}"
    assert loaded.locator.origin("data.sources.0.name").kind == "user"


def test_a_quoted_reference_stays_a_string(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAG", "true")
    assert load_text(with_model("tie_embeddings: ${env:FLAG}"), "x.yaml").spec.model.tie_embeddings is True
    assert only(with_model('tie_embeddings: "${env:FLAG}"')).code == "wrong-type"


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("${env:SPECC_UNSET}", "environment-unset"),
        ("a-${env:}", "bad-environment-reference"),
        ("${env:A B}", "bad-environment-reference"),
        ("${env:A", "bad-environment-reference"),
    ],
)
def test_wrong_references(monkeypatch: pytest.MonkeyPatch, reference: str, code: str) -> None:
    monkeypatch.delenv("SPECC_UNSET", raising=False)
    diagnostic = only(MINIMAL.replace("name: tiny", f"name: {reference}"))
    assert (diagnostic.code, diagnostic.path, diagnostic.primary.span.line) == (code, "name", 2)


def override(*arguments: str) -> Loaded:
    text = f"{MINIMAL}  attention: gqa\ndata:\n  sources:\n    - {{name: a, path: b}}\n    - {{name: c, path: d}}\n"
    return load_text(text, "tiny.yaml", arguments)


def test_overrides_win_in_order_and_are_recorded() -> None:
    loaded = override(
        "model.num_layers=5", "model.num_layers=4Mi", "train.optimizer={lr: 3e-4}", "data.sources.1.path=x=y"
    )
    assert loaded.spec.model.num_layers == 4 * 2**20
    assert loaded.spec.train is not None
    assert loaded.spec.train.optimizer.lr == 3e-4
    assert loaded.spec.data is not None
    assert [source.path for source in loaded.spec.data.sources] == ["b", "x=y"]
    origin = loaded.locator.origin("train.optimizer.lr")
    assert (origin.kind, origin.detail) == ("override", "--set train.optimizer={lr: 3e-4}")
    assert loaded.locator.origin("data.sources.0.path").kind == "user"


def test_overrides_find_keys_with_dots_of_their_own() -> None:
    source = Source("x.yaml", "phases: [{model.position.theta: 1.0}]\n")
    composed = compose(source, ["phases.0.model.position.theta=2.0"], {})
    assert to_data(composed.root) == {"phases": [{"model.position.theta": 2.0}]}


@pytest.mark.parametrize(
    ("argument", "code", "column"),
    [
        ("model", "bad-override", 1),
        ("model..x=1", "bad-override", 1),
        ("=1", "bad-override", 1),
        ("model.attention.bias=qkv", "bad-override", 1),
        ("data.sources.2.path=x", "bad-override", 1),
        ("data.sources.x=1", "bad-override", 1),
        ("extends=presets/llama", "bad-override", 1),
        ("model.num_layers=[1", "yaml-syntax", 18),
        ("model.num_layers=twelve", "bad-unit", 18),
        ("model.num_layers=${env:SPECC_UNSET}", "environment-unset", 18),
        ("modell.x=1", "unknown-key", 1),
    ],
)
def test_wrong_overrides_point_into_the_argument(argument: str, code: str, column: int) -> None:
    with pytest.raises(CompileFailed) as caught:
        override(argument)
    (diagnostic,) = caught.value.diagnostics
    span = diagnostic.primary.span
    assert (diagnostic.code, span.source.name, span.column) == (code, f"--set {argument}", column)


def test_the_locator_answers_for_written_and_unwritten_paths() -> None:
    at = override().locator
    assert (at.key("model.num_heads").line, at.key("model.num_heads").column) == (6, 3)
    assert (at.value("model.num_heads").line, at.value("model.num_heads").column) == (6, 14)
    assert at.has("data.sources.1.name")
    assert not at.has("data.sources.2")
    assert not at.has("model.ffn.bias")
    assert at.value("model.ffn.bias") == at.key("model")
    assert at.origin("model.ffn.bias").kind == "default"
    assert at.label("name", "here").text == "here"
