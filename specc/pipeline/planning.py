"""From a file to a plan: what `resolve` and `plan` run."""

from __future__ import annotations

from collections.abc import Sequence

from specc.pipeline.checking import resolved
from specc.plan import Decided, plan


def decided(path: str, overrides: Sequence[str] = ()) -> Decided:
    """Return a spec with every value decided, and its plan.

    Raises:
        CompileFailed: The spec has errors; carries all of them.
    """
    return plan(resolved(path, overrides))
