"""The emitted `model.py`."""

from __future__ import annotations

from specc.catalog.base import Constant, ContextField, ModelParts, Size
from specc.catalog.model import Network
from specc.emit.render import definitions, imports, render
from specc.emit.views import HEADER, ModelView
from specc.units import format_count

OWN_IMPORTS = (
    "from dataclasses import dataclass",
    "from pathlib import Path",
    "from typing import NamedTuple",
    "import torch",
    "import torch.nn.functional as F",
    "from torch import Tensor",
    "from .checkpoint import CheckpointError, read_checkpoint",
)


def literal(value: float) -> str:
    """Return a number as a person would write it in Python: `1e-5`, not `1e-05`."""
    mantissa, exponent, power = repr(value).partition("e")
    return f"{mantissa}e{int(power)}" if exponent else mantissa


def commented(code: str, why: str) -> str:
    """Return a line of code with its comment, if there is one."""
    return f"{code}  # {why}" if why else code


def constant_line(constant: Constant) -> str:
    """Return the assignment of a module constant."""
    return commented(f"{constant.name} = {literal(constant.value)}", constant.why)


def size_line(size: Size) -> str:
    """Return a field of `Config`."""
    return commented(f"{size.name}: int = {size.value}", size.why)


def context_line(field: ContextField) -> str:
    """Return a field of `Context`."""
    return commented(f"{field.name}: {field.type}", field.why)


def summary(name: str, network: Network) -> str:
    """Return one sentence about the model, every number computed."""
    dims = network.dims
    shape = f"{dims.num_layers} blocks of width {dims.hidden_size}"
    return f"{name}: a decoder with {shape}, {format_count(network.parameter_count())} parameters."


def model_module(name: str, network: Network, parts: ModelParts) -> str:
    """Return the text of `<package>/model.py`, not yet formatted; `parts` are those of the network."""
    view = ModelView(
        header=HEADER,
        summary=summary(name, network),
        name=name,
        imports=imports(parts.partials, *OWN_IMPORTS),
        constants=tuple(constant_line(constant) for constant in parts.constants),
        sizes=tuple(size_line(size) for size in parts.sizes),
        context=tuple(context_line(field) for field in parts.context),
        definitions=definitions(parts.partials),
    )
    return render("model/model.py.j2", view)
