"""The catalogue of devices: complete, plausible, and honest about where its numbers come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

import specc.catalog
from specc.catalog.gpu import DEFAULT_GPU, GPUS, Gpu, InlineGpu

# The names that specs may use; users script against them.
NAMES = [
    *("v100-32gb", "a100-40gb", "a100-80gb", "a10", "l4", "l40s", "rtx-3090", "rtx-4090", "rtx-5090", "h100-pcie"),
    *("h100-sxm", "h200", "gh200", "b200", "gb200", "b300", "gb300", "mi250x", "mi300x", "mi325x", "mi355x"),
    *("tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e", "gaudi2", "gaudi3", "cpu"),
]
INLINE = {
    "name": "x1",
    "memory": "96GiB",
    "memory_bandwidth": "4TB/s",
    "tflops": {"bf16": 800, "fp8": 1600},
    "scale_up": {"gpus": 8, "bandwidth": "450GB/s"},
    "tdp": "700W",
}

accelerators = pytest.mark.parametrize("gpu", [g for g in GPUS.values() if g.name != "cpu"], ids=lambda g: g.name)


def test_every_name_of_the_contract_has_a_row() -> None:
    assert list(GPUS) == NAMES
    assert [gpu.name for gpu in GPUS.values()] == NAMES
    assert DEFAULT_GPU in GPUS


def test_units() -> None:
    h100 = GPUS["h100-sxm"]
    assert h100.memory_bytes == 80 * 2**30
    assert h100.memory_bandwidth == 3.35e12
    assert h100.flops["bf16"] == 989e12
    assert h100.link_bytes_per_second == 450e9
    assert h100.network_bytes_per_second == 50e9  # 400 Gb/s
    assert h100.tdp_watts == 700


@accelerators
def test_numbers_are_plausible(gpu: Gpu) -> None:
    assert gpu.memory_bytes is not None
    assert 2**33 < gpu.memory_bytes < 2**39
    assert gpu.memory_bandwidth is not None
    assert 1e11 < gpu.memory_bandwidth < 1e13
    assert all(1e13 < peak < 1e16 for peak in gpu.flops.values())
    assert gpu.flops.get("fp32", 0) < gpu.flops["fp16"] <= gpu.flops.get("fp8", 1e16)
    assert gpu.price_usd_per_hour is not None
    assert 0 < gpu.price_usd_per_hour[0] <= gpu.price_usd_per_hour[1]
    assert gpu.scale_up_gpus >= 1


@accelerators
def test_every_row_names_its_sources(gpu: Gpu) -> None:
    assert gpu.source
    assert gpu.price_source
    # What is said to be from memory throughout cannot have been verified.
    assert not (gpu.verified and gpu.source.startswith("memory"))
    assert not (gpu.price_verified and gpu.price_source == "from memory")


def test_a_processor_claims_nothing() -> None:
    cpu = GPUS["cpu"]
    assert (cpu.memory_bytes, cpu.memory_bandwidth, cpu.flops, cpu.tdp_watts) == (None, None, {}, None)
    assert cpu.context_bytes == 0


def test_absent_precisions_are_unsupported() -> None:
    assert "bf16" not in GPUS["v100-32gb"].flops
    assert "fp8" not in GPUS["a100-80gb"].flops
    assert "fp8" in GPUS["h100-sxm"].flops


def test_every_key_of_a_row_is_read() -> None:
    text = Path(specc.catalog.gpu.__file__).with_name("gpus.json").read_text(encoding="utf-8")
    keys = {key for row in json.loads(text)["devices"].values() for key in row}
    code = Path(specc.catalog.gpu.__file__).read_text(encoding="utf-8")
    assert [key for key in keys if f'row["{key}"]' not in code] == []


def test_inline_device() -> None:
    gpu = InlineGpu.model_validate(INLINE).gpu()
    assert (gpu.name, gpu.memory_bytes, gpu.memory_bandwidth) == ("x1", 96 * 2**30, 4e12)
    assert gpu.flops == {"bf16": 800e12, "fp8": 1600e12}
    assert (gpu.scale_up_gpus, gpu.link_bytes_per_second, gpu.tdp_watts) == (8, 450e9, 700)
    assert gpu.price_usd_per_hour is None
    assert gpu.network_bytes_per_second is None


def test_inline_device_without_links_is_on_pcie() -> None:
    gpu = InlineGpu.model_validate({**INLINE, "scale_up": None, "tdp": None}).gpu()
    assert (gpu.scale_up_gpus, gpu.link_bytes_per_second, gpu.tdp_watts) == (1, 32e9, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tdp": "700GiB"},
        {"tflops": {"bf17": 800}},
        {"tflops": {"bf16": 0}},
        {"scale_up": {"gpus": 8}},
        {"scale_up": {"gpus": 8, "bandwidth": "450GB"}},
    ],
    ids=str,
)
def test_inline_device_refuses(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        InlineGpu.model_validate({**INLINE, **wrong})
