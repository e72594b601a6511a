"""Run the tests at full length and write down what passed, with hashes of the sources that it proves.

python -m benchmarks.proof            run, then write docs/proof.md
python -m benchmarks.proof --status   run nothing; say which rows of docs/proof.md are out of date

A row is one test file. Its hash covers that file, every module of this repository that it imports, directly or not,
and the templates and specs. When any of them changes, the row is stale: it proves something that is gone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.imports import Import, imports, modules
from benchmarks.measures import ROOT

PACKAGES = ("specc", "benchmarks", "tests")
DATA = ("templates", "specs")
HEADER = """# Proof

Written by `make proof`, which runs every test at full length. `python -m benchmarks.proof --status` says which rows are
stale: their sources have changed since.

| tests | passed | skipped | seconds | sources |
|---|--:|--:|--:|---|
"""


@dataclass(frozen=True)
class Row:
    """What one test file proved: how many tests passed, in how long, and the hash of its sources."""

    file: str
    passed: int
    skipped: int
    seconds: float
    sources: str

    def __str__(self) -> str:
        """Return the row of the table."""
        return f"| {self.file} | {self.passed} | {self.skipped} | {self.seconds:.0f} | `{self.sources}` |"


def rows(report: Path, root: Path) -> list[Row]:
    """Read pytest's report (JUnit XML) of a run without failures into one row per test file, sorted."""
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        cases.setdefault(_file_of(case.get("classname", ""), root), []).append(case)
    return [
        Row(
            file=file,
            passed=sum(case.find("skipped") is None for case in found),
            skipped=sum(case.find("skipped") is not None for case in found),
            seconds=sum(float(case.get("time", 0)) for case in found),
            sources=sources_hash(root / file, root),
        )
        for file, found in sorted(cases.items())
    ]


def sources_hash(test: Path, root: Path) -> str:
    """Return a hash of all that the test file `test` stands on."""
    digest = hashlib.sha256()
    for file in sorted({test, *_imported(test, root), *_data(root)}):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def stale(table: str, root: Path) -> list[str]:
    """Return the test files whose row in `table` no longer belongs to the sources under `root`."""
    cells = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    found = [(row[0], row[-1]) for row in cells if row and row[0].endswith(".py")]
    return [file for file, hashed in found if not (root / file).exists() or sources_hash(root / file, root) != hashed]


def run(report: Path) -> int:
    """Run every test at full length; return pytest's exit status."""
    jobs = str(min(2, os.cpu_count() or 1))
    command = [sys.executable, "-m", "pytest", "-n", jobs, "--dist", "worksteal", f"--junit-xml={report}"]
    return subprocess.run(
        command, env={**os.environ, "SPECC_PROOF": "1", "OMP_NUM_THREADS": "1"}, check=False
    ).returncode


def _file_of(classname: str, root: Path) -> str:
    """Return the test file of JUnit's dotted name, which may end in the name of a class."""
    parts = classname.split(".")
    while parts and not (root / "/".join(parts)).with_suffix(".py").is_file():
        parts.pop()
    return "/".join(parts) + ".py"


def _imported(test: Path, root: Path) -> set[Path]:
    """Return the files of this repository that `test` imports, directly or not; pytest loads conftest.py for it."""
    files: dict[str, Path] = {}
    found: list[Import] = []
    for package in PACKAGES:
        files |= modules(root / package)
        found += imports(root / package)
    waiting = [module for module, file in files.items() if file in {test, root / "tests" / "conftest.py"}]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in files and module not in seen:
            seen.add(module)
            waiting += _parents(module)
            for each in found:
                if each.module == module:
                    waiting += [each.target, *_parents(each.target), f"{each.target}.{each.name}"]
    return {files[module] for module in seen}


def _parents(module: str) -> list[str]:
    """Return the packages that `module` is in; they load with it."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _data(root: Path) -> Iterator[Path]:
    return (file for folder in DATA for file in (root / folder).rglob("*") if file.is_file())


def main() -> int:
    """Write the table, or say what is stale in it."""
    parser = argparse.ArgumentParser(description="Run the tests at full length and write docs/proof.md.")
    parser.add_argument(
        "--status", action="store_true", help="run nothing; list stale rows and exit 1 if there are any"
    )
    page = ROOT / "docs" / "proof.md"
    if parser.parse_args().status:
        old = stale(page.read_text(encoding="utf-8"), ROOT)
        print(*(f"{file}: stale" for file in old), sep="\n")
        return int(bool(old))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        status = run(report)
        if status == 0:
            page.write_text(HEADER + "".join(f"{row}\n" for row in rows(report, ROOT)), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
