"""The command line as a whole, and the commands that only look: check, resolve, plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from specc.resolve import document, resolve
from specc.spec import load_text
from tests.command_line import SPEC, WRONG, Ended, run, specs_in

COMMANDS = ("check", "resolve", "plan", "build", "verify", "diff", "import", "schema", "explain")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in a folder that holds `spec.yaml` and `wrong.yaml`."""
    monkeypatch.chdir(tmp_path)
    specs_in(tmp_path)


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "specc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)


def test_help_lists_every_command() -> None:
    ended = run("--help")

    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.partition("Commands:")[2].splitlines() if line] == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command: str) -> None:
    ended = run(command, "--help")

    assert ended.code == 0
    assert ended.out.startswith(f"Usage: specc {command} ")


def test_version() -> None:
    assert run("--version").out.startswith("specc ")


@pytest.mark.parametrize(
    "arguments", [["chekc"], ["check"], ["check", "a", "b"], ["check", "spec.yaml", "--jsno"], ["build", "--check"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    ended = run(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert "Usage: specc" in ended.err


def test_check() -> None:
    assert run("check", "spec.yaml") == Ended(0, "", "spec.yaml: no problems\n")
    assert run("check", "spec.yaml", "--json") == Ended(0, '{\n  "diagnostics": []\n}\n', "")


def test_check_of_a_wrong_spec() -> None:
    ended = run("check", "wrong.yaml")

    assert (ended.code, ended.out) == (1, "")
    assert "error[heads-not-divisible]" in ended.err
    assert "wrong.yaml:6:14" in ended.err


def test_warnings_do_not_fail() -> None:
    ended = run("check", "spec.yaml", "--set", "cluster.nodes=8", "--set", "cluster.launcher=local")

    assert ended.code == 0
    assert "warning[launcher-on-one-node]" in ended.err


@pytest.mark.parametrize("command", ["check", "resolve", "plan", "build"])
def test_errors_as_json(command: str) -> None:
    ended = run(command, "wrong.yaml", "--json")
    (diagnostic,) = ended.json()["diagnostics"]

    assert (ended.code, ended.err) == (1, "")
    assert {key: diagnostic[key] for key in ("code", "severity", "path", "file", "line", "column")} == {
        "code": "heads-not-divisible",
        "severity": "error",
        "path": "model.num_heads",
        "file": "wrong.yaml",
        "line": 6,
        "column": 14,
    }
    assert diagnostic["help"]
    assert diagnostic["related"][0]["line"] == 5


@pytest.mark.parametrize("command", ["check", "resolve", "plan", "build"])
def test_set_is_repeatable(command: str) -> None:
    assert run(command, "wrong.yaml", "--set", "model.num_heads=2", "--set", "name=other").code == 0
    assert run(command, "spec.yaml", "--set", "model.num_heads=2", "--set", "model.num_heads=12").code == 1


def test_resolve_prints_a_spec() -> None:
    ended = run("resolve", "spec.yaml")

    assert ended.code == 0
    assert "  num_heads: 4  # user spec.yaml:6\n" in ended.out
    assert "  head_dim: 16  # derived: hidden_size / num_heads\n" in ended.out
    assert "    backend: sdpa  # planner: " in ended.out
    assert document(resolve(load_text(ended.out, "again.yaml")))["model"]["head_dim"] == 16


def test_resolve_as_json() -> None:
    found = run("resolve", "spec.yaml", "--json").json()

    assert found["spec"]["model"]["head_dim"] == 16
    assert found["implied"] == {"model.num_kv_heads": 4}
    assert found["origins"]["model.num_heads"] == {"kind": "user", "detail": "spec.yaml:6"}


def test_plan() -> None:
    ended = run("plan", "spec.yaml")

    assert (ended.code, ended.out) == (0, "")
    assert "tiny" in ended.err


def test_plan_as_json() -> None:
    found = run("plan", "spec.yaml", "--json").json()

    assert found["name"] == "tiny"
    assert sum(entry["bytes"] for entry in found["memory"]["ledger"]) == found["memory"]["peak_bytes_per_gpu"]


def test_bug_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("some internal name")

    monkeypatch.setattr("specc.pipeline.checking.check", fail)
    ended = run("check", "spec.yaml", "--json")

    assert ended.code == 70
    assert ended.json()["bug"] == "KeyError: 'some internal name'"
    assert "please report" in ended.err.lower()
    assert "Traceback" not in ended.err

    monkeypatch.setenv("SPECC_DEBUG", "1")
    assert "Traceback" in run("check", "spec.yaml").err


def test_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("specc.pipeline.checking.check", interrupted)

    assert run("check", "spec.yaml").code == 130


def test_process_reads_standard_input(tmp_path: Path) -> None:
    done = process("check", "-", "--json", input=WRONG, cwd=tmp_path)

    assert done.returncode == 1
    assert json.loads(done.stdout)["diagnostics"][0]["file"] == "-"


def test_process_survives_a_closed_pipe(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    command = f"{sys.executable} -m specc schema | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.stdout == "{"
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_on_a_terminal(tmp_path: Path, environment: dict[str, str], coloured: bool) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    terminal, end = os.openpty()
    command = [sys.executable, "-m", "specc", "check", "wrong.yaml"]
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    subprocess.run(command, stderr=end, check=False, cwd=tmp_path, env={**clean, "TERM": "xterm", **environment})
    os.close(end)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)

    assert "heads-not-divisible" in shown
    assert ("\x1b[1;31m" in shown) == coloured
