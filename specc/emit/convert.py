"""The emitted `convert.py`, for models that a public family can express."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.family import Family, Setting, family_of
from specc.catalog.model import Network
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER
from specc.resolve import Resolved
from specc.spec.schema import package_of

REQUIREMENTS_PATH = "requirements/convert.txt"

# What a tokenizer consists of, in all of its formats, and what generation reads beside it.
TOKENIZER_FILES = (
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)

OWN_IMPORTS = (
    "import argparse",
    "import shutil",
    "import sys",
    "from dataclasses import asdict",
    "from pathlib import Path",
    "from pickle import UnpicklingError",
    "from tempfile import TemporaryDirectory",
    "from typing import Any",
    "import torch",
    "from huggingface_hub.errors import StrictDataclassError",
    "from safetensors import SafetensorError",
    "from torch import Tensor, nn",
    "from transformers import AutoConfig",
    "from transformers.utils.logging import disable_progress_bar, set_verbosity_error",
    "from .checkpoint import CheckpointError, read_checkpoint, write_checkpoint",
    "from .model import Config, Model",
)


@dataclass(frozen=True, slots=True)
class ConvertView:
    """What `package/convert.py.j2` says."""

    header: str
    name: str
    package: str
    requirements: str
    model_type: str
    config_class: str
    model_class: str
    imports: str
    buffers: tuple[str, ...]
    tokenizer_files: tuple[str, ...]
    architecture: tuple[Setting, ...]
    habits: tuple[Setting, ...]
    definitions: tuple[str, ...]
    ours: str
    theirs: str


def _settings_imports(settings: tuple[Setting, ...]) -> tuple[str, ...]:
    return tuple(f"from .model import {constant}" for setting in settings for constant in setting.constants)


def _convert_module(name: str, package: str, network: Network, family: Family) -> str:
    """Return the text of `<package>/convert.py`, not yet formatted."""
    architecture, habits = family.architecture(network), family.habits(network)
    conversion = family.conversion()
    statements = (
        *OWN_IMPORTS,
        f"from transformers import {family.config_class}, {family.model_class}",
        *_settings_imports((*architecture, *habits)),
    )
    view = ConvertView(
        header=HEADER,
        name=name,
        package=package,
        requirements=REQUIREMENTS_PATH,
        model_type=family.model_type,
        config_class=family.config_class,
        model_class=family.model_class,
        imports=imports(conversion.partials, *statements),
        buffers=family.buffers,
        tokenizer_files=TOKENIZER_FILES,
        architecture=architecture,
        habits=habits,
        definitions=definitions(conversion.partials),
        ours=conversion.ours,
        theirs=conversion.theirs,
    )
    return render("package/convert.py.j2", view)


def convert_modules(resolved: Resolved) -> dict[str, str]:
    """Return `convert.py` by its path, not yet formatted; nothing for a model that no public family expresses."""
    name, network = resolved.spec.name, resolved.network
    family, package = family_of(network), package_of(name)
    if family is None:
        return {}
    return {f"{package}/convert.py": _convert_module(name, package, network, family)}
