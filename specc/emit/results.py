"""The emitted modules that look at what came out: the report of a run, and the evaluation of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from specc.emit.generation import module
from specc.emit.imports import merge_imports, script_imports
from specc.emit.render import render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.resources import templates_root
from specc.spec.schema import package_of

EVALUATION_TOKENS = 4096  # of a forward pass, about: their logits fit where the model does

CHARTS = (
    "import math",
    "from collections import defaultdict",
    "from collections.abc import Iterable, Iterator, Mapping, Sequence",
    "from dataclasses import dataclass",
    "from html import escape",
    "from typing import Any",
)
REPORT = (
    "import argparse",
    "import json",
    "import math",
    "import sys",
    "from collections import Counter, deque",
    "from collections.abc import Iterator",
    "from datetime import datetime",
    "from html import escape",
    "from itertools import chain",
    "from pathlib import Path",
    "from statistics import median",
    "from string import Template",
    "from typing import Any",
    "from .charts import Chart, Line, Mark, Scale, Series, Stretch, compact, smooth",
    "from .files import replacing",
)
EVALUATION = (
    "import math",
    "from collections.abc import Iterable, Iterator",
    "from itertools import islice",
    "from typing import NamedTuple",
    "import numpy as np",
    "import torch",
    "from torch import Tensor",
    "from .model import IGNORED, Model, loss_sum",
)
EVALUATE = (
    "import argparse",
    "import gzip",
    "import json",
    "import lzma",
    "import math",
    "import sys",
    "from collections import Counter",
    "from collections.abc import Iterator",
    "from dataclasses import dataclass",
    "from itertools import islice",
    "from pathlib import Path",
    "from typing import Any",
    "import numpy as np",
    "import torch",
    "from tokenizers import Tokenizer",
    "from {package}.checkpoint import CheckpointError",
    "from {package}.data import DataError, Dataset, read_card",
    "from {package}.evaluation import bits_per_byte, document_loss",
    "from {package}.files import sha256",
    "from {package}.model import Model, load",
    "from {package}.overrides import overridden",
    "from {package}.progress import Progress",
)


@dataclass(frozen=True, slots=True)
class ReportView:
    """What `package/report.py.j2` says."""

    header: str
    name: str
    package: str
    imports: str


@dataclass(frozen=True, slots=True)
class EvaluateView:
    """What `evaluate/eval.py.j2` says; `window` is the length of the sequences of training."""

    header: str
    name: str
    imports: str
    window: int
    batch_size: int


def result_modules(resolved: Resolved) -> dict[str, str]:
    """Return what looks at a run and at its checkpoints, by path, not yet formatted.

    There is nothing to look at without `train`. Bytes are those of text: a spec without a tokenizer has no `eval.py`.
    """
    spec = resolved.spec
    if spec.train is None:
        return {}
    name, package = spec.name, package_of(spec.name)
    report = ReportView(HEADER, name, package, merge_imports(REPORT))
    modules = {
        f"{package}/charts.py": module("package/charts.py.j2", CHARTS),
        f"{package}/report.py": render("package/report.py.j2", report),
    }
    if spec.tokenizer is None:
        return modules
    window = resolved.run.sequence_length
    evaluate = EvaluateView(
        HEADER, name, script_imports(package, EVALUATE), window, max(1, EVALUATION_TOKENS // window)
    )
    return modules | {
        f"{package}/evaluation.py": module("package/evaluation.py.j2", EVALUATION),
        "eval.py": render("evaluate/eval.py.j2", evaluate),
    }


def result_pages(resolved: Resolved) -> dict[str, str]:
    """Return the page that the report fills in, by its path."""
    if resolved.spec.train is None:
        return {}
    page = templates_root() / "package" / "report.html"
    return {f"{package_of(resolved.spec.name)}/report.html": page.read_text(encoding="utf-8")}
