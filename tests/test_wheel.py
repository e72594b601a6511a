"""The wheel is the whole product: installed into an empty environment, it compiles a spec from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from benchmarks.measures import ROOT

SPEC = """\
specc: 1
name: from-a-wheel
extends: presets/llama
model:
  num_layers: 2
  hidden_size: 32
  num_heads: 4
  vocab_size: 128
  max_seq_len: 64
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this repository, with the build backend that is installed already."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT))
    (built,) = folder.glob("specc-*.whl")
    return built


def test_wheel_holds_every_template_and_preset(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    presets = ROOT / "specs" / "presets"
    expected = {
        f"specc/_data/{kind}/{file.relative_to(folder).as_posix()}"
        for kind, folder in (("templates", ROOT / "templates"), ("presets", presets))
        for file in folder.rglob("*")
        if file.is_file()
    }

    assert len(expected) > 10
    assert expected - packed == set()
    assert "specc/py.typed" in packed


def test_wheel_builds_a_project_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    _run(str(environment / "bin" / "python"), "-m", "pip", "install", "-qq", "--no-compile", str(wheel))
    here = tmp_path / "elsewhere"
    here.mkdir()
    (here / "spec.yaml").write_text(SPEC)

    _run(str(environment / "bin" / "specc"), "build", "spec.yaml", "-o", "project", cwd=here)

    assert (here / "project" / "from_a_wheel" / "model.py").exists()
    assert (here / "project" / "specc.lock").exists()


def _run(*command: str, cwd: Path = ROOT) -> None:
    """Run a command that must succeed, without the paths that this environment adds."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
