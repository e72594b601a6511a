"""The contract between templates and their views: what a template reads through `v` is what its view holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from specc.resources import templates_root
from tests.emitted import rendered_views

ROOT = templates_root()
TEMPLATES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.j2"))


def parse(template: str) -> nodes.Template:
    return Environment(autoescape=False).parse((ROOT / template).read_text(encoding="utf-8"))


def fields_read(tree: nodes.Template) -> set[str]:
    return {
        node.attr
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == "v"
    }


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 20


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_reads_every_field_of_its_view_and_no_other(template: str) -> None:
    views = rendered_views()
    assert template in views, f"no spec of the tests renders {template}"
    for view in views[template]:
        assert fields_read(parse(template)) == set(signature(type(view)).parameters)


def forbidden(tree: nodes.Template) -> Iterator[str]:
    allowed = (
        *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr),
        *(nodes.For, nodes.Const, nodes.Keyword, nodes.Helper),
    )
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, allowed):
            yield f"{type(node).__name__} at line {node.lineno}"


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_takes_no_decision(template: str) -> None:
    tree = parse(template)
    assert list(forbidden(tree)) == []
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    targets = {node.target.name for node in tree.find_all(nodes.For) if isinstance(node.target, nodes.Name)}
    assert names <= {"v"} | targets
    assert not any(node.test or node.else_ or node.recursive for node in tree.find_all(nodes.For))


@pytest.mark.parametrize(
    "text",
    [
        "{% if v.x %}a{% endif %}",
        "{% set x = 1 %}",
        "{{ v.x | upper }}",
        "{{ v.x + 1 }}",
        "{% macro m() %}{% endmacro %}",
        "{{ v.x is defined }}",
        "{{ v.f() }}",
        "{{ v.x if v.y else v.z }}",
    ],
)
def test_the_check_sees_a_decision(text: str) -> None:
    assert list(forbidden(Environment(autoescape=False).parse(text)))


def test_templates_use_no_whitespace_control() -> None:
    for template in TEMPLATES:
        assert not re.search(r"\{%[-+]|[-+]%\}|\{\{-|-\}\}", (Path(ROOT) / template).read_text(encoding="utf-8"))
