"""Rules about the server: its engine, its size, and what it serves."""

from __future__ import annotations

from collections.abc import Iterator

from specc.catalog.served import tensor_degrees
from specc.diagnostics import Diagnostic, rule
from specc.resolve.case import Case, Rule, one_of
from specc.resolve.defaults import dims
from specc.resolve.rules_flags import without_gpu


@rule("head-dim-not-served")
def head_dim_not_served(case: Case) -> Iterator[Diagnostic]:
    """The engine has no attention for heads of this width.

    Why: vLLM has kernels for heads of 32, 64, 80, 96, 112, 128, 160, 192, 224 and 256 only. With others its server
    starts, calls itself healthy, and dies with the first request.
    Example: `serve: {engine: vllm}` for a model with `head_dim: 16`.
    Fix: another width of heads before you train, or `engine: sglang`.
    """
    engine, width = case.written.serve, case.filled.spec.model.head_dim
    if engine is None or width is None or not engine.head_dims() or width in engine.head_dims():
        return
    model = case.filled.spec.model
    path = case.said("model.head_dim", "serve.engine", "serve")
    near = [w for w in engine.head_dims() if model.hidden_size % w == 0]
    yield Diagnostic(
        code="head-dim-not-served",
        message=f"{engine.title} has no attention for heads of {width}",
        path=path,
        primary=case.at.label(path, f"heads of {width}" if path == "model.head_dim" else "the engine"),
        related=case.labels({"model.num_heads": f"heads of {width}"}) if path != "model.head_dim" else (),
        note=f"it has {', '.join(map(str, engine.head_dims()))}; with others it dies at the first request",
        help=f"choose heads of {one_of(near)}, or another engine" if near else "choose another engine",
    )


@rule("served-precision-differs")
def served_precision_differs(case: Case) -> Iterator[Diagnostic]:
    """The cache of keys and values has another element type than the weights.

    Why: the attention that is emitted for serving reads both in one type.
    Example: `serve: {precision: {weights: fp32, kv: bf16}}`.
    Fix: leave `kv` out; it follows the weights.
    """
    served = case.filled.spec.serve
    if served is None or served.precision.kv in ("auto", served.precision.weights):
        return
    yield Diagnostic(
        code="served-precision-differs",
        message=f"a cache in {served.precision.kv} beside weights in {served.precision.weights}",
        path="serve.precision.kv",
        primary=case.at.label("serve.precision.kv", "another type than the weights"),
        related=case.labels({"serve.precision.weights": "the weights"}),
        help="remove `kv`: it follows the weights",
    )


@rule("tensor-degree-not-possible")
def tensor_degree_not_possible(case: Case) -> Iterator[Diagnostic]:
    """The devices that are to share each layer do not divide it.

    Why: every device takes the same number of heads and an equal part of the feed-forward network. Key/value heads are
    divided too, or repeated where devices are more than these.
    Example: `serve: {parallel: {tensor: 3}}` for a model with 2 key/value heads.
    Fix: a degree that divides heads and width.
    """
    served, sizes = case.filled.spec.serve, dims(case.filled.spec)
    degree = served.parallel.tensor if served else None
    if sizes is None or not isinstance(degree, int):
        return
    possible = list(tensor_degrees(sizes, sizes.num_heads))
    if degree in possible:
        return
    yield Diagnostic(
        code="tensor-degree-not-possible",
        message=f"{degree} devices cannot share {sizes.num_heads} heads with {sizes.num_kv_heads} key/value heads",
        path="serve.parallel.tensor",
        primary=case.at.label("serve.parallel.tensor", "does not divide the model"),
        related=case.labels({"model.num_heads": "heads", "model.num_kv_heads": "key/value heads"}),
        help=f"set it to {one_of(possible[:6])}, or to `auto`",
    )


@rule("too-many-served-devices")
def too_many_served_devices(case: Case) -> Iterator[Diagnostic]:
    """The server needs more devices than a node has.

    Why: one server runs on one node; without a GPU it is one process.
    Example: `serve: {parallel: {tensor: 4, data: 4}}` with `cluster: {gpus_per_node: 8}`.
    Fix: lower a degree, or set `cluster.gpus_per_node`.
    """
    served = case.filled.spec.serve
    if served is None:
        return
    degrees = (served.parallel.tensor, served.parallel.data)
    tensor, data = (degree if isinstance(degree, int) else 1 for degree in degrees)
    there = 1 if without_gpu(case) else case.filled.cluster.gpus_per_node
    if tensor * data <= there:
        return
    path = case.said("serve.parallel.tensor", "serve.parallel.data")
    yield Diagnostic(
        code="too-many-served-devices",
        message=f"the server needs {tensor * data} devices, and a node has {there}",
        path=path,
        primary=case.at.label(path, f"{tensor} x {data}"),
        related=case.labels({"cluster.gpus_per_node": "devices of a node", "cluster.gpu": "the device"}),
        help="remove it, or set it to `auto`",
    )


@rule("target-without-effect")
def target_without_effect(case: Case) -> Iterator[Diagnostic]:
    """A time is asked of a server on a device whose speed is unknown.

    Why: the planner sizes chunks and degrees by the device's speed; where that is unknown, the target changes nothing.
    Example: `serve: {target: {tpot: 30ms}}` with `cluster: {gpu: cpu}`.
    Fix: remove the target, or name a device of the catalogue.
    """
    for name in ("ttft", "tpot") if without_gpu(case) else ():
        path = f"serve.target.{name}"
        if case.says(path):
            yield Diagnostic(
                code="target-without-effect",
                message=f"`{name}` has no effect: the speed of `{case.filled.gpu.name}` is unknown",
                path=path,
                primary=case.at.label(path, "changes nothing"),
                related=case.labels({"cluster.gpu": "the device"}),
                help="remove it",
            )


RULES: tuple[Rule, ...] = (
    head_dim_not_served,
    served_precision_differs,
    tensor_degree_not_possible,
    too_many_served_devices,
    target_without_effect,
)
