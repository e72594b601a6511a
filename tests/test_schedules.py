"""The emitted `learning_rate` of every schedule: the reference's, and of the right course, for runs of any length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from specc.catalog.base import Constant
from specc.catalog.schedule import AnySchedule, Schedule
from specc.catalog.training import AdamW
from specc.emit.model import constant_line
from specc.emit.render import definitions, imports
from specc.reference.schedule import VARIANTS
from tests.spec_space import tag_of, variants_of

LR = AdamW.default().lr
KINDS = [tag_of(variant, "kind") for variant in variants_of(AnySchedule)]
LENGTHS = (*range(1, 40), 100, 1000)

Rate = Callable[[int, int], float]


def decided(kind: str, warmup: int, lowest: float) -> Schedule:
    """Return a schedule of which nothing is open."""
    values = {"kind": kind, "warmup": warmup, "min_lr_ratio": lowest}
    schedule = TypeAdapter[Schedule](AnySchedule).validate_python(values)
    return schedule.model_copy(update={"decay": 9}) if "decay" in type(schedule).model_fields else schedule


def emitted(schedule: Schedule) -> Rate:
    """Return the function that `training.py` would have."""
    parts = schedule.parts()
    constants = (Constant("LEARNING_RATE", LR), *parts.constants)
    text = [imports(parts.partials), *map(constant_line, constants), *definitions(parts.partials)]
    module: dict[str, Any] = {}
    exec("\n".join(text), module)
    rate: Rate = module["learning_rate"]
    return rate


schedules = pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(decided(kind, warmup, lowest), id=f"{kind}, {warmup} of warm-up, down to {lowest}")
        for kind in KINDS
        for warmup, lowest in ((0, 0.1), (0, 0.0), (1, 0.0), (7, 0.1), (50, 0.1))
    ],
)


@schedules
def test_every_rate_equals_the_reference(schedule: Schedule) -> None:
    rate, reference = emitted(schedule), VARIANTS[schedule.kind]
    values: Mapping[str, Any] = schedule.model_dump()
    for steps in LENGTHS:
        found = [rate(step, steps) for step in range(steps)]
        expected = [reference(step, steps, values, LR) for step in range(steps)]
        assert found == pytest.approx(expected, rel=1e-12, abs=0.0)


@schedules
def test_the_rate_climbs_to_its_peak_and_never_again(schedule: Schedule) -> None:
    rate, warmup = emitted(schedule), schedule.warmup or 0
    for steps in LENGTHS:
        rates = [rate(step, steps) for step in range(steps)]
        first, rest = rates[:warmup], rates[max(warmup - 1, 0) :]
        assert min(rates) > 0
        assert first == sorted(set(first))
        assert rest == sorted(rest, reverse=True)
        if steps > warmup:
            assert max(rates) == rate(warmup, steps) == pytest.approx(LR, rel=1e-12)


@schedules
def test_no_text_is_about_a_warmup_that_is_not_there(schedule: Schedule) -> None:
    parts = schedule.parts()
    text = "\n".join([*map(constant_line, parts.constants), *definitions(parts.partials)])
    assert ("WARMUP_STEPS" in text) == ("warm-up" in text) == bool(schedule.warmup)
