"""`make proof` says what passed, and knows when that no longer speaks of the present sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.proof import Row, rows, sources_hash, stale

FILES = {
    "specc/__init__.py": "",
    "specc/used.py": "from specc import deeper\n",
    "specc/deeper.py": "",
    "specc/unused.py": "",
    "tests/__init__.py": "",
    "tests/conftest.py": "",
    "tests/test_a.py": "from specc import used\n",
    "benchmarks/__init__.py": "",
    "templates/model.py.j2": "",
    "specs/a.yaml": "",
}
REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="x" time="1.5"><system-out>said</system-out></testcase>
<testcase classname="tests.test_a.TestGroup" name="y" time="2.0"/>
<testcase classname="tests.test_a" name="z" time="0.0"><skipped/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_report_becomes_one_row_per_file(root: Path) -> None:
    report = root / "report.xml"
    report.write_text(REPORT)

    expected = Row("tests/test_a.py", passed=2, skipped=1, seconds=3.5, sources=sources_hash(_test(root), root))
    assert rows(report, root) == [expected]


@pytest.mark.parametrize(
    ("changed", "counts"),
    [(name, name not in {"specc/unused.py", "benchmarks/__init__.py"}) for name in FILES],
)
def test_row_is_stale_when_its_sources_change(root: Path, changed: str, counts: bool) -> None:
    table = f"| tests | sources |\n|---|---|\n| tests/test_a.py | `{sources_hash(_test(root), root)}` |\n"
    assert stale(table, root) == []

    with (root / changed).open("a") as file:
        file.write("# changed\n")
    assert stale(table, root) == (["tests/test_a.py"] if counts else [])


def test_row_is_stale_when_its_test_is_gone(root: Path) -> None:
    assert stale("| tests/test_gone.py | `0123` |", root) == ["tests/test_gone.py"]


def _test(root: Path) -> Path:
    return root / "tests" / "test_a.py"
