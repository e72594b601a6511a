"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

SpecArgument: TypeAlias = Annotated[str, typer.Argument(metavar="SPEC", help="The spec; `-` is standard input.")]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b.c=value", help="Override one value; may be repeated, later ones win."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
