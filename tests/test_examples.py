"""The walk-throughs in `examples/` run, and run again at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGES = ("prove the model", "train the tokenizer", "turn the standard library into tokens", "train the model")


def quickstart(folder: Path) -> str:
    """Run the demo in its short form and return all that it says."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "examples/quickstart.sh", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "SMOKE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_quickstart_from_a_spec_to_a_completion_and_again(tmp_path: Path) -> None:
    first = quickstart(tmp_path)
    assert "the certificate is valid" in first
    assert "def read_json(path):" in first
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("\n") == 20
    assert "done already" not in first

    again = quickstart(tmp_path)
    titles = [line for line in again.splitlines() if line.endswith("done already")]
    assert [any(stage in title for title in titles) for stage in STAGES] == [True] * 4
    assert "def read_json(path):" in again
