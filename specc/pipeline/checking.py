"""From a file to a resolved spec. `specc check` imports nothing beyond this."""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics import CompileFailed, Diagnostic
from specc.resolve import Resolved, resolve
from specc.spec import attempt


def resolved(path: str, overrides: Sequence[str] = ()) -> Resolved:
    """Return a spec with every value that does not depend on the plan.

    Raises:
        CompileFailed: The spec has errors; carries all of them.
    """
    return resolve(attempt(path, overrides))


def check(path: str, overrides: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Return everything that is wrong with a spec, warnings included."""
    try:
        return resolved(path, overrides).warnings
    except CompileFailed as failed:
        return failed.diagnostics
