"""Attention backends: the one function `attend(q, k, v, context)` of an emitted model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from specc.catalog.attention import Attention
from specc.catalog.base import ContextField, ModelParts, Partial


class AttendView(NamedTuple):
    """What `model/backend/*.py.j2` say: further keyword arguments of the kernel, each on its own line."""

    arguments: tuple[str, ...]


class Backend(ABC):
    """A kernel that computes softmax attention."""

    tag: ClassVar[str]
    reason: ClassVar[str]

    @abstractmethod
    def parts(self, attention: Attention, dropout: float) -> ModelParts:
        """Return `attend`, for one attention kind and dropout rate."""


class Sdpa(Backend):
    """PyTorch's scaled_dot_product_attention, which picks flash, memory-efficient or plain kernels itself."""

    tag = "sdpa"
    reason = "part of PyTorch, runs on every device, forward and backward"

    def parts(self, attention: Attention, dropout: float) -> ModelParts:
        """Return `attend` through SDPA."""
        arguments: tuple[str, ...] = ()
        context: tuple[ContextField, ...] = ()
        if dropout:
            arguments += ("dropout_p=context.attention_dropout",)
            rate = "ATTENTION_DROPOUT if self.training else 0.0"
            context = (ContextField("attention_dropout", "float", rate, "zero outside of training"),)
        if attention.shared_heads:
            arguments += ("enable_gqa=True",)
        imports = ("import torch.nn.functional as F", "from torch import Tensor")
        partial = Partial("model/backend/sdpa.py.j2", AttendView(arguments), imports)
        return ModelParts(partials=(partial,), context=context)


BACKENDS: Mapping[str, Backend] = {backend.tag: backend for backend in (Sdpa(),)}
"""Every backend by the tag that a spec names; the first is the planner's default."""


def chosen(tag: str) -> str:
    """Return the backend that `tag` means: itself, or for `auto` the first that every device has."""
    return next(iter(BACKENDS)) if tag == "auto" else tag
