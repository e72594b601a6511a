"""Devices: one row each in `gpus.json`, with the source of its numbers, or a user's own numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from specc.catalog.fields import Bandwidth, Bytes, Count, Section, Watts, key

DEFAULT_GPU = "h100-sxm"
"""What a spec without a cluster is planned for."""

# PCIe 4.0 x16, which a device without faster links has at least.
PCIE_BYTES_PER_SECOND = 32e9
# Measured on an A100, as in `gpus.json`.
CONTEXT_BYTES = 1573 * 2**20


class Gpu(NamedTuple):
    """One device as training software sees it; None is unknown.

    Attributes:
        name: Name in the catalogue, or what the user calls it.
        memory_bytes: Memory of one device.
        memory_bandwidth: Bytes per second between the device and its memory.
        flops: Dense peak FLOP/s by precision tag (`fp32`, `fp16`, `bf16`, `fp8`); absent: unsupported or unknown.
        scale_up_gpus: Devices that fast links join.
        link_bytes_per_second: Per device and direction, between devices that fast links join.
        network_bytes_per_second: Per device and direction, between nodes.
        tdp_watts: Rated power.
        price_usd_per_hour: Lowest and highest public price of renting one device.
        context_bytes: Device memory that the driver's context takes beside the model.
        source: Where the numbers come from, prices apart.
        verified: Whether they were read at their source; what the source says is from memory was not.
        price_source: Where the prices come from.
        price_verified: Whether the prices were read at their source.
        notes: What to know about the device.
    """

    name: str
    memory_bytes: int | None
    memory_bandwidth: float | None
    flops: Mapping[str, float]
    scale_up_gpus: int
    link_bytes_per_second: float | None
    network_bytes_per_second: float | None
    tdp_watts: float | None
    price_usd_per_hour: tuple[float, float] | None
    context_bytes: int
    source: str
    verified: bool
    price_source: str
    price_verified: bool
    notes: str


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _catalogued(name: str, row: Mapping[str, Any]) -> Gpu:
    """Return a row of `gpus.json` in bytes and SI units."""
    memory, price = row["memory_gib"], row["price_usd_per_hour"]
    return Gpu(
        name=name,
        memory_bytes=None if memory is None else round(memory * 2**30),
        memory_bandwidth=_scaled(row["memory_gb_per_second"], 1e9),
        flops={precision: tflops * 1e12 for precision, tflops in row["tflops"].items()},
        scale_up_gpus=row["scale_up_gpus"],
        link_bytes_per_second=_scaled(row["link_gb_per_second"], 1e9),
        network_bytes_per_second=_scaled(row["network_gbit_per_second"], 1e9 / 8),
        tdp_watts=row["tdp_watts"],
        price_usd_per_hour=None if price is None else (price[0], price[1]),
        context_bytes=row["context_mib"] * 2**20,
        source=row["source"],
        verified=row["verified"],
        price_source=row["price_source"],
        price_verified=row["price_verified"],
        notes=row["notes"],
    )


def _read() -> Mapping[str, Gpu]:
    rows = json.loads(Path(__file__).with_name("gpus.json").read_text(encoding="utf-8"))["devices"]
    return {name: _catalogued(name, row) for name, row in rows.items()}


GPUS: Mapping[str, Gpu] = _read()
"""Every device by the name that a spec uses."""


class Tflops(Section):
    """Dense peak rates, without sparsity, in TFLOP/s."""

    fp32: float | None = key("Peak of fp32.", None, reason="unsupported", gt=0)
    fp16: float | None = key("Peak of fp16.", None, reason="unsupported", gt=0)
    bf16: float | None = key("Peak of bf16.", None, reason="unsupported", gt=0)
    fp8: float | None = key("Peak of fp8.", None, reason="unsupported", gt=0)


class ScaleUp(Section):
    """Fast links between devices."""

    gpus: Count = key("Devices that the links join.")
    bandwidth: Bandwidth = key("Per device and direction.")


class InlineGpu(Section):
    """A device that the catalogue does not list."""

    name: str = key("What to call it: letters, digits, spaces and `_.+/()-`.", pattern=r"^[\w .+/()-]{1,64}$")
    memory: Bytes = key("Memory.")
    memory_bandwidth: Bandwidth = key("Bandwidth of its memory.")
    tflops: Tflops = key("Dense peak by precision, in TFLOP/s.")
    scale_up: ScaleUp | None = key("Fast links: `gpus` and `bandwidth`.", None, reason="PCIe 4.0 only")
    tdp: Watts | None = key("Power, as `700W`.", None, reason="unknown")

    def gpu(self) -> Gpu:
        """Return the device, with what the spec cannot say left unknown."""
        peaks = self.tflops.model_dump(exclude_none=True)
        return Gpu(
            name=self.name,
            memory_bytes=self.memory,
            memory_bandwidth=self.memory_bandwidth,
            flops={precision: tflops * 1e12 for precision, tflops in peaks.items()},
            scale_up_gpus=self.scale_up.gpus if self.scale_up else 1,
            link_bytes_per_second=self.scale_up.bandwidth if self.scale_up else PCIE_BYTES_PER_SECOND,
            network_bytes_per_second=None,
            tdp_watts=self.tdp,
            price_usd_per_hour=None,
            context_bytes=CONTEXT_BYTES,
            source="the spec",
            verified=False,
            price_source="none",
            price_verified=False,
            notes="",
        )
