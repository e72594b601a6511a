"""The order of windows: a random permutation that needs no table, the same for ever."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emitted import compiled, imported, lay_out
from tests.first_light import TINY

Shuffle = Callable[[int, int, str], int]


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shuffle]:
    """The emitted function."""
    with imported("tiny_model", lay_out(compiled(TINY), tmp_path_factory.mktemp("order") / "project")):
        yield importlib.import_module("tiny_model.data").shuffled


@given(count=st.integers(1, 3000), key=st.text(alphabet="0123456789 ", min_size=1, max_size=40))
def test_shuffling_loses_nothing(shuffled: Shuffle, count: int, key: str) -> None:
    assert sorted(shuffled(place, count, key) for place in range(count)) == list(range(count))


@given(count=st.integers(1, 10**15), data=st.data())
def test_shuffling_needs_no_table(shuffled: Shuffle, count: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, count - 1))
    assert 0 <= shuffled(place, count, "0 0") < count


@pytest.mark.parametrize("count", [2, 3, 5, 16, 17])
def test_every_place_is_as_likely(shuffled: Shuffle, count: int) -> None:
    keys = 600
    seen = np.zeros((count, count))
    for key in range(keys):
        for place in range(count):
            seen[place, shuffled(place, count, f"0 {key}")] += 1
    chi_squared = ((seen - keys / count) ** 2 / (keys / count)).sum()

    # Of (count - 1)^2 degrees of freedom; the bound is about five standard deviations away.
    freedom = (count - 1) ** 2
    assert chi_squared < freedom + 5 * (2 * freedom) ** 0.5 + 5


def test_neighbours_do_not_stay_neighbours(shuffled: Shuffle) -> None:
    order = [shuffled(place, 5000, "7 0") for place in range(5000)]
    steps = np.abs(np.diff(order))

    assert np.mean(steps) == pytest.approx(5000 / 3, rel=0.05)
    assert np.corrcoef(order[:-1], order[1:])[0, 1] == pytest.approx(0, abs=0.06)


FIRST = [886, 910, 627, 808, 713, 614]


def test_the_order_never_changes(shuffled: Shuffle) -> None:
    """A run that was begun with an older version goes on with the same sequences."""
    assert [shuffled(place, 1000, "0 0") for place in range(6)] == FIRST
