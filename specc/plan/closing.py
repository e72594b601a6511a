"""The planner's choices put into the spec, so that nothing says `auto` any more."""

from __future__ import annotations

from specc.catalog.backend import BACKENDS, chosen
from specc.plan.values import Servers, Strategy
from specc.resolve import Resolved, close

ONE_RANK = (1, "data parallelism only")


def closed(resolved: Resolved, strategy: Strategy, servers: Servers | None) -> Resolved:
    """Return the resolved spec with every open choice decided, its origin the planner."""
    backend = chosen(resolved.spec.model.attention.backend)
    return close(
        resolved,
        {
            "model.attention.backend": (backend, BACKENDS[backend].reason),
            "train.micro_batch_size": (strategy.micro_batch_size, "the shortest step that fits"),
            "train.activation_checkpointing": (strategy.activation_checkpointing, "the shortest step that fits"),
            "parallel.zero_stage": (strategy.zero_stage, "the lowest stage that fits the shortest step"),
            "parallel.tensor": ONE_RANK,
            "parallel.context": ONE_RANK,
            "parallel.pipeline": ONE_RANK,
            "parallel.expert": ONE_RANK,
            **_served(servers),
        },
    )


def _served(servers: Servers | None) -> dict[str, tuple[object, str]]:
    """Return the choices of a server."""
    if servers is None:
        return {}
    sizing = servers.planned
    return {
        "serve.precision.kv": (sizing.weights, "that of the weights"),
        "serve.parallel.tensor": (int(sizing.tensor.value), sizing.tensor.why),
        "serve.parallel.expert": (1, "the model has no experts"),
        "serve.parallel.data": (int(sizing.data.value), sizing.data.why),
    }
