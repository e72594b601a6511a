"""Rules about devices, the network between them, and how training uses them."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.gpu import GPUS
from specc.catalog.training import EMITTED_ZERO_STAGES, PRECISIONS
from specc.diagnostics import Diagnostic, Severity, did_you_mean, rule
from specc.resolve.case import Case, Rule, one_of
from specc.resolve.paths import get

FULL_BYTES = 4
"""Bytes per element of arithmetic that every device has."""

ZERO_STAGE_NOT_EMITTED = "zero-stage-not-emitted"


@rule("unknown-gpu")
def unknown_gpu(case: Case) -> Iterator[Diagnostic]:
    """The catalogue has no device of this name.

    Why: the plan needs the device's memory, its speed and its links.
    Example: `gpu: h100` (there are `h100-sxm` and `h100-pcie`).
    Fix: choose a name of the catalogue, or give the numbers:
    `gpu: {name: x1, memory: 96GiB, memory_bandwidth: 4TB/s, tflops: {bf16: 800}}`.
    """
    gpu = case.filled.cluster.gpu
    if isinstance(gpu, str) and gpu not in GPUS:
        begun = [name for name in GPUS if gpu and name.startswith(gpu.lower())]
        yield Diagnostic(
            code="unknown-gpu",
            message=f"`{gpu}` is no device of the catalogue",
            path="cluster.gpu",
            primary=case.at.label("cluster.gpu", "unknown device"),
            help=f"did you mean {one_of(begun)}?" if begun else did_you_mean(gpu, tuple(GPUS), "devices"),
        )


@rule("precision-not-on-device")
def precision_not_on_device(case: Case) -> Iterator[Diagnostic]:
    """The device has no arithmetic of this precision.

    Why: it would be emulated, slower than fp32 and without its accuracy, or not run at all.
    Example: `precision: bf16` on `gpu: v100-32gb`.
    Fix: remove `precision` to get the best that the device has, or choose another device.
    """
    gpu, asked = case.filled.gpu, case.filled.cluster.gpu
    # A device without any rate is one of which nothing is known.
    if not gpu.flops or (isinstance(asked, str) and asked not in GPUS):
        return
    for path in ("train.precision", "serve.precision.weights"):
        chosen = get(case.written, path)
        if chosen is None or PRECISIONS[chosen].compute_bytes >= FULL_BYTES or PRECISIONS[chosen].compute in gpu.flops:
            continue
        yield Diagnostic(
            code="precision-not-on-device",
            message=f"`{gpu.name}` has no {chosen}",
            path=path,
            primary=case.at.label(path, f"not on {gpu.name}"),
            related=case.labels({"cluster.gpu": "the device"}),
            help=f"set it to {one_of([p for p, its in PRECISIONS.items() if its.compute_bytes >= FULL_BYTES])}",
        )


@rule("zero-stage-too-low")
def zero_stage_too_low(case: Case) -> Iterator[Diagnostic]:
    """ZeRO stage 0 is chosen for training in 16 bits.

    Why: DeepSpeed's optimizer for 16-bit weights without ZeRO steps Adam once on zero gradients while it is set up,
    which skews the bias correction of everything after: training goes on, slightly wrong.
    Example: `parallel: {zero_stage: 0}` with `train: {precision: bf16}`.
    Fix: stage 1, which costs nothing on one rank and less memory on several.
    """
    parallel, chosen = case.written.parallel, case.filled.train.precision
    if parallel is None or parallel.zero_stage != 0 or chosen is None:
        return
    if PRECISIONS[chosen].compute_bytes >= FULL_BYTES:
        return
    yield Diagnostic(
        code="zero-stage-too-low",
        message=f"`zero_stage: 0` trains {chosen} with a skewed optimizer",
        path="parallel.zero_stage",
        primary=case.at.label("parallel.zero_stage", f"{chosen} needs 1 or more"),
        related=case.labels({case.said("train.precision", "cluster.gpu"): f"trains in {chosen}"}),
        note="without ZeRO, DeepSpeed steps Adam once on zero gradients before training",
        help="set `zero_stage` to 1",
    )


@rule("network-without-effect")
def network_without_effect(case: Case) -> Iterator[Diagnostic]:
    """A network between nodes is described, and there is one node.

    Why: nothing crosses it, so the key changes nothing; perhaps `nodes` was forgotten.
    Example: `cluster: {gpus_per_node: 8, network: {bandwidth_per_gpu: 400Gb/s}}`.
    Fix: add `nodes`, or remove `network`.
    """
    if case.filled.cluster.nodes > 1 or not case.says("cluster.network"):
        return
    yield Diagnostic(
        code="network-without-effect",
        message="`network` has no effect on one node",
        path="cluster.network",
        primary=case.at.key_label("cluster.network", "nothing crosses it"),
        related=case.labels({"cluster.nodes": "one node"}),
        help="add `nodes` to `cluster`, or remove `network`",
    )


@rule("launcher-on-one-node")
def launcher_on_one_node(case: Case) -> Iterator[Diagnostic]:
    """The cluster has several nodes, and the launcher starts ranks on one.

    Why: `local` starts what is emitted on the machine where it is called. The plan is for all nodes; the run would
    have the ranks of one.
    Example: `cluster: {gpus_per_node: 8, nodes: 2, launcher: local}`.
    Fix: remove `launcher`; several nodes get `torchrun`.
    """
    cluster = case.written.cluster
    if cluster is None or cluster.launcher != "local" or cluster.nodes == 1:
        return
    yield Diagnostic(
        code="launcher-on-one-node",
        severity=Severity.WARNING,
        message=f"`local` starts the ranks of one node, not those of {cluster.nodes}",
        path="cluster.launcher",
        primary=case.at.label("cluster.launcher", "starts ranks on this machine only"),
        related=case.labels({"cluster.nodes": "nodes"}),
        help="set `launcher` to `torchrun`, or remove it",
    )


@rule(ZERO_STAGE_NOT_EMITTED)
def zero_stage_not_emitted(case: Case) -> Iterator[Diagnostic]:
    """The spec trains with a ZeRO stage that can be planned and not yet be built.

    Why: `specc plan` answers for every stage. What `specc build` emits trains with stages 0, 1 and 2, which shard the
    optimizer's state and gradients; stage 3 shards the weights too, and its training is not emitted yet. `build`
    refuses such a spec, because what it would emit could not do what the plan says.
    Example: `parallel: {zero_stage: 3}` beside a `train` section.
    Fix: none needed for planning; to build, set `zero_stage` to 2 or leave it out.
    """
    parallel = case.written.parallel
    if parallel is None or case.written.train is None or parallel.zero_stage in ("auto", *EMITTED_ZERO_STAGES):
        return
    yield Diagnostic(
        code=ZERO_STAGE_NOT_EMITTED,
        severity=Severity.WARNING,
        message=f"`zero_stage: {parallel.zero_stage}` can be planned, but training with it is not emitted yet",
        path="parallel.zero_stage",
        primary=case.at.label("parallel.zero_stage", "`specc build` refuses it"),
        related=(case.at.key_label("train", "what would have to be emitted"),),
        help="none needed for a plan; to build, set `zero_stage` to 2, or remove it",
    )


RULES: tuple[Rule, ...] = (
    unknown_gpu,
    precision_not_on_device,
    zero_stage_too_low,
    network_without_effect,
    launcher_on_one_node,
    zero_stage_not_emitted,
)
