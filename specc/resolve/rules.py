"""All rules that hold between the values of a spec, and the pass over them."""

from __future__ import annotations

from collections.abc import Iterable

from specc.diagnostics import Diagnostic
from specc.resolve import (
    rules_align,
    rules_data,
    rules_flags,
    rules_machines,
    rules_model,
    rules_run,
    rules_serve,
    rules_text,
    rules_train,
)
from specc.resolve.case import Case, Rule

RULES: tuple[Rule, ...] = (
    *rules_model.RULES,
    *rules_text.RULES,
    *rules_data.RULES,
    *rules_train.RULES,
    *rules_run.RULES,
    *rules_align.RULES,
    *rules_machines.RULES,
    *rules_serve.RULES,
    *rules_flags.RULES,
)

PLAN_ONLY = frozenset({rules_machines.ZERO_STAGE_NOT_EMITTED})
"""Warnings about what can be planned and not be built: `specc build` takes them as errors."""


def broken_rules(case: Case, doubtful: frozenset[str] = frozenset()) -> tuple[Diagnostic, ...]:
    """Return what every rule finds, errors and warnings.

    Args:
        case: The spec under examination.
        doubtful: Paths whose values are stand-ins for something wrong. What a rule finds there is left out: every
            rule labels all the places that it has read.
    """
    spans = {span for path in doubtful if case.at.has(path) for span in (case.at.key(path), case.at.value(path))}

    def certain(found: Diagnostic) -> bool:
        return found.path not in doubtful and not any(label.span in spans for label in (found.primary, *found.related))

    return tuple(filter(certain, (found for rule in RULES for found in rule(case))))


def in_file_order(found: Iterable[Diagnostic], main: str) -> tuple[Diagnostic, ...]:
    """Return diagnostics by place, the spec itself before the files that it extends."""

    def place(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
        span = diagnostic.primary.span
        return span.source.name != main, span.source.name, span.line, span.column

    return tuple(sorted(dict.fromkeys(found), key=place))
