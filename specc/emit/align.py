"""The emitted stages after pretraining: `align/<name>.py`, and the modules of the package that only they need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from specc.catalog.align import LAYOUTS, Layout, Lora, Sft
from specc.catalog.base import Constant, NoView, Partial
from specc.catalog.chat import BEGIN, END
from specc.catalog.loop import TrainParts
from specc.catalog.tokenizer import AnyTokenizer
from specc.emit.align_proof import align_proof
from specc.emit.generation import module, python_string
from specc.emit.imports import script_imports
from specc.emit.loop import VALIDATION_STEPS
from specc.emit.model import constant_line
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.spec.schema import package_of

SMOKE = "steps=4, checkpoints=2, global_batch_size=4, micro_batch_size=2"

CHAT = (
    "import json",
    "import sys",
    "from bisect import bisect_left, insort",
    "from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence",
    "from hashlib import blake2b",
    "from pathlib import Path",
    "from typing import Any, NamedTuple",
    "import numpy as np",
    "import torch",
    "from jinja2 import TemplateError",
    "from transformers import PreTrainedTokenizerFast",
    "from .checkpoint import INDEX, SIZES, TRAINER, checksums",
    "from .data import Batch, DataError, shuffled",
    "from .model import IGNORED",
)
LORA = (
    "from collections.abc import Mapping",
    "import torch",
    "from peft import LoraConfig, inject_adapter_in_model",
    "from peft.tuners.lora import LoraLayer",
    "from torch import Tensor, nn",
    "from .engine import TorchEngine",
    "from .model import Model",
    "from .training import MOMENTS",
)
SFT = (
    "import argparse",
    "import math",
    "import sys",
    "from dataclasses import dataclass",
    "from pathlib import Path",
    "import torch",
)
SFT_OWN = (
    "from {package}.chat import Conversations, companions, encode, open_tokenizer, read_rows",
    "from {package}.checkpoint import MANIFEST, CheckpointError",
    "from {package}.data import DataError",
    "from {package}.files import sha256",
    "from {package}.loop import Stage, Trainer, train",
    "from {package}.model import Config, Model, load",
    "from {package}.overrides import overridden",
    "from {package}.ranks import Ranks, joined",
    "from {package}.run import Run, RunError, opened",
    "from {package}.training import Objective, Work, make_optimizer",
)
WHOLE = ("from {package}.engine import TorchEngine",)
ADAPTED = ("from {package}.lora import LoraEngine, add_adapters, learning",)
PEFT = ("from peft import LoraConfig", "from torch import nn")
HELD_OUT = Partial("align/hold_out.py.j2", NoView())


@dataclass(frozen=True, slots=True)
class ChatView:
    """What `align/chat.py.j2` says.

    Attributes:
        definitions: The functions that read rows of each layout.
        begin: What stands before what the assistant says in a chat template that marks it.
        end: What stands after it.
        rendering: The function `render`.
        splitting: The function that holds out rows.
    """

    header: str
    imports: str
    definitions: tuple[str, ...]
    layouts: tuple[Layout, ...]
    begin: str
    end: str
    rendering: tuple[str, ...]
    splitting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SftView:
    """What `align/sft.py.j2` says.

    Attributes:
        sizes: More fields of `Work`, over `every`.
        files: The help of `--data`, a Python literal.
        reading: Statements that make `data` of `rows`.
        arguments: More fields of `Stage`.
        engine: Statements that return an engine for `model`.
    """

    header: str
    name: str
    stage: str
    imports: str
    own_imports: str
    seed: int
    constants: tuple[str, ...]
    epochs: int
    sequence_length: int
    global_batch_size: int
    micro_batch_size: int
    sizes: tuple[str, ...]
    smoke: str
    files: str
    definitions: tuple[str, ...]
    reading: tuple[str, ...]
    arguments: tuple[str, ...]
    engine: tuple[str, ...]


def align_modules(resolved: Resolved, parts: TrainParts) -> dict[str, str]:
    """Return the stages after pretraining and what they share, by path, not yet formatted.

    Args:
        resolved: The spec.
        parts: The features of its loop.
    """
    package = package_of(resolved.spec.name)
    tuned = [stage for stage in resolved.spec.align or () if isinstance(stage, Sft)]
    modules = {f"align/{stage.name}.py": _sft(resolved, stage, parts) for stage in tuned}
    if tuned:
        modules[f"{package}/chat.py"] = _chat(tuned, resolved.spec.tokenizer)
    if any(stage.peft for stage in tuned):
        modules[f"{package}/lora.py"] = module("align/lora.py.j2", LORA)
    return {**modules, **align_proof(resolved, tuned)}


def align_requirements(paths: Iterable[str]) -> tuple[str, ...]:
    """Return what the stages need besides training, pinned, for a project with these Python files."""
    names = {path.rpartition("/")[2] for path in paths}
    wanted = (
        ("accelerate==1.15.0", {"lora.py", "pairwise.py"}),
        ("datasets==5.2.0", {"pairwise.py"}),
        ("peft==0.21.2", {"lora.py"}),
        ("transformers==5.23.0", {"chat.py", "pairwise.py"}),
        ("trl==1.16.0", {"pairwise.py"}),
    )
    return tuple(pin for pin, modules in wanted if modules & names)


def _chat(stages: list[Sft], tokenizer: AnyTokenizer | None) -> str:
    assert tokenizer is not None  # a rule
    formats = {rows.format for stage in stages for rows in stage.data}
    layouts = tuple(layout for name, layout in LAYOUTS.items() if name in formats)
    partials = tuple(layout.partial for layout in layouts)
    rendering = tokenizer.rendering()
    splitting = (HELD_OUT,) if any(stage.validation for stage in stages) else ()
    view = ChatView(
        header=HEADER,
        imports=imports((*partials, *rendering), *CHAT),
        definitions=definitions(partials),
        layouts=layouts,
        begin=BEGIN,
        end=END,
        rendering=definitions(rendering),
        splitting=definitions(splitting),
    )
    return render("align/chat.py.j2", view)


def _sft(resolved: Resolved, stage: Sft, parts: TrainParts) -> str:
    course = stage.schedule.parts()
    paths = [rows.path for rows in stage.data]
    fields = ("validation_every=every", f"validation_sequences={VALIDATION_STEPS} * self.global_batch_size")
    view = SftView(
        header=HEADER,
        name=resolved.spec.name,
        stage=stage.name,
        imports=imports(course.partials, *SFT, *(PEFT if stage.peft else ())),
        own_imports=script_imports(package_of(resolved.spec.name), _own_imports(stage, parts)),
        seed=stage.seed,
        constants=_constants(stage, course),
        epochs=stage.epochs,
        sequence_length=stage.sequence_length or resolved.network.dims.max_seq_len,
        global_batch_size=stage.global_batch_size,
        micro_batch_size=stage.micro_batch_size,
        sizes=fields if stage.validation else (),
        smoke=SMOKE,
        files=python_string(f"default: {', '.join(paths)}".replace("%", "%%")),
        definitions=definitions(course.partials),
        reading=_reading(stage),
        arguments=_arguments(stage, parts),
        engine=_engine(stage, parts),
    )
    return render("align/sft.py.j2", view)


def _own_imports(stage: Sft, parts: TrainParts) -> tuple[str, ...]:
    split = ("from {package}.chat import split",) if stage.validation else ()
    return (*SFT_OWN, *(ADAPTED if stage.peft else WHOLE), *split, *parts.setup_imports)


def _constants(stage: Sft, course: TrainParts) -> tuple[str, ...]:
    """Return the numbers at the top of a stage."""
    lr, decay = stage.optimizer.lr, stage.optimizer.weight_decay
    assert lr is not None  # derived before anything is emitted
    numbers = (Constant("LEARNING_RATE", lr, "at its highest"), *course.constants, Constant("WEIGHT_DECAY", decay))
    if stage.validation:
        numbers += (Constant("HELD_OUT", stage.validation.fraction, "of the rows"),)
    files = ", ".join(f"Path({python_string(rows.path)})" for rows in stage.data)
    return (
        f"DATA = [{files}]",
        *map(constant_line, numbers),
        *([_adapters(stage.peft)] if stage.peft else []),
    )


def _adapters(peft: Lora) -> str:
    layers = json.dumps(peft.target_modules)
    numbers = f"r={peft.rank}, lora_alpha={peft.alpha}, lora_dropout={peft.dropout}"
    return f"ADAPTERS = LoraConfig({numbers}, target_modules={layers})"


def _reading(stage: Sft) -> tuple[str, ...]:
    length = "sizes.sequence_length"
    encoded = f"data = Conversations(encode(tokenizer, rows, {length}), {length}, SEED)"
    if not stage.validation:
        return (encoded,)
    return (
        "rows, kept = split(rows, HELD_OUT)",
        encoded,
        f"held_out = Conversations(encode(tokenizer, kept, {length}), {length}, SEED)",
    )


def _arguments(stage: Sft, parts: TrainParts) -> tuple[str, ...]:
    if not parts.stage:
        return ()
    return ("held_out=held_out",) if stage.validation else ("held_out=None",)


def _engine(stage: Sft, parts: TrainParts) -> tuple[str, ...]:
    if not stage.peft:
        return (
            "objective = Objective(model.to(ranks.device))",
            *parts.setup,
            "optimizer = make_optimizer(objective.model, WEIGHT_DECAY)",
            "return TorchEngine(objective, optimizer, ranks)",
        )
    return (
        "objective = Objective(add_adapters(model, ADAPTERS).to(ranks.device))",
        *parts.setup,
        "adapters = nn.ParameterList(learning(objective.model).values())",
        "optimizer = make_optimizer(adapters, WEIGHT_DECAY)",
        "return LoraEngine(objective, optimizer, ranks)",
    )
