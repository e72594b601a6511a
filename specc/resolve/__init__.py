"""`Spec` to `Resolved`: every default and derived value with its reason, and the rules between values."""

from specc.resolve.document import as_yaml, document, implied, model_document, place_and_reason
from specc.resolve.resolver import close, resolve
from specc.resolve.values import Machines, Resolved, Run

__all__ = [
    "Machines",
    "Resolved",
    "Run",
    "as_yaml",
    "close",
    "document",
    "implied",
    "model_document",
    "place_and_reason",
    "resolve",
]
