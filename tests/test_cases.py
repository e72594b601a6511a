"""Every directory in `tests/cases` is a test: a spec, and what specc must say about it or make of it.

`spec.yaml` is checked as a user would, from its own folder, with the overrides in `overrides.txt`. The folders in
`tests/imports` hold a `config.json`, which is imported. `diagnostics.txt` holds all that is said. Where there is a
folder `expected` instead, nothing may be said, and the emitted files of these names must agree with those in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from specc.cli import failures
from specc.diagnostics import EXPLANATIONS, CompileFailed, Diagnostic, Source, one_line, render
from specc.interop import codes as interop_codes
from specc.interop import import_folder
from specc.pipeline.checking import check
from specc.pipeline.output import compiled
from specc.resolve import rules
from specc.spec import codes
from tests.golden import Golden

CASES = Path(__file__).parent / "cases"
FOLDERS = sorted(folder for root in (CASES, CASES.with_name("imports")) for folder in root.iterdir())
REGISTER = (codes, failures, interop_codes, rules)
"""The modules that register every page."""

ELSEWHERE = {
    failures.WRITE_FAILED: "tests/test_cli_projects.py",
    failures.VERIFY_FAILED: "tests/test_cli_projects.py",
    codes.FILE_TOO_LARGE: "test_huge_file",
    codes.FILE_UNREADABLE: "test_missing_file",
    codes.TOO_MANY_PROBLEMS: "test_many_problems",
}
"""Codes whose input is a folder's state, or too large to keep in a file."""

WRONG = [folder for folder in FOLDERS if not (folder / "expected").is_dir()]
RIGHT = [folder for folder in FOLDERS if (folder / "expected").is_dir()]
MODEL = "model: {num_layers: 2, hidden_size: 64, num_heads: 4, vocab_size: 512}\n"


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def overrides(folder: Path) -> list[str]:
    file = folder / "overrides.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def said(folder: Path) -> tuple[Diagnostic, ...]:
    """Return all that specc says about a case."""
    with inside(folder):
        if (folder / "spec.yaml").exists():
            return check("spec.yaml", overrides(folder))
        try:
            import_folder(Path())
        except CompileFailed as failed:
            return failed.diagnostics
        return ()


@pytest.mark.parametrize("folder", WRONG, ids=lambda folder: folder.name)
def test_diagnostics(folder: Path, golden: Golden) -> None:
    diagnostics = said(folder)

    assert diagnostics, "a case without diagnostics has a folder `expected`"
    golden.file(folder / "diagnostics.txt", render(diagnostics, colour=False))


@pytest.mark.parametrize("folder", RIGHT, ids=lambda folder: folder.name)
def test_emitted_files(folder: Path, golden: Golden) -> None:
    with inside(folder):
        _, files = compiled("spec.yaml", overrides(folder))
    wanted = {path.relative_to(folder / "expected").as_posix() for path in (folder / "expected").rglob("*.*")}

    assert not (folder / "diagnostics.txt").exists()
    golden.tree(folder / "expected", {path: data for path, data in files.items() if path in wanted})


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_every_diagnostic_has_a_case(code: str) -> None:
    if code in ELSEWHERE:
        return
    named = [folder for folder in WRONG if folder.name == code]

    assert named, f"tests/cases/{code}/ is missing"
    assert code in {diagnostic.code for diagnostic in said(named[0])}


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_every_page_has_its_parts(code: str) -> None:
    """What it means, then why it is refused, an example, and the fix."""
    starts = [line.partition(":")[0] for line in EXPLANATIONS[code].splitlines() if line]

    assert [part for part in ("Why", "Example", "Fix") if part in starts] == ["Why", "Example", "Fix"]
    assert EXPLANATIONS[code].partition("\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("folder", WRONG, ids=lambda folder: folder.name)
def test_diagnostics_are_well_formed(folder: Path) -> None:
    for diagnostic in said(folder):
        span = diagnostic.primary.span
        assert diagnostic.code in EXPLANATIONS
        assert diagnostic.message[0].islower() or diagnostic.message[0] in "`0123456789-"
        assert not diagnostic.message.endswith(".")
        assert "\n" not in one_line(diagnostic)
        assert span.line >= 1
        assert span.column >= 1
        assert span.column + span.length <= len(span.source.line(span.line)) + 2


def test_most_diagnostics_help() -> None:
    found = [diagnostic for folder in WRONG for diagnostic in said(folder)]

    assert sum(diagnostic.help is not None for diagnostic in found) >= 0.9 * len(found)


def test_five_mistakes_in_one_run() -> None:
    found = said(CASES / "five-mistakes")

    assert [(d.code, d.path, d.primary.span.line) for d in found] == [
        ("bad-unit", "model.num_layers", 4),
        ("heads-not-divisible", "model.num_heads", 6),
        ("unknown-value", "model.attention.kind", 7),
        ("bad-unit", "train.tokens", 10),
        ("unknown-key", "train.learning_rate", 11),
    ]


def test_misspelled_key_counts_as_the_one_meant(tmp_path: Path) -> None:
    """A required key that is misspelled does not hide what else is wrong."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"specc: 1\nname: tiny\n{MODEL.replace('num_heads: 4', 'num_head: 4')}cluster: {{gpu: h100}}\n")

    assert {"unknown-key", "unknown-gpu"} <= {diagnostic.code for diagnostic in check(str(spec))}


def test_huge_file(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("#" * 10_000_000)

    assert [diagnostic.code for diagnostic in check(str(spec))] == [codes.FILE_TOO_LARGE]


def test_many_problems(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"specc: 1\nname: tiny\n{MODEL}" + "".join(f"key{n}: 1\n" for n in range(2000)))

    assert codes.TOO_MANY_PROBLEMS in {diagnostic.code for diagnostic in check(str(spec))}


def test_missing_file() -> None:
    (diagnostic,) = check("no/such/spec.yaml")

    assert diagnostic.code == codes.FILE_UNREADABLE
    assert diagnostic.primary.span == Source("no/such/spec.yaml", "").span(1, 1)
