"""Stage 1: text to a validated `Spec`, with the place of every value."""

from specc.spec.load import Loaded, attempt, load, load_text
from specc.spec.locator import Locator
from specc.spec.nodes import Origin
from specc.spec.schema import Spec

__all__ = ["Loaded", "Locator", "Origin", "Spec", "attempt", "load", "load_text"]
