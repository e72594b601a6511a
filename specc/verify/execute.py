"""Runs a project's own property tests, in a process of its own, and writes what they showed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

CERTIFICATE = "certificate.json"
NEEDED = ("torch", "numpy", "hypothesis", "pytest", "safetensors")


class VerifyFailed(Exception):
    """The tests could not be run at all.

    Attributes:
        help: What to do about it.
    """

    def __init__(self, reason: str, help: str) -> None:
        self.help = help
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class TestResult:
    """One property and whether it held."""

    name: str
    outcome: str
    seconds: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was proven, about which bytes.

    Attributes:
        valid: Every test passed and no emitted file differs from what specc wrote.
        edited: Emitted files that were changed or removed by hand; each voids the certificate.
    """

    name: str
    valid: bool
    tests: tuple[TestResult, ...]
    edited: tuple[str, ...]
    files: Mapping[str, str]
    versions: Mapping[str, str]


def verify_project(directory: Path, python: str = sys.executable) -> Certificate:
    """Run the tests of the project in `directory` and write its `certificate.json`.

    Args:
        directory: A folder that `specc build` wrote.
        python: The interpreter to run them with, with the project's `requirements/train.txt` and `test.txt` installed.

    Raises:
        VerifyFailed: There is no project, or `python` cannot run its tests.
    """
    name, files = _lock(directory)
    versions = _versions(python)
    tests = _run(directory, python)
    edited = tuple(path for path, sha256 in sorted(files.items()) if _sha256(directory / path) != sha256)
    passed = bool(tests) and all(test.outcome == "passed" for test in tests)
    certificate = Certificate(name, passed and not edited, tests, edited, files, versions)
    text = json.dumps(asdict(certificate), indent=2, sort_keys=True) + "\n"
    aside = directory / f".{CERTIFICATE}"
    aside.write_text(text, encoding="utf-8")
    aside.replace(directory / CERTIFICATE)
    return certificate


def _lock(directory: Path) -> tuple[str, dict[str, str]]:
    """Return the project's name and the hash of each of its files."""
    try:
        lock = json.loads((directory / "specc.lock").read_text(encoding="utf-8"))
        return lock["name"], lock["files"]
    except (OSError, ValueError, KeyError) as error:
        raise VerifyFailed(f"{directory} is no specc project: {error}", "run `specc build SPEC` first") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _versions(python: str) -> dict[str, str]:
    """Return the versions of what the tests import, as `python` sees them."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        f"print(json.dumps({{n: m.version(n) for n in {NEEDED!r}}} | {{'python': platform.python_version()}}))"
    )
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        raise VerifyFailed(f"cannot run {python}: {error}", "give another with `--python`") from error
    if done.returncode:
        missing = done.stderr.strip().rpartition("\n")[2]
        raise VerifyFailed(
            f"{python} cannot run the tests: {missing}",
            "install the project's requirements/train.txt and test.txt into it, or give another with `--python`",
        )
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def _run(directory: Path, python: str) -> tuple[TestResult, ...]:
    with tempfile.TemporaryDirectory(prefix="specc-") as folder:
        report = Path(folder, "report.xml")
        # -B and no cache: a look leaves no files in the project.
        command = [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests"]
        environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": folder}
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
        if not report.is_file():
            raise VerifyFailed(f"the tests did not run:\n{done.stdout}{done.stderr}", "see the message above")
        return _results(ElementTree.parse(report).getroot())


def _results(report: ElementTree.Element) -> tuple[TestResult, ...]:
    results = []
    for case in report.iter("testcase"):
        failure = next((child for child in case if child.tag in {"failure", "error", "skipped"}), None)
        outcome = "passed" if failure is None else failure.tag
        message = "" if failure is None else (failure.get("message") or "").partition("\n")[0]
        name = f"{case.get('classname')}.{case.get('name')}"
        results.append(TestResult(name, outcome, float(case.get("time", 0)), message))
    return tuple(results)
