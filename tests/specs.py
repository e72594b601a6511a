"""Small specs as text, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc.diagnostics import CompileFailed, Diagnostic
from specc.spec import load_text

MODEL = "model:\n  num_layers: 2\n  hidden_size: 64\n  num_heads: 4\n"
MINIMAL = f"specc: 1\nname: tiny\n{MODEL}"


def problems(text: str, *overrides: str) -> list[Diagnostic]:
    with pytest.raises(CompileFailed) as caught:
        load_text(text, "tiny.yaml", overrides)
    return list(caught.value.diagnostics)


def only(text: str, *overrides: str) -> Diagnostic:
    (diagnostic,) = problems(text, *overrides)
    return diagnostic


def with_model(line: str) -> str:
    return f"{MINIMAL}  {line}\n"


def write(path: str, text: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    return path
