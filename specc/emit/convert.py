"""The emitted `convert.py`, and what it compares before it writes anything."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog import tokenizer
from specc.catalog.family import Family, Setting, family_of
from specc.catalog.model import Network
from specc.catalog.remote import RemoteCode
from specc.catalog.tokenizer import TOKENS
from specc.emit.generation import module
from specc.emit.remote import remote_modules
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.spec.schema import package_of

REQUIREMENTS_PATH = "requirements/convert.txt"

# What a checkpoint takes along: its tokenizer, and how to generate.
COMPANIONS = tuple(sorted({TOKENS, *tokenizer.COMPANIONS, "generation_config.json"}))

CONVERT = (
    "import argparse",
    "import shutil",
    "import sys",
    "from dataclasses import asdict",
    "from pathlib import Path",
    "from pickle import UnpicklingError",
    "from tempfile import TemporaryDirectory",
    "from typing import Any",
    "import torch",
    "from huggingface_hub import save_torch_state_dict",
    "from huggingface_hub.errors import StrictDataclassError",
    "from safetensors import SafetensorError",
    "from torch import Tensor, nn",
    "from transformers.utils.logging import disable_progress_bar, set_verbosity_error",
    "from .agreement import ConversionError, check_models, our_behaviour, their_behaviour",
    "from .checkpoint import CheckpointError, read_checkpoint, read_json, write_checkpoint",
    "from .model import Config, Model",
    "from .texts import SpecialTokens, check_text, generation_config, special_tokens",
)
AGREEMENT = (
    "from collections.abc import Iterator, Sequence",
    "from contextlib import contextmanager",
    "from typing import Any, NamedTuple",
    "import torch",
    "from torch import Tensor, nn",
    "from transformers import GenerationConfig, PreTrainedModel",
    "from .generation import generate, greedy",
    "from .model import Model",
)
TEXTS = (
    "import sys",
    "from pathlib import Path",
    "from typing import Any, NamedTuple",
    "from jinja2 import TemplateError",
    "from tokenizers import Tokenizer",
    "from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase",
    "from .agreement import ConversionError",
    "from .checkpoint import read_json",
)


@dataclass(frozen=True, slots=True)
class ConvertView:
    """What `package/convert.py.j2` says."""

    header: str
    name: str
    package: str
    requirements: str
    config_class: str
    model_class: str
    blocks: str
    imports: str
    buffers: tuple[str, ...]
    companions: tuple[str, ...]
    architecture: tuple[Setting, ...]
    habits: tuple[Setting, ...]
    definitions: tuple[str, ...]
    ours: str
    theirs: str
    beside: tuple[str, ...]


def _settings_imports(settings: tuple[Setting, ...]) -> tuple[str, ...]:
    return tuple(f"from .model import {constant}" for setting in settings for constant in setting.constants)


def _convert_module(name: str, package: str, network: Network, family: Family) -> str:
    """Return the text of `<package>/convert.py`, not yet formatted."""
    architecture, habits = family.architecture(network), family.habits(network)
    conversion = family.conversion()
    statements = (
        *CONVERT,
        *family.imports,
        *_settings_imports((*architecture, *habits)),
    )
    view = ConvertView(
        header=HEADER,
        name=name,
        package=package,
        requirements=REQUIREMENTS_PATH,
        config_class=family.config_class,
        model_class=family.model_class,
        blocks=family.blocks,
        imports=imports(conversion.partials, *statements),
        buffers=family.buffers,
        companions=COMPANIONS,
        architecture=architecture,
        habits=habits,
        definitions=definitions(conversion.partials),
        ours=conversion.ours,
        theirs=conversion.theirs,
        beside=conversion.beside,
    )
    return render("package/convert.py.j2", view)


def convert_modules(resolved: Resolved) -> dict[str, str]:
    """Return what exchanges weights with Hugging Face by path, not yet formatted.

    A model that no public family expresses comes with code that its folders carry along.
    """
    name, network = resolved.spec.name, resolved.network
    package, family = package_of(name), family_of(network)
    code = {} if family else remote_modules(name, package, network)
    return {
        f"{package}/agreement.py": module("package/agreement.py.j2", AGREEMENT),
        f"{package}/convert.py": _convert_module(name, package, network, family or RemoteCode(package)),
        f"{package}/texts.py": module("package/texts.py.j2", TEXTS),
        **code,
    }
