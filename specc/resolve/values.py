"""What `resolve` returns: a spec in which every default and derived value is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from specc.catalog.gpu import Gpu
from specc.catalog.model import Network
from specc.catalog.training import Precision
from specc.diagnostics import Diagnostic
from specc.spec.nodes import Origin
from specc.spec.schema import Spec


class Run(NamedTuple):
    """How long and in which pieces the model trains.

    Attributes:
        steps: Optimizer steps.
        tokens: Tokens seen in all steps; a whole number of batches, so at most one batch more than asked for.
        sequence_length: Tokens per sequence.
        global_batch_size: Sequences per optimizer step over all ranks.
        micro_batch_size: Sequences per rank per forward; None leaves it to the planner.
        checkpoint_every: Optimizer steps between checkpoints.
        validate_every: Optimizer steps between losses of held-out documents; None where none are held out.
        precision: Element types.
        activation_checkpointing: `none`, `full`, or None to leave it to the planner.
        zero_stage: 0 to 3, or None to leave it to the planner.
    """

    steps: int
    tokens: int
    sequence_length: int
    global_batch_size: int
    micro_batch_size: int | None
    checkpoint_every: int
    validate_every: int | None
    precision: Precision
    activation_checkpointing: str | None
    zero_stage: int | None


class Machines(NamedTuple):
    """What training runs on."""

    gpu: Gpu
    gpus_per_node: int
    nodes: int
    network_bytes_per_second: float | None
    price_per_gpu_hour: float | None

    @property
    def ranks(self) -> int:
        """Number of devices."""
        return self.gpus_per_node * self.nodes


class Resolved(NamedTuple):
    """Nothing is optional and nothing contradicts; what says `auto` is still open.

    Attributes:
        spec: The spec with derived values filled into the sections that the user wrote.
        network: The model.
        run: Training; assumed where the spec has no `train`.
        machines: The cluster; one default device where the spec has none.
        origins: Where each value came from, by dotted path, for written sections.
        assumed: Sections the spec does not have, whose defaults the planner uses.
        warnings: What the rules found that is no error.
    """

    spec: Spec
    network: Network
    run: Run
    machines: Machines
    origins: Mapping[str, Origin]
    assumed: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()
