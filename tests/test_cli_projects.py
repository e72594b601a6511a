"""The commands that make something: build, verify, diff, import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import run, specs_in


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a folder that holds `spec.yaml` and `wrong.yaml`."""
    monkeypatch.chdir(tmp_path)
    specs_in(tmp_path)


def test_build_rebuild_and_check(tmp_path: Path) -> None:
    project = tmp_path / "generated" / "tiny"
    assert run("build", "spec.yaml").code == 0
    model = project / "tiny" / "model.py"
    assert model.exists()

    assert run("build", "spec.yaml", "--check").code == 0
    assert run("build", "spec.yaml", "--check", "--set", "model.num_layers=3").code == 1

    model.write_text(model.read_text() + "# mine\n")
    edited = run("build", "spec.yaml", "--check")
    assert edited.code == 0
    assert "tiny/model.py: edited by hand" in edited.err
    assert "tiny/model.py" in run("build", "spec.yaml", "--force", "--json").json()["overwritten"]
    assert "# mine" not in model.read_text()


def test_build_reports_conflicts(tmp_path: Path) -> None:
    assert run("build", "spec.yaml", "-o", "out").code == 0
    model = tmp_path / "out" / "tiny" / "model.py"
    model.write_text(model.read_text().replace("num_layers: int = 2", "num_layers: int = 5"))
    ended = run("build", "spec.yaml", "-o", "out", "--set", "model.num_layers=3")

    assert ended.code == 1
    assert "tiny/model.py: conflict" in ended.err


def test_build_into_a_folder_of_someone_else(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    ended = run("build", "spec.yaml", "-o", "mine", "--json")

    assert ended.code == 1
    assert [diagnostic["code"] for diagnostic in ended.json()["diagnostics"]] == ["write-failed"]
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_verify_of_no_project() -> None:
    ended = run("verify", ".")

    assert ended.code == 1
    assert "error[verify-failed]" in ended.err
    assert "specc build" in ended.err


def test_what_can_only_be_planned_is_not_built(tmp_path: Path) -> None:
    stage_3 = ("--set", "train.steps=100", "--set", "parallel.zero_stage=3", "--set", "cluster.gpus_per_node=8")
    built, planned = run("build", "spec.yaml", *stage_3), run("plan", "spec.yaml", "--json", *stage_3)

    assert built.code == 1
    assert "error[zero-stage-not-emitted]" in built.err
    assert not (tmp_path / "generated").exists()
    assert planned.json()["strategy"]["zero_stage"] == 3
    assert [found["severity"] for found in planned.json()["diagnostics"]] == ["warning"]


def test_diff() -> None:
    ended = run("diff", "spec.yaml", "spec.yaml", "--set", "model.num_layers=3")

    assert (ended.code, ended.out) == (0, "")
    assert "model.num_layers: 2 -> 3  # override --set model.num_layers=3" in ended.err
    assert "+++ b/tiny/model.py" in ended.err
    assert "must restart" in ended.err


def test_diff_as_json() -> None:
    found = run("diff", "spec.yaml", "spec.yaml", "--set", "model.num_layers=3", "--json").json()

    origin = {"kind": "override", "detail": "--set model.num_layers=3"}
    assert {"path": "model.num_layers", "old": 2, "new": 3, "origin": origin} in found["values"]


@pytest.mark.parametrize(
    ("override", "fate"),
    [
        ("name=other", "resume"),
        ("model.dropout=0.1", "resume"),
        ("train.optimizer.lr=0.1", "resume"),
        ("train.schedule=wsd", "resume"),
        ("train.checkpoint.every=5", "resume"),
        ("model.position.theta=500000", "convert"),
        ("model.norm.eps=0.1", "convert"),
        ("model.num_layers=3", "restart"),
        ("model.vocab_size=600", "restart"),
        ("model.tie_embeddings=true", "restart"),
        ("model.num_kv_heads=2", "restart"),
        ("model.num_kv_heads=4", "resume"),
    ],
)
def test_fate_of_checkpoints(override: str, fate: str) -> None:
    found = run("diff", "spec.yaml", "spec.yaml", "--set", override, "--json").json()

    assert found["checkpoints"]["fate"] == fate
    assert found["checkpoints"]["reasons"]


def test_diff_of_the_same() -> None:
    found = run("diff", "spec.yaml", "spec.yaml", "--json").json()

    assert (found["values"], found["code"], found["checkpoints"]["fate"]) == ([], {}, "resume")


def test_import(tmp_path: Path) -> None:
    folder = tmp_path / "hf-model"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 4, "vocab_size": 99, "n_positions": 8})
    )
    assert run("import", "hf-model", "-o", "imported.yaml").code == 0
    assert run("check", "imported.yaml").code == 0
    assert run("import", "hf-model", "-o", "-").out == (tmp_path / "imported.yaml").read_text()

    again = run("import", "hf-model", "-o", "imported.yaml")
    assert again.code == 1
    assert "--force" in again.err
    assert run("import", "hf-model", "-o", "imported.yaml", "--force").code == 0
