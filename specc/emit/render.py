"""The one Jinja environment. Templates say text; every decision is made before, in a view."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from specc.catalog.base import Partial
from specc.emit.imports import merge_imports
from specc.resources import templates_root


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(templates_root()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        auto_reload=False,
    )


def render(template: str, view: object) -> str:
    """Return the text of `template`, which reads nothing but the fields of `view`, as `v`."""
    return _environment().get_template(template).render(v=view)


def definitions(partials: Iterable[Partial]) -> tuple[str, ...]:
    """Return each partial's text, without the line end of its file."""
    return tuple(render(partial.template, partial.view).rstrip("\n") for partial in partials)


def imports(partials: Iterable[Partial], *own: str) -> str:
    """Return the import block for all partials and the file's `own` statements."""
    return merge_imports((*own, *(statement for partial in partials for statement in partial.imports)))
