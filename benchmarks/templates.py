"""The rules of templates, checked on jinja's own syntax tree: a template says text, Python decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes

ENVIRONMENT = Environment()

STRUCTURE = (nodes.Template, nodes.Output, nodes.TemplateData)
TRIMMED = re.compile(r"\{[%{]-|-[%}]\}")
STATEMENT = re.compile(r"\{%.*?%\}", re.DOTALL)
HOLE = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def violations(text: str) -> Iterator[str]:
    """Yield what a template may not hold: all but `{{ v.field }}`, `{{ item }}` and a plain `{% for %}`."""
    for node in _walk(ENVIRONMENT.parse(text)):
        if isinstance(node, nodes.For):
            if node.else_ or node.test or node.recursive:
                yield f"line {node.lineno}: a `for` with `else`, `if` or `recursive`"
        elif not isinstance(node, (*STRUCTURE, nodes.Getattr, nodes.Name)):
            yield f"line {node.lineno}: {type(node).__name__}"
    for number, line in enumerate(text.splitlines(), 1):
        if TRIMMED.search(line):
            yield f"line {number}: whitespace control"


def logic_lines(text: str) -> int:
    """Return the number of lines that hold nothing but control flow."""
    return sum(1 for line in text.splitlines() if STATEMENT.search(line) and not STATEMENT.sub("", line).strip())


def hole_lines(text: str) -> int:
    """Return the number of lines with at least one hole."""
    return sum(1 for line in text.splitlines() if HOLE.search(line))


def filled_lines(text: str) -> int:
    """Return the number of lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


def template_files(root: Path) -> list[Path]:
    """Return the templates under `root`, sorted."""
    return sorted(root.rglob("*.j2"))


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)
