"""The pass from a resolved spec to a decided one."""

from __future__ import annotations

from specc.plan.alternatives import alternatives
from specc.plan.assumptions import assumptions
from specc.plan.closing import closed
from specc.plan.cost import cost
from specc.plan.memory import memory
from specc.plan.serving import servers, serving
from specc.plan.setting import setting
from specc.plan.shapes import shapes
from specc.plan.strategy import decide
from specc.plan.throughput import throughput
from specc.plan.values import Decided, Estimate
from specc.resolve.values import Resolved


def plan(resolved: Resolved) -> Decided:
    """Close every open choice of a resolved spec, and estimate what it takes."""
    at = setting(resolved)
    sizes = shapes(resolved.network, at.sequence_length, at.moments)
    strategy = decide(at, resolved.run, resolved.machines.ranks, sizes)
    timed = throughput(at, strategy, sizes.flops_per_token)
    estimate = Estimate(
        shapes=sizes,
        memory=memory(at, strategy),
        throughput=timed,
        cost=cost(timed, resolved.machines, resolved.run.steps),
        serving=serving(at, sizes),
        alternatives=alternatives(at, strategy),
        assumptions=assumptions(resolved, at, timed),
    )
    sized = servers(resolved, sizes)
    return Decided(closed(resolved, strategy, sized), strategy, estimate, sized)
