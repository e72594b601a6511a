"""What a whole run takes in device hours, days, money, energy and carbon."""

from __future__ import annotations

from specc.plan.values import Cost, Throughput
from specc.resolve.values import Machines

MICROSECONDS_PER_HOUR = 3_600_000_000
# Data centres draw this much for each watt of their devices: between LLaMA's 1.1 and BLOOM's 1.2. Devices are
# taken to draw their rated power, as both reports do, so hosts and idle time count only as far as it covers them.
POWER_USAGE_EFFECTIVENESS = 1.15
# Of the world's electricity in 2022 (Ember, Global Electricity Review 2023). A region's own differs by a factor of 20.
KG_CO2E_PER_KWH = 0.436


def cost(throughput: Throughput | None, machines: Machines, steps: int) -> Cost:
    """Return what `steps` optimizer steps take; dollars from the shortest time at the lowest price to the converse."""
    if throughput is None:
        return Cost(None, None, None, None, None, None)
    hours = steps * throughput.step_microseconds / MICROSECONDS_PER_HOUR
    gpu_hours = hours * machines.ranks
    per_hour = machines.ranks * steps / MICROSECONDS_PER_HOUR
    price = _price(machines)
    tdp = machines.gpu.tdp_watts
    kwh = None if tdp is None else gpu_hours * tdp / 1000 * POWER_USAGE_EFFECTIVENESS
    return Cost(
        gpu_hours=gpu_hours,
        days=hours / 24,
        usd_low=None if price is None else throughput.low_microseconds * per_hour * price[0],
        usd_high=None if price is None else throughput.high_microseconds * per_hour * price[1],
        kwh=kwh,
        kg_co2e=None if kwh is None else kwh * KG_CO2E_PER_KWH,
    )


def _price(machines: Machines) -> tuple[float, float] | None:
    """Return the lowest and highest USD per device and hour: the user's own, or the catalogue's."""
    own = machines.price_per_gpu_hour
    return machines.gpu.price_usd_per_hour if own is None else (own, own)
