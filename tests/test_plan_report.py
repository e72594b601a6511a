"""The plan as JSON and as a screen: the keys of the contract, and nothing that lies."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from specc.plan import plan_json, plan_screen
from tests.planning import LLAMA_3_8B, NODE, TINY, held, planned

# What users script against; further keys may be added.
CONTRACT: dict[str, Any] = {
    "specc": None,
    "name": None,
    "model": "parameters active_parameters non_embedding_parameters flops_per_token kv_bytes_per_token "
    "checkpoint_bytes",
    "strategy": "data tensor pipeline context expert zero_stage micro_batch_size gradient_accumulation "
    "activation_checkpointing",
    "memory": "peak_bytes_per_gpu low high capacity_bytes fits ledger",
    "throughput": "step_seconds low high tokens_per_second_per_gpu tokens_per_second mfu breakdown",
    "cost": "gpu_hours days usd_low usd_high kwh kg_co2e",
    "serving": "kv_bytes_per_token max_concurrent_sequences",
    "alternatives": None,
    "diagnostics": None,
}

EXAMPLES = {
    "node": {"model": LLAMA_3_8B, "cluster": NODE},
    "processor": {"model": TINY, "cluster": {"gpu": "cpu"}},
    "bare": {"model": TINY},
    "too-large": {"model": LLAMA_3_8B, "cluster": {"gpu": "rtx-4090"}},
    "inline": {
        "model": TINY,
        "cluster": {
            "gpu": {"name": "x1", "memory": "96GiB", "memory_bandwidth": "4TB/s", "tflops": {"bf16": 800}},
            "nodes": 2,
        },
    },
}
examples = pytest.mark.parametrize("name", EXAMPLES)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


@examples
def test_json_has_the_keys_of_the_contract(name: str) -> None:
    report = plan_json(planned(**EXAMPLES[name]))
    assert set(report) == set(CONTRACT) | {"assumptions"}
    for section, keys in CONTRACT.items():
        if keys is not None:
            assert list(report[section]) == keys.split()
    assert all(list(entry) == ["cause", "bytes", "why"] for entry in report["memory"]["ledger"])
    assert all(list(share) == ["cause", "seconds"] for share in report["throughput"]["breakdown"])


@examples
def test_json_holds_finite_numbers_that_add_up(name: str) -> None:
    report = json.loads(json.dumps(plan_json(planned(**EXAMPLES[name])), allow_nan=False))
    assert all(math.isfinite(leaf) for leaf in leaves(report) if isinstance(leaf, float))
    assert sum(entry["bytes"] for entry in report["memory"]["ledger"]) == report["memory"]["peak_bytes_per_gpu"]
    if report["throughput"]["step_seconds"] is not None:
        total = sum(share["seconds"] for share in report["throughput"]["breakdown"])
        assert total == pytest.approx(report["throughput"]["step_seconds"], abs=1e-9)


def test_json_rounds_to_six_digits() -> None:
    decided = planned(**EXAMPLES["node"])
    report, estimate = plan_json(decided), decided.estimate
    assert estimate.throughput is not None
    for key in ("tokens_per_second", "tokens_per_second_per_gpu", "mfu"):
        assert report["throughput"][key] == pytest.approx(getattr(estimate.throughput, key), rel=1e-5)
        assert len(repr(report["throughput"][key]).replace(".", "").lstrip("0")) <= 7
    assert report["cost"]["kwh"] == pytest.approx(estimate.cost.kwh, rel=1e-5)


def test_the_driver_takes_memory_on_devices_only() -> None:
    ledgers = {name: held(planned(**EXAMPLES[name]).estimate.memory) for name in ("bare", "node", "processor")}
    assert ledgers["bare"]["driver context"] == ledgers["node"]["driver context"] == 1573 * 2**20
    assert "NCCL buffers" in ledgers["node"]
    assert "NCCL buffers" not in ledgers["bare"]
    assert "driver context" not in ledgers["processor"]


def test_unknown_numbers_are_null() -> None:
    report = plan_json(planned(**EXAMPLES["processor"]))
    assert report["memory"]["capacity_bytes"] is None
    assert report["memory"]["fits"] == "uncertain"
    assert report["throughput"].pop("breakdown") == []
    assert set(report["throughput"].values()) == set(report["cost"].values()) == {None}
    assert report["serving"]["max_concurrent_sequences"] is None


def test_unknown_network_leaves_memory_known() -> None:
    report = plan_json(planned(**EXAMPLES["inline"]))
    assert report["memory"]["fits"] == "yes"
    assert report["throughput"]["step_seconds"] is None


def test_alternatives_cover_one_device_and_all_stages() -> None:
    for example in ("node", "bare"):
        decided = planned(**EXAMPLES[example])
        tried = {
            (a.strategy.data, a.strategy.zero_stage, a.strategy.activation_checkpointing)
            for a in decided.estimate.alternatives
        }
        stages = {(8, stage, kind) for stage in range(4) for kind in ("none", "full")}
        assert tried == stages | {(1, 1, "none"), (1, 1, "full")}
        assert [a.strategy for a in decided.estimate.alternatives if a.why == "chosen"] == [decided.strategy]


@examples
def test_screen_fits_a_terminal(name: str) -> None:
    screen = plan_screen(planned(**EXAMPLES[name]))
    lines = screen.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80
    assert "uncalibrated" in screen
    assert [line for line in lines if line != line.rstrip()] == []


def test_screen_says_what_was_assumed() -> None:
    screen = plan_screen(planned(**EXAMPLES["bare"]))
    assert "no `cluster`: planned for one `h100-sxm`" in screen
    assert "no `train`: assumed" in screen
    processor = plan_screen(planned(**EXAMPLES["processor"]))
    assert "memory of `cpu` is unknown" in processor
    assert "fp32 on `cpu`: bf16 is slower on most" in processor


def test_screen_marks_the_chosen_column() -> None:
    decided = planned(**EXAMPLES["node"])
    assert f"ZeRO {decided.strategy.zero_stage}*" in plan_screen(decided)
    assert "ZeRO 3 is not emitted yet; `zero_stage: 3` plans it" in plan_screen(decided)


PRINT_PLAN = """
import json, sys
from specc.plan import plan, plan_json, plan_screen
from specc.resolve import resolve
from specc.spec.load import load_text
decided = plan(resolve(load_text(sys.argv[1], "planned.yaml")))
print(json.dumps(plan_json(decided)), plan_screen(decided))
"""


def test_same_bytes_on_every_hash_seed() -> None:
    text = yaml.safe_dump({"specc": 1, "name": "planned", **EXAMPLES["node"]})

    def printed(seed: str) -> bytes:
        command = [sys.executable, "-c", PRINT_PLAN, text]
        return subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout

    assert printed("0") == printed("1") != b""
