"""What starts training, by its tag in `cluster.launcher`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Launcher(NamedTuple):
    """The commands of a launcher; their arguments are those of `train.py`.

    Attributes:
        whole: Keeps the whole model and optimizer on every rank.
        sharded: Shards the optimizer with DeepSpeed's ZeRO.
    """

    whole: str
    sharded: str


ZERO = "bash launch/deepspeed.sh"
LAUNCHERS: Mapping[str, Launcher] = {
    "local": Launcher("python train.py", ZERO),
    "torchrun": Launcher("bash launch/torchrun.sh", "bash launch/torchrun.sh --deepspeed ds_config.json"),
}
