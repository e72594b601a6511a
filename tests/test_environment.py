"""`.ci/environment.py` finds an environment that is whole, and builds one that is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measures import ROOT

SCRIPT = ROOT / ".ci" / "environment.py"


def ensure(requirements: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "SPECC_ENVS": str(folder)}
    command = [sys.executable, str(SCRIPT), "tiny", str(requirements)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_environment_is_built_once_and_again_when_its_build_was_cut_short(tmp_path: Path) -> None:
    requirements = tmp_path / "tiny.txt"
    requirements.write_text("# nothing\n")

    first = ensure(requirements, tmp_path)
    environment = Path(first.stdout.strip())
    assert "building" in first.stderr
    assert (environment / "bin" / "python").exists()

    second = ensure(requirements, tmp_path)
    assert (second.stdout, second.stderr) == (first.stdout, "")

    (environment / ".built").unlink()
    (environment / "half.txt").touch()
    third = ensure(requirements, tmp_path)
    assert third.stdout == first.stdout
    assert "building" in third.stderr
    assert not (environment / "half.txt").exists()


def test_failed_build_is_an_error_and_leaves_nothing_to_use(tmp_path: Path) -> None:
    requirements = tmp_path / "tiny.txt"
    requirements.write_text("./no-such-package\n")

    done = ensure(requirements, tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert "error: " in done.stderr
    assert list(tmp_path.glob("*/.built")) == []


def test_wrong_usage_exits_with_2() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "NAME REQUIREMENTS" in done.stderr
