"""Commands that write files: build, verify, import."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated

import typer

from specc.cli import console
from specc.cli.failures import as_diagnostics, unwritable
from specc.cli.options import Json, Overrides, SpecArgument
from specc.diagnostics import as_json
from specc.emit.changes import WriteReport
from specc.pipeline import output
from specc.verify.execute import Certificate

DEFAULT_FOLDER = Path("generated")
_MEANINGS = {
    "created": "created",
    "updated": "updated",
    "deleted": "deleted, no longer part of the output",
    "edited": "edited by hand, kept",
    "merged": "edited by hand, merged with the new output",
    "conflicts": "conflict: resolve the marked lines",
    "kept": "no longer part of the output, but edited by hand: kept, yours from now on",
    "removed": "removed by hand, stays removed",
    "removed_changed": "removed by hand, stays removed although its output changed",
    "restored": "removed by hand, restored",
    "overwritten": "edited by hand, overwritten; your version is in .specc/backup/",
}
_PENDING = ("created", "updated", "deleted")


def build(
    spec: SpecArgument,
    directory: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="The project folder. [generated/<name>]")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when the output would differ from the last build.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write the pure output; edited files go to .specc/backup/.")
    ] = False,
    overrides: Overrides = None,
    json: Json = False,
) -> None:
    """Emit the project of a spec into a folder.

    A rebuild merges three ways: the last output, the new one, and what was edited by hand. Conflicts are marked in the
    files and make the exit code 1. Only files that specc wrote are ever deleted.
    """
    decided, files = output.compiled(spec, overrides or ())
    folder = directory or DEFAULT_FOLDER / decided.resolved.spec.name
    with as_diagnostics(str(folder)):
        report = output.built(files, folder, check=check, force=force)
    if json:
        warnings = [as_json(warning) for warning in decided.resolved.warnings]
        console.write_json({"directory": str(folder), **asdict(report), "diagnostics": warnings})
    else:
        console.report(decided.resolved.warnings)
        _tell(report, folder, check=check)
    if not report.ok or (check and report.differs):
        raise typer.Exit(console.FAILED)


def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `specc build` wrote.")],
    python: Annotated[
        str, typer.Option("--python", metavar="FILE", help="The interpreter to run the tests with. [this one]")
    ] = sys.executable,
    json: Json = False,
) -> None:
    """Run a project's own property tests and write `certificate.json`.

    The tests run in a process of their own, against the independent reference in the project. Files edited by hand
    void the certificate, by name.
    """
    with as_diagnostics(str(directory)):
        certificate = output.verified(directory, python)
    if json:
        console.write_json({**asdict(certificate), "diagnostics": []})
    else:
        _show(certificate, directory)
    if not certificate.valid:
        raise typer.Exit(console.FAILED)


def import_folder(
    folder: Annotated[Path, typer.Argument(metavar="HF_DIR", help="A Hugging Face folder with a `config.json`.")],
    spec: Annotated[Path, typer.Option("-o", "--output", metavar="SPEC", help="The spec to write; `-` prints it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a spec that is there.")] = False,
) -> None:
    """Write a spec from a Hugging Face model folder's `config.json`.

    Weights are not read: build the project of the spec, then convert them with its `convert.py`.
    """
    text = output.imported(folder)
    if str(spec) == "-":
        console.write(text)
        return
    try:
        with spec.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise unwritable(spec, error) from error
    console.say(f"{spec}: written; `specc build {spec}` emits its project")


def _tell(report: WriteReport, folder: Path, *, check: bool) -> None:
    """Write what became of each file, a first build's files as a number only."""
    shown = {name: meaning for name, meaning in _MEANINGS.items() if getattr(report, name)}
    first = set(shown) == {"created"}
    for name, meaning in shown.items():
        for path in () if first and not check else getattr(report, name):
            console.say(f"  {path}: {'would be ' * (check and name in _PENDING)}{meaning}")
    counts = [(len(getattr(report, field.name)), field.name.replace("_", ", output ")) for field in fields(report)]
    numbers = ", ".join(f"{number} {name}" for number, name in counts if number)
    console.say(f"{folder}{os.sep}: {numbers or 'nothing to do'}")


def _show(certificate: Certificate, directory: Path) -> None:
    failed = [test for test in certificate.tests if test.outcome != "passed"]
    for test in failed:
        console.say(f"  {test.outcome}: {test.name}: {test.message}")
    for path in certificate.edited:
        console.say(f"  edited by hand, voids the certificate: {path}")
    passed = len(certificate.tests) - len(failed)
    verdict = "valid" if certificate.valid else "not valid"
    console.say(
        f"{directory}{os.sep}: {passed} of {len(certificate.tests)} properties hold; the certificate is {verdict}"
    )
