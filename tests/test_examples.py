"""The walk-throughs in `examples/` run, and run again at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.processes import free_port
from tests.serving import engine_python

ROOT = Path(__file__).parents[1]


def walk(script: str, *arguments: str, **environment: str) -> str:
    """Run a walk-through and return all that it says."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", f"examples/{script}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_quickstart_from_a_spec_to_an_aligned_model_and_again(tmp_path: Path) -> None:
    first = walk("quickstart.sh", str(tmp_path), SMOKE="1", UNTIL="alignment")
    (out,) = (folder.parent for folder in tmp_path.glob("*/run"))
    assert "the certificate is valid" in first
    assert "bits per byte" in first
    assert "gzip -9" in first
    assert "xz -9" in first
    assert "def read_json(path):" in first
    assert (out / "run" / "metrics.jsonl").read_text(encoding="utf-8").count("\n") == 20
    assert (out / "run" / "report.html").exists()
    assert "done already" not in first
    ends = [out / "align" / stage for stage in ("sft/checkpoints/step-4", "reward/checkpoint", "dpo/checkpoint")]
    assert [(end / "manifest.json").exists() for end in ends] == [True] * 3

    again = walk("quickstart.sh", str(tmp_path), SMOKE="1", UNTIL="alignment")
    assert again.count("done already") == len(("the proof", "the tokenizer", "the data"))
    assert [f"trained already: {end}" in again for end in ends[1:]] == [True] * 2
    assert "def read_json(path):" in again
    assert (out / "run" / "metrics.jsonl").read_text(encoding="utf-8").count("\n") == 20


def test_finetune_from_a_folder_to_a_served_one_and_again(tmp_path: Path) -> None:
    served = {"SERVE_PYTHON": engine_python("sglang"), "PORT": str(free_port())}
    first = walk("finetune.sh", WORK=str(tmp_path), EPOCHS="3", **served)
    (out,) = (folder.parent for folder in tmp_path.glob("*/sft"))
    metrics = (out / "sft" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in metrics]
    assert losses[-1] < losses[0] - 1
    answers = [line.partition(": ") for line in first.splitlines() if line.startswith(("tiny-llama: ", "finetuned: "))]
    assert [name for name, _, _ in answers] == ["tiny-llama", "finetuned"]
    assert answers[0][2] != answers[1][2]
    given, given_back = (
        {file.name for file in folder.iterdir()} for folder in (tmp_path / "tiny-llama", out / "finetuned")
    )
    assert given <= given_back
    assert "greedy tokens equal for 20 of 20 prompts" in first

    again = walk("finetune.sh", str(tmp_path / "tiny-llama"), WORK=str(tmp_path), EPOCHS="3", LR="4e-3")
    assert again.count("done already") == len(("its weights", "the folder"))
    assert (out / "sft" / "metrics.jsonl").read_text(encoding="utf-8").splitlines() == metrics
    assert answers[1][2] in again
