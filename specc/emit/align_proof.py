"""The emitted tests of fine-tuning: token masks, packing, adapters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from specc.catalog.align import Sft
from specc.catalog.chat import CHAT_TEMPLATES
from specc.emit.generation import python_string
from specc.emit.imports import script_imports
from specc.emit.proof import BESIDE
from specc.emit.render import render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.spec.schema import package_of

CHAT = (
    "from dataclasses import replace",
    "from functools import cache",
    "import numpy as np",
    "import reference",
    "import torch",
    "from cases import configs, decided",
    "from hypothesis import given, settings",
    "from hypothesis import strategies as st",
    "from tokenizers import Tokenizer, decoders, models, pre_tokenizers",
    "from torch.testing import assert_close",
    "from transformers import PreTrainedTokenizerFast",
    "from {package}.chat import Conversations, Row, checked, encode, pack",
    "from {package}.model import IGNORED, Model",
    "from {package}.tokenizer import ASSETS",
    "from {package}.training import Objective, accumulate",
)
LORA = (
    "import copy",
    "import torch",
    "from cases import Case, cases",
    "from hypothesis import given",
    "from peft import LoraConfig",
    "from torch import nn",
    "from torch.testing import assert_close",
    "from {package}.data import Batch",
    "from {package}.lora import LoraEngine, add_adapters, learning",
    "from {package}.model import Model",
    "from {package}.ranks import ALONE",
    "from {package}.training import Objective, make_optimizer",
)


@dataclass(frozen=True, slots=True)
class ChatTestView:
    """What `tests/test_chat.py.j2` says; the tokens are Python literals."""

    header: str
    imports: str
    special_tokens: str
    end_of_turn: str


@dataclass(frozen=True, slots=True)
class LoraTestView:
    """What `tests/test_lora.py.j2` says; `layers` is a Python list."""

    header: str
    imports: str
    layers: str


def align_proof(resolved: Resolved, stages: Sequence[Sft]) -> dict[str, str]:
    """Return the test modules about these stages, by path, not yet formatted."""
    package, tokenizer = package_of(resolved.spec.name), resolved.spec.tokenizer
    if not stages or tokenizer is None or tokenizer.chat_template is None:
        return {}
    chat = ChatTestView(
        header=HEADER,
        imports=script_imports(package, CHAT, BESIDE),
        special_tokens=json.dumps(tokenizer.specials(), ensure_ascii=False),
        end_of_turn=python_string(CHAT_TEMPLATES[tokenizer.chat_template].end_of_turn),
    )
    tests = {"tests/test_chat.py": render("tests/test_chat.py.j2", chat)}
    layers = [stage.peft.target_modules for stage in stages if stage.peft]
    if layers:
        lora = LoraTestView(HEADER, script_imports(package, LORA, BESIDE), json.dumps(layers[0]))
        tests["tests/test_lora.py"] = render("tests/test_lora.py.j2", lora)
    return tests
