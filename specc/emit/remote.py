"""The emitted `hf/`: the model as files that travel with its weights, rendered from the partials of `model.py`."""

from __future__ import annotations

from dataclasses import dataclass

from specc.catalog.backend import HF_INTERFACE
from specc.catalog.family import Renamed
from specc.catalog.model import Network
from specc.catalog.remote import NAMES, Linear, RemoteCode, linears
from specc.emit.model import constant_line, context_line, literal, summary
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER

MODELING = (
    "from typing import Any, NamedTuple",
    "import torch",
    "from torch import Tensor, nn",
    "from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel",
    "from transformers.masking_utils import create_causal_mask",
    "from transformers.modeling_layers import GenericForSequenceClassification",
    "from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast",
    "from transformers.utils import can_return_tuple",
)
# Ids of special tokens, as far as an export knows them.
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """What `hf/configuration.py.j2` says."""

    header: str
    name: str
    prefix: str
    model_type: str
    names: tuple[Renamed, ...]
    linears: tuple[Linear, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelingView:
    """What `hf/modeling.py.j2` says."""

    header: str
    summary: str
    configuration: str
    imports: str
    constants: tuple[str, ...]
    context_fields: tuple[str, ...]
    definitions: tuple[str, ...]
    prefix: str
    init: tuple[str, ...]
    norm: str
    embedded: tuple[str, ...]
    context_steps: tuple[str, ...]
    context: str


def remote_modules(name: str, package: str, network: Network) -> dict[str, str]:
    """Return the files by path, not yet formatted."""
    code = RemoteCode(package)
    about = f"{name} for Hugging Face: what an export copies."
    return {
        f"{package}/hf/__init__.py": f'"""{about}"""\n',
        f"{package}/hf/{code.configuration}.py": _configuration(name, code, network),
        f"{package}/hf/{code.modeling}.py": _modeling(name, code, network),
    }


def _configuration(name: str, code: RemoteCode, network: Network) -> str:
    sizes = tuple(f"{key}: int = {value}" for key, value, _ in code.sizes(network))
    view = ConfigurationView(
        header=HEADER,
        name=name,
        prefix=code.prefix,
        model_type=code.model_type,
        names=tuple(Renamed(theirs, ours) for ours, theirs in NAMES.items()),
        linears=linears(network),
        fields=(
            *sizes,
            f"tie_word_embeddings: bool = {network.tie_embeddings}",
            f"initializer_range: float = {literal(network.init.std)}",
            "use_cache: bool = True",
            *(f"{key}: int | None = None" for key in TOKENS),
        ),
    )
    return render("hf/configuration.py.j2", view)


def _modeling(name: str, code: RemoteCode, network: Network) -> str:
    parts = network.block_parts(HF_INTERFACE)
    sizes = f"from .{code.configuration} import {code.config_class} as Config"
    view = ModelingView(
        header=HEADER,
        summary=summary(name, network),
        configuration=code.configuration,
        imports=imports(parts.partials, *MODELING, sizes),
        constants=tuple(constant_line(constant) for constant in parts.constants),
        context_fields=tuple(context_line(field) for field in parts.context),
        definitions=definitions(parts.partials),
        prefix=code.prefix,
        init=parts.decoder_init,
        norm=network.norm.class_name,
        embedded=parts.embedded,
        context_steps=parts.context_steps,
        context=", ".join(("mask", "past_key_values", "options", *(field.value for field in parts.context))),
    )
    return render("hf/modeling.py.j2", view)
