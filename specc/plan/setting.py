"""What every estimate reads of a resolved spec."""

from __future__ import annotations

from typing import NamedTuple

from specc.catalog.base import Kept, Saved, Use, count
from specc.catalog.gpu import Gpu
from specc.catalog.model import Network
from specc.catalog.training import Precision
from specc.resolve.values import Resolved
from specc.spec.train_schema import Train

MASK_BYTES = 1
FP32_BYTES = 4


class Setting(NamedTuple):
    """The sizes that stay the same whatever strategy is tried.

    Attributes:
        parameters: Trainable elements.
        matmul_parameters: Those in weight matrices that every token is multiplied with.
        layer_parameters: Those of one block.
        largest_outer: Elements of the largest tensor outside of the blocks.
        moments: State elements that the optimizer keeps per parameter.
        saved: What one block keeps for its backward pass.
        masked: Whether a mask of document borders goes through attention.
        network_bytes_per_second: Per device and direction, between nodes; None is unknown.
    """

    network: Network
    precision: Precision
    gpu: Gpu
    sequence_length: int
    global_batch_size: int
    parameters: int
    matmul_parameters: int
    layer_parameters: int
    largest_outer: int
    moments: int
    saved: tuple[Saved, ...]
    masked: bool
    gpus_per_node: int
    network_bytes_per_second: float | None

    def kept_bytes(self, saved: tuple[Saved, ...]) -> int:
        """Return the bytes per token of tensors kept for the backward pass."""
        size = {Kept.COMPUTE: self.precision.compute_bytes, Kept.FP32: FP32_BYTES, Kept.MASK: MASK_BYTES}
        return sum(s.elements * size[s.kept] for s in saved)


def setting(resolved: Resolved) -> Setting:
    """Read a resolved spec."""
    network, spec = resolved.network, resolved.spec
    train = spec.train or Train()
    return Setting(
        network=network,
        precision=resolved.run.precision,
        gpu=resolved.machines.gpu,
        sequence_length=resolved.run.sequence_length,
        global_batch_size=resolved.run.global_batch_size,
        parameters=network.parameter_count(),
        matmul_parameters=network.parameter_count(Use.MATMUL),
        layer_parameters=count(network.layer_parameters()),
        largest_outer=max(p.numel for p in network.outer_parameters()),
        moments=train.optimizer.moments(),
        saved=tuple(s for s in network.layer_saved() if not (s.eager and train.compile)),
        masked=spec.data is not None and spec.data.packing.isolate_documents,
        gpus_per_node=resolved.machines.gpus_per_node,
        network_bytes_per_second=resolved.machines.network_bytes_per_second,
    )
