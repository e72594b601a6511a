"""`specc check`."""

from __future__ import annotations

import typer

from specc.cli import console
from specc.cli.options import Json, Overrides, SpecArgument
from specc.diagnostics import Severity
from specc.pipeline import checking


def check(spec: SpecArgument, overrides: Overrides = None, json: Json = False) -> None:
    """Show every problem of a spec at once.

    Errors and warnings come with the line, a reason and a fix; `specc explain CODE` says more. Warnings do not change
    the exit code.
    """
    found = checking.check(spec, overrides or ())
    console.report(found, as_json=json)
    if any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        raise typer.Exit(console.FAILED)
    if not json and not found:
        console.say(f"{spec}: no problems")
