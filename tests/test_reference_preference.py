"""The reference's losses of pairs: by hand where the numbers are simple, and their derivatives where they are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.reference import directional_derivative
from specc.reference.preference import bradley_terry_loss, dpo_loss, log_probability, log_sigmoid

NUMBERS = st.lists(st.floats(-30, 30), min_size=1, max_size=5)


def test_equal_answers_cost_a_coin_toss() -> None:
    assert bradley_terry_loss(np.array([3.0, -1.0]), np.array([3.0, -1.0])) == pytest.approx(math.log(2))


def test_odds_of_three_to_one_cost_what_they_say() -> None:
    """A lead of log 3 wins three times in four."""
    assert bradley_terry_loss(np.array([math.log(3)]), np.array([0.0])) == pytest.approx(math.log(4 / 3))
    likelier, as_before = np.array([-5.0 + 2 * math.log(3)]), np.array([-5.0])
    assert dpo_loss(likelier, as_before, as_before, as_before, beta=0.5) == pytest.approx(math.log(4 / 3))


def test_only_the_answer_counts() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]))
    assert log_probability(logits, np.array([-100, 1, 0])) == pytest.approx(math.log(0.8 * 0.9))


@pytest.mark.parametrize("lead", [-1e4, -40.0, 40.0, 1e4])
def test_nothing_overflows(lead: float) -> None:
    assert log_sigmoid(np.array([lead]))[0] == pytest.approx(min(lead, 0.0), abs=1e-15)


@given(NUMBERS, st.floats(0.01, 2))
def test_derivative_is_the_odds_of_losing(chosen: list[float], beta: float) -> None:
    """The loss falls with each lead by beta times the probability that the model gives the other answer."""
    rejected = np.linspace(-2, 2, len(chosen))
    weights = {"chosen": np.array(chosen), "rejected": rejected}
    before = np.zeros(len(chosen)), np.ones(len(chosen))
    lead = beta * ((weights["chosen"] - before[0]) - (rejected - before[1]))
    losing = 1 / (1 + np.exp(lead))
    direction = np.arange(1.0, len(chosen) + 1)
    slope = directional_derivative(
        lambda w: dpo_loss(w["chosen"], w["rejected"], *before, beta), weights, "chosen", direction
    )
    assert slope == pytest.approx(-beta * (losing * direction).mean(), rel=1e-12, abs=1e-14)
