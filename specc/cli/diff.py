"""`specc diff`: two specs side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from specc.cli import console
from specc.cli.options import Json, Overrides
from specc.pipeline import output
from specc.pipeline.difference import Change, Difference, Fate, difference
from specc.resolve import place_and_reason

_FATES = {
    Fate.RESUME: "checkpoints of the first resume under the second",
    Fate.CONVERT: "weights of the first can be loaded into the second, as a new run",
    Fate.RESTART: "checkpoints of the first do not fit the second: training must restart",
}
_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}
_RESET = "\x1b[0m"
_ABSENT = "(absent)"


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="The first spec; `-` is standard input.")],
    new: Annotated[str, typer.Argument(metavar="B", help="The second spec.")],
    overrides: Overrides = None,
    json: Json = False,
) -> None:
    """Show what changes from one spec to another.

    Values with where the new one comes from, emitted code as a unified diff, and whether checkpoints of A resume under
    B, load as weights only, or must restart. `--set` applies to B: `specc diff x.yaml x.yaml --set model.num_layers=24`
    shows what an override does.
    """
    found = difference(output.compiled(old), output.compiled(new, overrides or ()))
    if json:
        console.write_json({**asdict(found), "diagnostics": []})
    else:
        _show(found)


def _show(found: Difference) -> None:
    for change in found.values:
        console.say(_line(change))
    for text in found.code.values():
        console.say("")
        for line in text.splitlines():
            console.say(_painted(line))
    if found.values or found.code:
        console.say("")
    console.say(_FATES[found.checkpoints.fate])
    for reason in found.checkpoints.reasons:
        console.say(f"  {reason}")


def _line(change: Change) -> str:
    old, new = (_ABSENT if value is None else str(value) for value in (change.old, change.new))
    origin = f"  # {place_and_reason(change.origin)}" if change.origin else ""
    return f"{change.path}: {old} -> {new}{origin}"


def _painted(line: str) -> str:
    colour = _COLOURS.get(line[:1])
    return f"{colour}{line}{_RESET}" if colour and console.in_colour() else line
