"""The repository itself: its pages tell the truth about its files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.measures import ROOT

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
# A path of somebody's machine means nothing to a reader.
LOCAL_PATH = re.compile(r"(?<![\w.~-])/(?:work|tmp|home|root|Users)/\w")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md")
TEXT_WITHOUT_LOCAL_PATHS = (*PAGES, "specs/**/*.yaml", "templates/**/*.j2", "examples/**/*", "generated/**/*")


def files(*patterns: str) -> list[Path]:
    return sorted({file for pattern in patterns for file in ROOT.glob(pattern) if file.is_file()})


def links(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead to a file of this repository."""
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", link):
            yield link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", files(*PAGES), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {link}"
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), f"{page.relative_to(ROOT)}: {link}"


def test_readme_names_places_that_exist() -> None:
    """The README's table of places covers every folder of the repository, and no other."""
    _, _, table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Where things are")
    cells = "".join(re.findall(r"^\|([^|]+)\|", table, re.MULTILINE))
    named = set(re.findall(r"`([^`]+)/`", cells))

    assert [place for place in sorted(named) if not (ROOT / place).is_dir()] == []
    assert {"specc", "templates", "specs", "generated", "tests", "examples", "benchmarks", "docs"} <= named


def test_readme_starts_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (first, *_) = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)

    assert "make demo" in first
    assert "make test" in first


def test_readme_names_every_example() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = [file.name for file in (ROOT / "examples").iterdir() if not file.name.startswith((".", "_"))]

    assert examples
    assert [name for name in examples if f"examples/{name}" not in text] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = {page.name for page in folder.glob("[0-9]*.md")}

    assert len(pages) >= 10
    assert pages == {link for link in links(folder / "README.md") if link[0].isdigit()}


def test_every_page_is_listed() -> None:
    folder = ROOT / "docs"
    pages = {page.name for page in folder.glob("*.md")} - {"README.md"}

    assert pages
    assert pages - set(links(folder / "README.md")) == set()


def test_every_decision_has_its_four_parts() -> None:
    parts = ["Context", "Choice", "Cost", "When to revisit"]
    for page in files("docs/decisions/[0-9]*.md"):
        found = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert found == parts, page.name


@pytest.mark.parametrize("target", ["demo", "test", "check", "golden", "bench", "proof"])
def test_make_has_the_target(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


# A file may include another, and pin bytes as well.
PIN = r"[\w.-]+==[\w.]+( --hash=sha256:[0-9a-f]{64})?|-r \.\./templates/serve/requirements/[a-z-]+\.txt"


def test_every_pin_is_exact() -> None:
    for file in (*files("requirements/*.txt"), *files("templates/serve/requirements/*.txt")):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        assert lines
        assert [line for line in lines if not re.fullmatch(PIN, line)] == [], file.name


def test_no_page_names_a_path_of_one_machine() -> None:
    checked = files(*TEXT_WITHOUT_LOCAL_PATHS)
    found = [
        f"{file.relative_to(ROOT)}: {match.group()}"
        for file in checked
        for match in LOCAL_PATH.finditer(file.read_text(encoding="utf-8", errors="replace"))
    ]

    assert checked
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("see /work/x", 1), ("`/home/me/x`", 1), ("and/or /work", 0), ("~/tmp/x", 0), ("a/tmp/x", 0), ("./root/x", 0)],
)
def test_local_path_is_recognised(text: str, found: int) -> None:
    assert len(LOCAL_PATH.findall(text)) == found


def test_golden_files_are_not_rewritten_in_ci() -> None:
    command = [sys.executable, "-m", "pytest", "--update-golden", "--collect-only", "tests/test_repository.py"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "CI": "true"}, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "--update-golden is refused" in done.stderr
