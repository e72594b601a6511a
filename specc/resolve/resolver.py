"""The pass itself: `Spec` to `Resolved`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from specc.catalog.training import PRECISIONS
from specc.diagnostics import CompileFailed, Severity
from specc.resolve.case import Case
from specc.resolve.defaults import ASSUMED, Filled, fill, network
from specc.resolve.origins import origins
from specc.resolve.paths import get, put
from specc.resolve.rules import broken_rules, in_file_order
from specc.resolve.values import Machines, Resolved, Run
from specc.spec.load import Loaded
from specc.spec.nodes import Origin
from specc.spec.schema import Spec

AUTO = "auto"


def resolve(loaded: Loaded) -> Resolved:
    """Fill in every value that follows from others, and check that none contradicts another.

    Raises:
        CompileFailed: The spec breaks rules; carries all of them, warnings included.
    """
    filled = fill(loaded.spec)
    broken = broken_rules(Case(loaded.spec, filled, loaded.locator), loaded.doubtful)
    found = in_file_order((*loaded.problems, *broken), loaded.locator.root.span.source.name)
    net = network(filled.spec)
    if net is None or any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        raise CompileFailed(found)
    assumed = tuple(name for name in ASSUMED if getattr(loaded.spec, name) is None)
    return Resolved(
        spec=filled.spec.model_copy(update=dict.fromkeys(assumed)),
        network=net,
        run=_run(filled),
        machines=_machines(filled),
        origins=MappingProxyType(dict(origins(loaded.spec, loaded.locator, filled.reasons))),
        assumed=assumed,
        warnings=found,
    )


def close(resolved: Resolved, choices: Mapping[str, tuple[object, str]]) -> Resolved:
    """Return the spec with the planner's choice for what says `auto`.

    Args:
        resolved: What is still open.
        choices: Value and reason by dotted path; used where the value is `auto` and its section is there.
    """
    spec, found = resolved.spec, dict(resolved.origins)
    for path, (value, reason) in choices.items():
        if get(spec, path) == AUTO:
            spec = put(spec, path, value)
            found[path] = Origin("planner", reason)
    return resolved._replace(spec=spec, origins=MappingProxyType(found))


def _run(filled: Filled) -> Run:
    train, parallel, every = filled.train, filled.spec.parallel, filled.train.checkpoint.every
    steps, length, batch = train.steps, train.sequence_length, train.global_batch_size
    precision, checkpointing = train.precision, train.activation_checkpointing
    assert steps is not None
    assert length is not None
    assert batch is not None
    assert every is not None
    assert precision is not None
    assert parallel is not None
    return Run(
        steps=steps,
        tokens=steps * batch * length,
        sequence_length=length,
        global_batch_size=batch,
        micro_batch_size=_number(train.micro_batch_size),
        checkpoint_every=every,
        validate_every=_validate_every(filled.spec, every),
        precision=PRECISIONS[precision],
        activation_checkpointing=None if checkpointing == AUTO else checkpointing,
        zero_stage=_number(parallel.zero_stage),
    )


def _validate_every(spec: Spec, otherwise: int) -> int | None:
    if spec.data is None or spec.data.validation is None:
        return None
    return otherwise if spec.eval is None else spec.eval.every


def _machines(filled: Filled) -> Machines:
    cluster = filled.cluster
    return Machines(
        gpu=filled.gpu,
        gpus_per_node=cluster.gpus_per_node,
        nodes=cluster.nodes,
        network_bytes_per_second=cluster.network.bandwidth_per_gpu,
        price_per_gpu_hour=cluster.price_per_gpu_hour,
    )


def _number(value: int | str) -> int | None:
    return value if isinstance(value, int) else None
