"""A spec file to a validated `Spec`, or to every problem that it has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError

from specc.diagnostics import CompileFailed, Diagnostic, Source
from specc.spec.compose import compose
from specc.spec.locator import Locator
from specc.spec.nodes import to_data
from specc.spec.read import check_size, read, source_of
from specc.spec.salvage import salvage
from specc.spec.schema import Spec
from specc.spec.validate import problems_of, unexplained


class Loaded(NamedTuple):
    """A spec, and where each of its values was written.

    Attributes:
        spec: The validated spec.
        locator: Where things were written.
        problems: What `attempt` found wrong; `load` raises it instead.
        doubtful: Paths whose values in `spec` are stand-ins for something wrong.
    """

    spec: Spec
    locator: Locator
    problems: tuple[Diagnostic, ...] = ()
    doubtful: frozenset[str] = frozenset()


def load(path: str, overrides: Sequence[str] = ()) -> Loaded:
    """Read a spec file, or standard input for `-`.

    Args:
        path: The file, as the user names it.
        overrides: `a.b.c=value`, in order; each wins over what came before.

    Raises:
        CompileFailed: The spec has errors; carries all of them.
    """
    return _load(read(path), overrides)


def load_text(text: str, name: str, overrides: Sequence[str] = ()) -> Loaded:
    """Read a spec from text; `name` stands for its path, also where relative `extends` start.

    Raises:
        CompileFailed: The spec has errors; carries all of them.
    """
    source = source_of(name, text)
    check_size(source.name, len(text.encode(errors="replace")))
    return _load(source, overrides)


def attempt(path: str, overrides: Sequence[str] = ()) -> Loaded:
    """Read a spec like `load`, and return what can be understood of a wrong one beside its problems.

    Raises:
        CompileFailed: Nothing can be understood of it; carries all that is wrong.
    """
    return _attempt(read(path), overrides)


def _load(source: Source, overrides: Sequence[str]) -> Loaded:
    loaded = _attempt(source, overrides)
    if loaded.problems:
        raise CompileFailed(loaded.problems)
    return loaded


def _attempt(source: Source, overrides: Sequence[str]) -> Loaded:
    composed = compose(source, overrides, os.environ)
    locator = Locator(composed.root)
    found = list(composed.diagnostics)
    data = to_data(composed.root)
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        wrong = list(problems_of(error, Spec, locator))
        found += unexplained(wrong, composed.broken, composed.incomplete)
        problems = _in_file_order(found, source)
        salvaged = salvage(data, wrong, locator)
        if salvaged is None:
            raise CompileFailed(problems) from None
        return Loaded(salvaged[0], locator, problems, salvaged[1] | composed.broken)
    return Loaded(spec, locator, _in_file_order(found, source), composed.broken)


def _in_file_order(found: Sequence[Diagnostic], main: Source) -> tuple[Diagnostic, ...]:
    """Sort by place, the spec itself before the files that it extends."""

    def place(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
        span = diagnostic.primary.span
        return span.source != main, span.source.name, span.line, span.column

    return tuple(sorted(dict.fromkeys(found), key=place))
