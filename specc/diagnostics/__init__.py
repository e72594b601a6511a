"""Diagnostics are values: what is wrong, where, why, and how to fix it; rendering is separate."""

from specc.diagnostics.explain import EXPLANATIONS, explained, rule
from specc.diagnostics.render import as_json, one_line, render, summary
from specc.diagnostics.suggest import did_you_mean, listed, nearest
from specc.diagnostics.values import CompileFailed, Diagnostic, Label, Severity, Source, Span, printable

__all__ = [
    "EXPLANATIONS",
    "CompileFailed",
    "Diagnostic",
    "Label",
    "Severity",
    "Source",
    "Span",
    "as_json",
    "did_you_mean",
    "explained",
    "listed",
    "nearest",
    "one_line",
    "printable",
    "render",
    "rule",
    "summary",
]
