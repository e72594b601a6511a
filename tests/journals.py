"""The files of a run as training writes them, made up, for tests that look at a run and need no model."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

STEPS, NONFINITE, SPIKE, STOPPED, KILLED = 700, 252, 434, 300, 560
STEP_TOKENS, EVERY, SPEED = 2048, 100, 12_000.0
SPIKE_LOSS = 5.25
REASON = """</script><script>console.error("run")</script> & <b title='x'>"bold"</b>"""

Line = dict[str, Any]


def metrics(steps: int = STEPS) -> Iterator[Line]:
    """Yield the lines of a run that learns, with a step that gave no number and one that stands out."""
    noise = random.Random(0)
    for step in range(1, steps + 1):
        loss = 2.6 + 5 * math.exp(-step / 40) + noise.gauss(0, 0.1)
        bad = step == NONFINITE
        yield {
            "step": step,
            "tokens": step * STEP_TOKENS,
            "loss": None if bad else SPIKE_LOSS if step == SPIKE else loss,
            "lr": 4e-3 * min(step / 40, 1 - 0.9 * step / steps),
            "grad_norm": None if bad else 0.3 + 3 * math.exp(-step / 20) + abs(noise.gauss(0, 0.1)),
            "tokens_per_second": SPEED if step > 1 else SPEED / 10,
            "mfu": None,
            "skipped": bad,
            "sample_ids": [step],
        }


def events(steps: int = STEPS) -> Iterator[Line]:
    """Yield what happened on the way: a step without numbers, a signal and a kill, each survived."""

    def happened(step: int, kind: str, **details: object) -> Line:
        pauses = 30 * (step > STOPPED) + 60 * (step > KILLED)
        now = datetime(2026, 11, 23, 10, tzinfo=UTC) + timedelta(seconds=step * STEP_TOKENS / SPEED + pauses)
        return {"time": f"{now:%Y-%m-%dT%H:%M:%SZ}", "step": step, "event": kind, **details}

    yield happened(0, "started", steps=steps)
    for step in range(1, steps + 1):
        if step == NONFINITE:
            yield happened(step, "nonfinite", loss=None, grad_norm=None)
        if step % EVERY == 0:
            loss = 2.7 + 5 * math.exp(-step / 40)
            yield happened(step, "validation", loss=loss, perplexity=math.exp(loss))
            yield happened(step, "checkpoint", path=f"checkpoints/step-{step}")
        if step == STOPPED:
            yield happened(step, "stopped", signal="SIGTERM")
            yield happened(step, "resumed", path=f"checkpoints/step-{step}", steps=steps)
        if step == KILLED:
            yield happened(500, "resumed", path="checkpoints/step-500", steps=steps)
    yield happened(steps, "finished")


def failure(step: int) -> Line:
    """Return the end of a run, with a reason that would be a script if it were not escaped."""
    return {"time": "2026-11-23T11:00:00Z", "step": step, "event": "failed", "reason": REASON}


def write_run(folder: Path, lines: Iterator[Line] | list[Line], happened: Iterator[Line] | list[Line]) -> Path:
    """Write both journals of a run; return its folder."""
    folder.mkdir()
    for name, journal in (("metrics.jsonl", lines), ("events.jsonl", happened)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in journal), encoding="utf-8")
    return folder
