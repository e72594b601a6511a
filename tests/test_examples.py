"""The walk-throughs in `examples/` run, and run again at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


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
    (out,) = (folder.parent for folder in tmp_path.glob("*/run"))
    assert "the certificate is valid" in first
    assert "bits per byte" in first
    assert "gzip -9" in first
    assert "xz -9" in first
    assert "def read_json(path):" in first
    assert (out / "run" / "metrics.jsonl").read_text(encoding="utf-8").count("\n") == 20
    assert (out / "run" / "report.html").exists()
    assert "done already" not in first

    again = quickstart(tmp_path)
    assert again.count("done already") == len(("the proof", "the tokenizer", "the data"))
    assert "trained: " in again
    assert "def read_json(path):" in again
    assert (out / "run" / "metrics.jsonl").read_text(encoding="utf-8").count("\n") == 20
