"""Sizes, choices, time and cost of a plan against public figures and hand formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest

from specc.plan.setting import setting
from specc.plan.strategy import zero_stages
from specc.plan.throughput import throughput
from specc.plan.values import Fits, Strategy
from tests.planning import LLAMA_3_8B, NODE, PUBLIC_COUNTS, TINY, gpt2, llama, planned, resolved


@pytest.mark.parametrize("name", PUBLIC_COUNTS)
def test_parameters_equal_public_counts(name: str) -> None:
    model, expected = PUBLIC_COUNTS[name]
    shapes = planned(model).estimate.shapes
    assert shapes.parameters == shapes.active_parameters == expected


def test_flops_by_hand() -> None:
    layers, width, ffn, vocab, kv_width, length = 32, 4096, 14336, 128256, 1024, 8192
    block = 2 * width * width + 2 * width * kv_width + 3 * width * ffn
    matmul = 2 * (layers * block + width * vocab)
    attention = layers * 2 * width * length  # QK^T and PV are 4 x width x length; causality halves them
    assert planned(LLAMA_3_8B).estimate.shapes.flops_per_token == 3 * (matmul + attention)


def test_flops_follow_the_training_length() -> None:
    shorter = planned(LLAMA_3_8B, train={"sequence_length": 2048}).estimate.shapes
    attention = planned(LLAMA_3_8B).estimate.shapes.flops_per_token - shorter.flops_per_token
    assert attention == 3 * 32 * 2 * 4096 * (8192 - 2048)


def test_tied_head_is_a_matmul_and_the_table_is_not() -> None:
    tied, untied = planned({**TINY, "tie_embeddings": True}), planned(TINY)
    assert tied.estimate.shapes.flops_per_token == untied.estimate.shapes.flops_per_token
    table = 512 * 64
    assert untied.estimate.shapes.parameters == tied.estimate.shapes.parameters + table
    assert tied.estimate.shapes.non_embedding_parameters == tied.estimate.shapes.parameters - table
    assert untied.estimate.shapes.non_embedding_parameters == untied.estimate.shapes.parameters - table


def test_gpt2_without_embeddings() -> None:
    """Token and position tables do not count, as Hugging Face counts `exclude_embeddings`."""
    shapes = planned(gpt2(12, 768, 12)).estimate.shapes
    assert shapes.non_embedding_parameters == 124_439_808 - 50257 * 768 - 1024 * 768


def test_cache_and_checkpoint_by_hand() -> None:
    shapes = planned(LLAMA_3_8B).estimate.shapes
    assert shapes.kv_bytes_per_token == 32 * 2 * 1024 * 2  # layers x (K and V) x width x bytes: 128 KiB
    assert shapes.checkpoint_bytes == 12 * 8_030_261_248  # fp32 weights and two moments


# Public runs of mosaicml/llm-foundry (scripts/train/benchmarking @8c8dd48): FSDP, full checkpointing, bf16.
MEASURED_RUNS = [
    # name, device, nodes of 8, micro batch, global batch, tokens per second and device
    ("mpt-13b", "a100-40gb", 1, 4, 512, 1668),
    ("mpt-7b", "a100-40gb", 1, 12, 384, 3679),
    ("mpt-7b", "a100-40gb", 16, 18, 2304, 3623),
    ("mpt-70b", "h100-sxm", 64, 8, 4096, 1007),
]
MPT = {"mpt-7b": gpt2(32, 4096, 32, 50368, 2048), "mpt-13b": gpt2(40, 5120, 40, 50368, 2048)}
MPT["mpt-70b"] = PUBLIC_COUNTS["mpt-70b"][0]


@pytest.mark.parametrize("run", MEASURED_RUNS, ids=lambda run: f"{run[0]}-{run[1]}-{8 * run[2]}")
def test_measured_runs_are_feasible_and_in_the_band(run: tuple[str, str, int, int, int, int]) -> None:
    """The run ran, so the plan may not call it impossible; and its time lies in the 80% band."""
    name, gpu, nodes, micro, batch, tokens_per_second = run
    train = {"global_batch_size": batch, "micro_batch_size": micro, "activation_checkpointing": "full"}
    cluster = {"gpu": gpu, "gpus_per_node": 8, "nodes": nodes}
    estimate = planned(MPT[name], train=train, parallel={"zero_stage": 3}, cluster=cluster).estimate
    assert estimate.memory.fits is not Fits.NO
    assert estimate.throughput is not None
    microseconds = batch * 2048 / (tokens_per_second * 8 * nodes) * 1e6
    assert estimate.throughput.low_microseconds < microseconds < estimate.throughput.high_microseconds


def test_the_planner_takes_what_fits() -> None:
    small = planned(TINY, cluster=NODE)
    assert (small.strategy.zero_stage, small.strategy.activation_checkpointing) == (1, "none")
    large = planned(LLAMA_3_8B, cluster=NODE)
    assert large.strategy.zero_stage >= 2
    assert large.estimate.memory.fits is Fits.YES
    hopeless = planned(LLAMA_3_8B, cluster={"gpu": "l4"})
    assert hopeless.estimate.memory.fits is Fits.NO
    assert hopeless.strategy.activation_checkpointing == "full"
    assert hopeless.strategy.micro_batch_size == 1


def test_bf16_never_trains_with_stage_0() -> None:
    """DeepSpeed's stage 0 skews Adam's bias correction in bf16."""
    for cluster in (NODE, {"gpu": "h100-sxm"}):
        bf16, fp32 = (setting(resolved(TINY, train={"precision": p}, cluster=cluster)) for p in ("bf16", "fp32"))
        assert min(zero_stages(bf16, 8)) == min(zero_stages(bf16, 1)) == 1
        assert min(zero_stages(fp32, 8)) == min(zero_stages(fp32, 1)) == 0


def test_the_planner_chooses_only_what_is_emitted() -> None:
    """Stage 3 would fit; it is planned when the spec asks for it, and shown beside what is chosen."""
    train = {"micro_batch_size": 1, "global_batch_size": 16}
    for precision in ("bf16", "fp32"):
        at = setting(resolved(TINY, train={"precision": precision}, cluster=NODE))
        assert max(zero_stages(at, 8)) == 2
    chosen = planned(LLAMA_3_8B, train=train, cluster=NODE)
    asked = planned(LLAMA_3_8B, train=train, parallel={"zero_stage": 3}, cluster=NODE)
    whys = {a.strategy.zero_stage: a.why for a in chosen.estimate.alternatives}
    assert chosen.strategy.zero_stage < 3 == asked.strategy.zero_stage
    assert whys[3] == "training with it is not emitted yet; `zero_stage: 3` plans it"
    assert asked.estimate.memory.peak_bytes_per_gpu < chosen.estimate.memory.peak_bytes_per_gpu


@pytest.mark.parametrize("batch", [8, 24, 56, 512])
def test_micro_batches_divide_the_batch(batch: int) -> None:
    strategy = planned(TINY, train={"global_batch_size": batch}, cluster=NODE).strategy
    assert strategy.data * strategy.micro_batch_size * strategy.gradient_accumulation == batch
    assert strategy.micro_batch_size.bit_count() == 1


def test_what_the_user_says_is_kept() -> None:
    train = {"global_batch_size": 48, "micro_batch_size": 3, "activation_checkpointing": "full", "precision": "fp32"}
    strategy = planned(TINY, train=train, parallel={"zero_stage": 2}, cluster=NODE).strategy
    assert strategy == Strategy(8, 2, 3, 2, "full")


def test_slow_links_take_longer() -> None:
    def seconds(**cluster: Any) -> int:
        train = {"global_batch_size": 64, "micro_batch_size": 1, "activation_checkpointing": "full"}
        cluster = {**NODE, "nodes": 2, **cluster}
        timed = planned(LLAMA_3_8B, train=train, parallel={"zero_stage": 3}, cluster=cluster).estimate.throughput
        assert timed is not None
        return next(s.microseconds for s in timed.breakdown if s.cause == "communication")

    assert seconds(network={"bandwidth_per_gpu": "1Gb/s"}) > 10 * seconds(network={"bandwidth_per_gpu": "400Gb/s"})


def test_ring_moves_all_but_its_own_share() -> None:
    """ZeRO-1 on two devices: fp32 gradients one way, bf16 weights the other, half of each by every rank."""
    at = setting(resolved(LLAMA_3_8B, train={"global_batch_size": 64}, cluster={"gpu": "h100-sxm", "gpus_per_node": 2}))
    timed = throughput(at, Strategy(2, 1, 1, 32, "none"), 1)
    assert timed is not None
    seconds = (4 + 2) * 8_030_261_248 / 2 / (450e9 * 0.8)
    exposed = 0.1 * seconds  # the rest hides behind the backward pass
    moved = next(share.microseconds for share in timed.breakdown if share.cause == "communication")
    assert moved == math.ceil(exposed * 1e6)


def test_the_smallest_step_takes_time() -> None:
    model = llama(1, 2, 1, 2, 2, max_seq_len=2)
    timed = planned(model, train={"global_batch_size": 1, "steps": 1}).estimate.throughput
    assert timed is not None
    assert timed.step_microseconds > 0


def test_mfu_by_hand() -> None:
    estimate = planned(LLAMA_3_8B, cluster=NODE).estimate
    assert estimate.throughput is not None
    achieved = estimate.throughput.tokens_per_second * estimate.shapes.flops_per_token
    assert estimate.throughput.mfu == pytest.approx(achieved / (8 * 989e12))
    assert 0.3 < estimate.throughput.mfu < 0.65


def test_cost_by_hand() -> None:
    decided = planned(LLAMA_3_8B, train={"tokens": "1b"}, cluster={**NODE, "price_per_gpu_hour": 2.0})
    cost, timed = decided.estimate.cost, decided.estimate.throughput
    assert timed is not None
    hours = decided.resolved.run.steps * timed.step_microseconds / 3.6e9
    assert cost.gpu_hours == pytest.approx(8 * hours)
    assert cost.days == pytest.approx(hours / 24)
    assert cost.usd_low == pytest.approx(2.0 * 8 * hours * 0.85, rel=1e-5)
    assert cost.usd_high == pytest.approx(2.0 * 8 * hours * 1.4, rel=1e-5)
    assert cost.kwh == pytest.approx(8 * hours * 0.7 * 1.15)


def test_serving_by_hand() -> None:
    serving = planned(LLAMA_3_8B, cluster=NODE).estimate.serving
    free = 80 * 2**30 * 90 // 100 - 2 * 8_030_261_248
    assert serving.max_concurrent_sequences == free // (131072 * 8192)
    assert planned(PUBLIC_COUNTS["mpt-70b"][0], cluster=NODE).estimate.serving.max_concurrent_sequences == 0
