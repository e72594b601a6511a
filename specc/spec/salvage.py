"""What can be understood of a spec in spite of its problems, so that one run reports everything."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from specc.diagnostics import Diagnostic
from specc.spec import codes
from specc.spec.locator import Locator
from specc.spec.nodes import joined
from specc.spec.schema import Spec
from specc.spec.validate import problems_of

_ROUNDS = 4
_TEXTS = frozenset({"name", "path"})  # the keys without a default that hold text; all others hold counts


def salvage(data: object, problems: Sequence[Diagnostic], at: Locator) -> tuple[Spec, frozenset[str]] | None:
    """Return the spec without what is wrong in it, and the paths whose values are therefore not the user's.

    A misspelled key counts as the one that was meant. Where a key without a default is missing altogether, nothing can
    be said about the rest: the answer is None.

    Args:
        data: The spec as plain data.
        problems: What validation found in it.
        at: Where things were written.
    """
    whole, doubtful = deepcopy(data), set[str]()
    for _ in range(_ROUNDS):
        for problem in problems:
            doubtful |= {problem.path, _meant(problem), _removed(problem)}
            _repair(whole, problem, at)
        try:
            return Spec.model_validate(whole), frozenset(doubtful)
        except ValidationError as error:
            problems = tuple(problems_of(error, Spec, at))
    return None


def _meant(problem: Diagnostic) -> str:
    """Return the path of the key that was probably meant by an unknown one."""
    if problem.code == codes.UNKNOWN_KEY and problem.replacement:
        return joined(problem.path.rpartition(".")[0], problem.replacement)
    return problem.path


def _removed(problem: Diagnostic) -> str:
    """Return the path of what goes: an item takes its list with it, since other paths count from it."""
    above, _, name = problem.path.rpartition(".")
    return above if name.isdigit() else problem.path


def _repair(whole: Any, problem: Diagnostic, at: Locator) -> None:
    """Rename a misspelled key, remove a refused value, or put a stand-in where a refused one must be."""
    gone = _removed(problem)
    *parents, name = gone.split(".")
    section = whole
    for parent in parents:
        section = section.get(parent) if isinstance(section, dict) else _item(section, parent)
    if not isinstance(section, dict):
        return
    if name in section:
        value, meant = section.pop(name), _meant(problem).rpartition(".")[2]
        if gone == problem.path and meant != name:
            section.setdefault(meant, value)
    elif gone == problem.path and at.has(gone):
        section[name] = "x" if name in _TEXTS else 1


def _item(items: object, index: str) -> object:
    return items[int(index)] if isinstance(items, list) and index.isdigit() and int(index) < len(items) else None
