"""Values of alignment stages that follow from others, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from specc.catalog.align import AnyStage, Lora, Stage
from specc.catalog.base import Use
from specc.catalog.model import Network
from specc.spec.schema import Spec


class FilledStages(NamedTuple):
    """A spec whose stages are complete, and why each derived value is what it is, by dotted path."""

    spec: Spec
    reasons: Mapping[str, str]


def fill_stages(spec: Spec, network: Network | None) -> FilledStages:
    """Return the spec with every value of its stages that follows from others."""
    reasons: dict[str, str] = {}
    stages = tuple(_filled(stage, spec, network, f"align.{i}", reasons) for i, stage in enumerate(spec.align or ()))
    return FilledStages(spec.model_copy(update={"align": stages}) if stages else spec, reasons)


def linear_layers(network: Network) -> tuple[str, ...]:
    """Return the names of the linear layers of a block, such as `q_proj`, in their order."""
    names = (p.name.split(".")[-2] for p in network.layer_parameters() if p.use is Use.MATMUL)
    return tuple(dict.fromkeys(names))


def _filled(stage: AnyStage, spec: Spec, network: Network | None, path: str, reasons: dict[str, str]) -> Stage:
    changes: dict[str, object] = {}
    for name, value, reason in _derived(stage, spec, network):
        reasons[f"{path}.{name}"] = reason
        section, _, key = name.partition(".")
        changes[section] = getattr(stage, section).model_copy(update={key: value}) if key else value
    return stage.model_copy(update=changes)


def _derived(stage: AnyStage, spec: Spec, network: Network | None) -> Iterator[tuple[str, object, str]]:
    """Yield each key of a stage that nobody gave, its value and the reason."""
    if stage.sequence_length is None and spec.model.max_seq_len is not None:
        yield "sequence_length", spec.model.max_seq_len, "model.max_seq_len"
    if stage.optimizer.lr is None:
        yield "optimizer.lr", *stage.default_lr()
    if isinstance(stage.peft, Lora) and stage.peft.target_modules is None and network is not None:
        reason = "every linear layer of the blocks (Dettmers et al. 2023, section 4)"
        yield "peft.target_modules", linear_layers(network), reason
