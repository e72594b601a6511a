"""Attention backends: how an emitted model turns `q`, `k` and `v` into what each query sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from typing_extensions import override

from specc.catalog.attention import Attention
from specc.catalog.base import ContextField, ModelParts, Partial


class SdpaView(NamedTuple):
    """What `model/backend/sdpa.py.j2` says: further keyword arguments of the kernel, each on its own line."""

    arguments: tuple[str, ...]


class HfInterfaceView(NamedTuple):
    """What `model/backend/hf_interface.py.j2` says: statements on the attention weights."""

    weights: tuple[str, ...]


class Backend(ABC):
    """A kernel that computes softmax attention."""

    tag: ClassVar[str]
    reason: ClassVar[str]

    @abstractmethod
    def parts(self, attention: Attention, dropout: float) -> ModelParts:
        """Return the kernel and its call, for one attention kind and dropout rate."""


class Sdpa(Backend):
    """PyTorch's scaled_dot_product_attention, which picks flash, memory-efficient or plain kernels itself."""

    tag = "sdpa"
    reason = "part of PyTorch, runs on every device, forward and backward"

    def parts(self, attention: Attention, dropout: float) -> ModelParts:
        """Return `attend` through SDPA."""
        arguments: tuple[str, ...] = ("dropout_p=context.attention_dropout",) if dropout else ()
        if attention.shared_heads:
            arguments += ("enable_gqa=True",)
        imports = ("import torch.nn.functional as F", "from torch import Tensor")
        return ModelParts(
            partials=(Partial("model/backend/sdpa.py.j2", SdpaView(arguments), imports),),
            context=_dropout_context(dropout),
            attend=("y = attend(q, k, v, context).transpose(1, 2)",),
        )


class HfInterface(Backend):
    """Whichever kernel a program that loads the model registers with `transformers`: no spec chooses it.

    vLLM parses the source of `Attention.forward` for exactly one unconditional `get_interface` and its call, and reads
    `scaling=` there. It and SGLang look for `layer_idx` and `config` on the module.
    """

    tag = "hf_interface"
    reason = "what serving engines ask of models that they have no code of their own for"

    @override
    def parts(self, attention: Attention, dropout: float) -> ModelParts:
        """Return the look-up of a kernel, and the plain one for those who ask for `eager`."""
        rate = "dropout=context.attention_dropout, " if dropout else ""
        weights = ('weights = F.dropout(weights, options["dropout"], module.training)',) if dropout else ()
        imports = (
            "import torch",
            "from typing import Any",
            "from torch import Tensor, nn",
            "from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS",
            *(("import torch.nn.functional as F",) if dropout else ()),
        )
        return ModelParts(
            partials=(Partial("model/backend/hf_interface.py.j2", HfInterfaceView(weights), imports),),
            context=_dropout_context(dropout),
            attention_init=(
                "self.config = config",
                "self.scaling = config.head_dim**-0.5",
                "self.num_key_value_groups = config.num_heads // config.num_kv_heads",
                "self.is_causal = True",
            ),
            attend=(
                "kernel = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager)",
                f"y, _ = kernel(self, q, k, v, context.mask, scaling=self.scaling, {rate}**context.options)",
            ),
        )


def _dropout_context(dropout: float) -> tuple[ContextField, ...]:
    rate = "ATTENTION_DROPOUT if self.training else 0.0"
    return (ContextField("attention_dropout", "float", rate, "zero outside of training"),) if dropout else ()


BACKENDS: Mapping[str, Backend] = {backend.tag: backend for backend in (Sdpa(),)}
"""Every backend by the tag that a spec names; the first is the planner's default."""

HF_INTERFACE = HfInterface()
"""The backend of the files that an export carries along."""


def chosen(tag: str) -> str:
    """Return the backend that `tag` means: itself, or for `auto` the first that every device has."""
    return next(iter(BACKENDS)) if tag == "auto" else tag
