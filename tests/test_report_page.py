"""The report of a run as a browser shows it, wide and narrow, light and dark."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests import journals
from tests.browser import Page, browser
from tests.emitted import compiled, imported, lay_out
from tests.first_light import TINY
from tests.journals import NONFINITE, SPIKE_LOSS, STEPS, STOPPED, failure, write_run

PHONE = 360  # pixels across


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    with imported("tiny_model", lay_out(compiled(TINY), tmp_path_factory.mktemp("report") / "project")):
        yield importlib.import_module("tiny_model.report")


@pytest.fixture(scope="module")
def finished(report: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with some adventures."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    return Path(report.write_report(write_run(run, journals.metrics(), journals.events())))


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with browser() as page:
        yield page


def box(tab: Page, selector: str) -> dict[str, float]:
    found: dict[str, float] = tab.evaluate(
        f"(({{left, top, width, height}}) => ({{left, top, width, height}}))"
        f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
    )
    return found


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_quiet_and_fits(tab: Page, finished: Path, width: int, dark: bool) -> None:
    tab.open(finished, width=width, dark=dark)

    assert tab.complaints() == []
    assert tab.requests() == [finished.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.querySelectorAll('figure').length") == 4
    for key in ("loss", "rate", "norm", "speed"):
        drawn = box(tab, f"#{key} svg")
        assert drawn["width"] > 0.7 * min(width, 300)
        assert drawn["height"] > 100
        line = box(tab, f"#{key} path:not(.grid)")
        assert line["width"] == pytest.approx(drawn["width"], rel=0.01)
        assert 0.3 * drawn["height"] < line["height"] <= drawn["height"]


def test_dark_and_light_are_told_apart(tab: Page, finished: Path) -> None:
    def lightness() -> list[float]:
        colours = tab.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        return [sum(map(float, re.findall(r"[\d.]+", colour))) / 3 for colour in colours]

    tab.open(finished)
    page, ink = lightness()
    assert page - ink > 180
    tab.open(finished, dark=True)
    page, ink = lightness()
    assert ink - page > 180


def test_events_stand_where_they_happened(tab: Page, finished: Path) -> None:
    tab.open(finished)
    plot = box(tab, "#loss svg")
    for selector, step in ((".nonfinite", NONFINITE), (".stopped", STOPPED), (".resumed", 300)):
        mark = box(tab, f"#loss {selector}")
        share = (mark["left"] - plot["left"]) / plot["width"]
        assert 1 + share * (STEPS - 1) == pytest.approx(step, abs=1.5)
    titles = tab.evaluate("[...document.querySelectorAll('#loss .resumed')].map(mark => mark.title)")
    assert titles == ["step 300: resumed", "step 500: resumed"]


def test_pointing_at_a_step_reads_it_out(tab: Page, finished: Path) -> None:
    tab.open(finished)
    plot = box(tab, "#loss .plot")
    share = (journals.SPIKE - 1) / (STEPS - 1)
    tab.point_at(plot["left"] + share * plot["width"], plot["top"] + 20)
    said = tab.evaluate("document.querySelector('#loss output').textContent")

    assert said.startswith(f"step 434: each step {SPIKE_LOSS}, mean ")
    assert "rate 0." in tab.evaluate("document.querySelector('#rate output').textContent")
    assert not tab.evaluate("document.querySelector('#speed .cursor').hidden")
    tab.point_at(0, 0)
    assert tab.evaluate("document.querySelector('#loss output').textContent") == ""
    assert tab.complaints() == []


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_run_that_failed_early_is_shown(
    tab: Page, report: ModuleType, tmp_path: Path, steps: int, width: int
) -> None:
    file = report.write_report(
        write_run(tmp_path / "run", journals.metrics(steps), [{**failure(steps), "more": "long" * 500}])
    )
    tab.open(file, width=width)

    assert tab.complaints() == []
    assert tab.evaluate("document.querySelector('header .failed').textContent") == "failed"
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert journals.REASON in tab.evaluate("document.querySelector('tbody').innerText")
