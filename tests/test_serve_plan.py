"""The size of a server: it fits, it meets what is asked, and each number stands where it belongs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from specc.catalog.gpu import GPUS
from specc.catalog.served import Sizing, tensor_degrees
from specc.plan import plan_json
from tests.emitted import compiled, decide
from tests.spec_space import SpecValues

LARGE: SpecValues = {
    "num_layers": 80,
    "hidden_size": 8192,
    "num_heads": 64,
    "num_kv_heads": 8,
    "vocab_size": 128256,
    "max_seq_len": 8192,
    "ffn": {"intermediate_size": 28672},
}
MIDDLE: SpecValues = {
    **LARGE,
    "num_layers": 32,
    "hidden_size": 4096,
    "num_heads": 32,
    "ffn": {"intermediate_size": 14336},
}


def spec(model: SpecValues, gpu: str = "h100-sxm", gpus: int = 8, **serve: Any) -> SpecValues:
    cluster = {"gpu": gpu, "gpus_per_node": gpus}
    return {"specc": 1, "name": "sized", "model": model, "serve": serve or "sglang", "cluster": cluster}


def sized(values: SpecValues) -> Sizing:
    servers = decide(values).servers
    assert servers is not None
    return servers.planned


def config(values: SpecValues, name: str = "sglang") -> dict[str, Any]:
    text = compiled(values)[f"serve/{name}.yaml"].decode()
    read: dict[str, Any] = yaml.safe_load(text)
    assert len([line for line in text.splitlines() if "  # " in line]) == len(read), "a value without a reason"
    return read


def test_a_model_that_one_device_cannot_hold_is_shared_and_copied() -> None:
    """Not a case directory: the model of each of those is run."""
    said = config(spec(LARGE, target={"concurrency": 100, "ttft": "5s"}))
    assert {flag: said[flag] for flag in ("tp-size", "dp-size", "mem-fraction-static", "max-running-requests")} == {
        "tp-size": 2,
        "dp-size": 4,
        "mem-fraction-static": 0.88,
        "max-running-requests": 25,
    }
    assert (said["context-length"], said["chunked-prefill-size"]) == (8192, 8192)


@pytest.mark.parametrize("gpu", ["h100-sxm", "h200", "a100-40gb", "l4"])
@pytest.mark.parametrize("model", [MIDDLE, LARGE], ids=["8b", "70b"])
def test_weights_and_cache_fit_the_share_of_memory(gpu: str, model: SpecValues) -> None:
    values = spec(model, gpu)
    sizing, memory = sized(values), GPUS[gpu].memory_bytes
    parameters = decide(values).estimate.shapes.parameters
    assert memory is not None
    assert sizing.memory is not None
    held = 2 * parameters + sizing.tokens.value * sizing.kv_token_bytes
    room = sizing.memory.value * memory * sizing.tensor.value

    assert 0.7 < sizing.memory.value < 0.9
    assert held <= room or sizing.tokens.value == 0
    assert held + sizing.kv_token_bytes > room


def test_large_models_share_layers() -> None:
    assert sized(spec(MIDDLE)).tensor.value == 1
    assert sized(spec(LARGE)).tensor.value == 2
    assert sized(spec(LARGE, "l40s")).tensor.value == 4


def test_short_times_take_more_devices() -> None:
    assert sized(spec(MIDDLE, target={"ttft": "200ms"})).tensor.value == 2
    assert sized(spec(MIDDLE, target={"tpot": "2ms"})).tensor.value == 4


def test_replicas_follow_from_the_requests() -> None:
    few, many, too_many = (sized(spec(MIDDLE, target={"concurrency": n})) for n in (50, 200, 10_000))

    assert [s.data.value for s in (few, many, too_many)] == [1, 4, 8]
    assert [s.running.value for s in (few, many, too_many)] == [50, 50, 1250]


def test_chunks_leave_time_for_decoding() -> None:
    sizes = [
        sized(spec(MIDDLE, target={"concurrency": 8, "tpot": limit})).chunk.value for limit in ("1s", "60ms", "30ms")
    ]

    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


def test_degrees_divide_the_model() -> None:
    dims = decide(spec(LARGE)).resolved.network.dims

    assert list(tensor_degrees(dims, 8)) == [1, 2, 4, 8]
    assert list(tensor_degrees(dims._replace(num_heads=6, num_kv_heads=2, intermediate_size=96), 8)) == [1, 2, 6]


def test_configuration_has_what_the_plan_says() -> None:
    values = spec(
        MIDDLE, target={"concurrency": 200, "tpot": "40ms"}, extra_args={"page-size": 48, "log-level": "info"}
    )
    said, planned = config(values), plan_json(decide(values))["serving"]

    assert said["dp-size"] == planned["data"]
    assert said["max-running-requests"] == planned["max_running_requests"]
    assert said["chunked-prefill-size"] == planned["prefill_chunk"]
    assert said["chunked-prefill-size"] % 48 == 0
    assert said["context-length"] == 8192
    assert (said["page-size"], said["log-level"]) == (48, "info")


def test_same_model_without_a_gpu() -> None:
    values = spec(MIDDLE, extra_args={"page-size": 48})
    tried = config(values, "sglang-cpu")

    assert (tried["device"], tried["attention-backend"], tried["dtype"]) == ("cpu", "torch_native", "float32")
    assert tried["max-total-tokens"] >= tried["context-length"]
    assert "page-size" not in tried
    assert "serve/sglang-cpu.yaml" not in compiled(spec(MIDDLE, "cpu", 1))


def test_extra_args_win_over_the_plan() -> None:
    assert config(spec(MIDDLE, extra_args={"mem-fraction-static": 0.5}))["mem-fraction-static"] == 0.5


@pytest.mark.parametrize(("running", "tokens"), [({"max-num-seqs": 9000}, {}), ({}, {"max-num-batched-tokens": 4})])
def test_steps_of_vllm_hold_a_token_of_each_request(running: SpecValues, tokens: SpecValues) -> None:
    said = config(spec(MIDDLE, engine="vllm", extra_args={**running, **tokens}), "vllm")

    assert said["max-num-seqs"] <= said["max-num-batched-tokens"]


def test_nothing_is_emitted_without_the_section() -> None:
    values = spec(MIDDLE)
    without = compiled({key: value for key, value in values.items() if key != "serve"})

    assert [path for path in without if path.startswith(("serve/", "requirements/serve"))] == []


def test_environment_of_training_has_nothing_of_serving() -> None:
    readme = compiled(spec(MIDDLE))["README.md"].decode()
    setup = next(line for line in readme.splitlines() if line.startswith("pip install -e"))

    assert "serve" not in setup.replace("sized", "")
    assert json.loads(compiled(spec(MIDDLE))["plan.json"])["serving"]["tensor"] == 1
