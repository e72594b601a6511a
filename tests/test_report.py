"""The report of a run: what it says of any run, however long, short or broken."""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import journals
from tests.emitted import compiled, imported, lay_out
from tests.first_light import TINY, must, stage
from tests.journals import STEPS, failure, write_run


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(compiled(TINY), tmp_path_factory.mktemp("report") / "project")


@pytest.fixture(scope="module")
def report(project: Path) -> Iterator[ModuleType]:
    with imported("tiny_model", project):
        yield importlib.import_module("tiny_model.report")


@pytest.fixture(scope="module")
def charts(report: ModuleType) -> ModuleType:
    return importlib.import_module(f"{report.__package__}.charts")


@pytest.fixture(scope="module")
def finished(report: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with some adventures."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    return Path(report.write_report(write_run(run, journals.metrics(), journals.events())))


def written(report: ModuleType, run: Path) -> str:
    return str(report.write_report(run).read_text(encoding="utf-8"))


def numbers(page: str) -> dict[str, tuple[str, str]]:
    """Return the headline numbers and their notes, by name."""
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)<small>(.*?)</small>", page)
    return {name: (number, note) for name, number, note in found}


def lines(page: str) -> dict[tuple[str, str], list[list[float]]]:
    """Return the points [step, low, high] of each line, by the names of its chart and its own."""
    (data,) = re.findall(r'id="data">(.*?)</script>', page)
    return {
        (chart["key"], line["name"]): line["points"] for chart in json.loads(data)["charts"] for line in chart["lines"]
    }


def test_headline_numbers_are_those_of_the_run(finished: Path) -> None:
    found = numbers(finished.read_text(encoding="utf-8"))
    losses = {line["step"]: line["loss"] for line in journals.metrics() if line["loss"] is not None}
    best = min(losses, key=lambda step: losses[step])
    (*_, validation) = [event for event in journals.events() if event["event"] == "validation"]

    assert found["Loss"] == (f"{losses[STEPS]:.4g}", f"best {losses[best]:.4g}, step {best}")
    assert found["Validation loss"] == (f"{validation['loss']:.4g}", f"perplexity {validation['perplexity']:.4g}")
    assert found["Steps"] == ("700", "1 skipped")
    assert found["Tokens"] == ("1.434M", "")
    assert found["Tokens per second"] == ("12,000", "median")
    # 700 steps and two pauses by the clock; the first step alone is ten times as slow by its own measure.
    assert found["Wall time"] == ("3 min 29 s", "2 min 01 s in steps")
    assert found["Restarts"] == ("2", "")


def test_lines_are_the_metrics(finished: Path) -> None:
    drawn = lines(finished.read_text(encoding="utf-8"))
    for chart, measure in (("loss", "loss"), ("norm", "grad_norm"), ("speed", "tokens_per_second")):
        expected = [[line["step"], line[measure], line[measure]] for line in journals.metrics() if line[measure]]
        found = drawn[chart, "each step"]
        assert [point[0] for point in found] == [point[0] for point in expected]
        assert sum(found, []) == pytest.approx(sum(expected, []), rel=1e-3)
    assert [point[0] for point in drawn["loss", "validation"]] == list(range(100, STEPS + 1, 100))


def test_events_are_told_in_their_order(finished: Path) -> None:
    cells = re.findall(r"<td>(\d[\d,]*)</td><td>(\w+)</td>", finished.read_text(encoding="utf-8"))
    expected = [(f"{event['step']:,}", event["event"]) for event in journals.events()]

    assert cells == expected


def test_a_long_run_keeps_its_spike_and_little_else(report: ModuleType, charts: ModuleType, tmp_path: Path) -> None:
    steps = 20 * charts.COLUMNS
    long = [
        {"step": step, "tokens": step, "loss": 1e6 if step == 7_777 else 2 + step % 2, "lr": 1e-3, "grad_norm": 1.0}
        | {"tokens_per_second": 1.0, "mfu": 0.5, "skipped": False}
        for step in range(1, steps + 1)
    ]
    saved = [
        {"time": "2026-11-23T10:00:00Z", "step": step, "event": "checkpoint", "path": ""}
        for step in range(1, steps + 1, 3)
    ]
    page = written(report, write_run(tmp_path / "run", long, saved))
    points = lines(page)["loss", "each step"]

    assert charts.COLUMNS / 2 < len(points) <= charts.COLUMNS
    assert max(points, key=lambda point: point[2])[0] == pytest.approx(7_777, abs=steps / charts.COLUMNS)
    assert max(point[2] for point in points) == 1e6
    assert {point[1] for point in points} == {2}
    assert page.count("mark checkpoint") < 5 * report.PLACES
    assert page.count("<td>checkpoint</td>") == report.LISTED_ROUTINE
    assert numbers(page)["Tokens per second"] == ("1", "median; MFU 50.0%")
    assert len(page) < 500_000


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(2, 20))
def test_columns_keep_extremes_and_sums(charts: ModuleType, values: list[float | None], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "COLUMNS", most)
        series = charts.Series()
        for step, value in enumerate(values, start=1):
            series.add(step, value)
    found, columns = [value for value in values if value is not None], series.columns.values()

    assert len(series.columns) <= most
    assert sum(column.count for column in columns) == len(found)
    assert sum(column.total for column in columns) == pytest.approx(sum(found), abs=1e-6)
    assert min((column.low for column in columns), default=math.inf) == min(found, default=math.inf)
    assert max((column.high for column in columns), default=-math.inf) == max(found, default=-math.inf)


def test_a_step_without_a_number_leaves_a_gap(charts: ModuleType) -> None:
    series = charts.Series()
    for step, value in enumerate((1.0, 2.0, None, None, 4.0), start=1):
        series.add(step, value)
    drawn = charts.Line("x", "raw", series.stretches()).drawn(charts.Scale(1, 5), charts.Scale(0, 4))

    assert [[point.step for point in stretch] for stretch in series.stretches()] == [[1, 2], [5]]
    assert 'd="M0.0 225.0h0L0.0 225.0L250.0 150.0M1000.0 0.0h0L1000.0 0.0"' in drawn


@given(st.floats(1e-9, 1e9), st.floats(1e-6, 1e9), st.booleans())
def test_an_axis_has_some_round_ticks(charts: ModuleType, low: float, span: float, zero: bool) -> None:
    scale = charts.scale_for([low, low + span], zero)
    ticks = scale.ticks()

    assert 0 <= scale.place(low) < scale.place(low + span) <= 1
    assert 1 < len(ticks) <= 2 * charts.TICKS + 3
    assert ticks == sorted(set(ticks))
    rounding = 1e-9 + 4 * math.ulp(low + span) / span
    assert all(-rounding <= scale.place(tick) <= 1 + rounding for tick in ticks)


def test_a_mean_of_a_straight_line_is_the_line(charts: ModuleType) -> None:
    straight = [charts.Point(step, step, step, float(step)) for step in range(50)]
    (mean,) = charts.smooth([straight])

    assert [point.mean for point in mean[:-3]] == pytest.approx([float(step) for step in range(47)])


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_run_that_has_only_begun(report: ModuleType, tmp_path: Path, steps: int) -> None:
    begun = [{**line, "loss": 5.0} for line in journals.metrics(steps)]
    page = written(report, write_run(tmp_path / "run", begun, []))

    assert page.count("<figure") == (4 if steps else 0)
    assert ("No step is done yet." in page) == (steps == 0)
    assert "not finished" in page
    assert numbers(page)["Steps"] == (str(steps), "")
    assert "nan" not in page
    assert "inf" not in page


def test_a_run_says_how_far_it_is(report: ModuleType, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", list(journals.metrics())[:123], list(journals.events())[:3])

    assert numbers(written(report, run))["Steps"] == ("123", "of 700")


@pytest.mark.parametrize(
    ("missing", "steps", "state"), [("metrics.jsonl", "0", "finished"), ("events.jsonl", "700", "not finished")]
)
def test_one_journal_is_enough(report: ModuleType, tmp_path: Path, missing: str, steps: str, state: str) -> None:
    run = write_run(tmp_path / "run", journals.metrics(), journals.events())
    (run / missing).unlink()
    page = written(report, run)

    assert numbers(page)["Steps"][0] == steps
    assert f">{state}</p>" in page


def test_a_line_that_was_cut_off_is_left_out(report: ModuleType, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", journals.metrics(), journals.events())
    whole = written(report, run)
    for name in ("metrics.jsonl", "events.jsonl"):
        with (run / name).open("ab") as file:
            file.write(b'{"step": 701, "reason": "\xf0\x9f')

    assert written(report, run) == whole


def test_a_report_replaces_the_last_one_whole(report: ModuleType, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", journals.metrics(), journals.events())
    first = written(report, run)
    (run / "events.jsonl").write_text("not JSON, not events\n[", encoding="utf-8")
    second = written(report, run)

    assert first != second
    assert sorted(file.name for file in run.iterdir()) == ["events.jsonl", "metrics.jsonl", "report.html"]


def test_text_of_events_stays_text(report: ModuleType, tmp_path: Path) -> None:
    odd = {**failure(1), "other": "lone \ud800"}
    page = written(report, write_run(tmp_path / "<i>run", list(journals.metrics(1)), [odd]))

    assert page.count("<script") == 2
    assert journals.REASON in unescape(page)
    assert "<i>run" not in page


def test_text_of_marks_stays_text(charts: ModuleType) -> None:
    drawn = charts.Mark("failed", 1, journals.REASON).drawn(charts.Scale(0, 2))

    assert unescape(drawn).count(journals.REASON) == 1
    assert drawn.count("<") == 2


def test_the_command_line_writes_the_report(project: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", journals.metrics(3), [])
    printed = must(project, "-m", "tiny_model.report", str(run))
    refused = stage(project, "-m", "tiny_model.report", str(tmp_path))

    assert Path(printed.strip()) == run / "report.html"
    assert refused.returncode == 1
    assert refused.stderr == f"error: {tmp_path} holds no run: metrics.jsonl is missing\n"
