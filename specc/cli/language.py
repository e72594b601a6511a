"""Commands about the spec language itself: schema, explain."""

from __future__ import annotations

from typing import Annotated

import typer

from specc.cli import console, failures
from specc.diagnostics import EXPLANATIONS, did_you_mean
from specc.interop import codes as interop_codes
from specc.resolve import rules
from specc.spec.describe import KeyPage, describe, paths
from specc.spec.json_schema import json_schema

PAGES = (failures, interop_codes, rules)
"""The modules that register pages; `specc explain` needs them all."""


def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of the spec language.

    Editors with a YAML language server complete and check specs with it: save it and begin the spec with
    `# yaml-language-server: $schema=FILE`.
    """
    console.write_json(json_schema())


def explain(
    topic: Annotated[
        str,
        typer.Argument(metavar="CODE_OR_KEY", help="A diagnostic's code, or a key: `model.num_heads`, `num_heads`."),
    ],
) -> None:
    """Explain a diagnostic or a key of the spec, with an example."""
    if topic in EXPLANATIONS:
        console.say(f"{topic}\n\n{EXPLANATIONS[topic]}")
        return
    found = _keys(topic)
    if not found:
        known = [*EXPLANATIONS, *paths(), *(path.rpartition(".")[2] for path in paths())]
        console.say(f"`{topic}` is no diagnostic and no key; {did_you_mean(topic, known, 'diagnostics')}")
        raise typer.Exit(console.FAILED)
    console.say("\n\n".join(_text(page) for page in found))


def _keys(topic: str) -> list[KeyPage]:
    """Return the key of this path, or every key whose path ends so."""
    exact = describe(topic)
    if exact is not None:
        return [exact]
    ending = [path for path in paths() if path.endswith(f".{topic}")]
    return [page for page in map(describe, ending) if page is not None]


def _text(page: KeyPage) -> str:
    lines = [page.path, "", page.meaning, "", f"Values: {page.values}", f"Default: {page.default}"]
    if page.inside and not page.variants:
        lines.append(f"Keys: {', '.join(page.inside)}")
    lines += [f"  {tag}: {summary}" for tag, summary in page.variants]
    return "\n".join([*lines, "", "Example:", *(f"  {line}" for line in page.example.splitlines())])
