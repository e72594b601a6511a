"""The choice of a variant by the name it has in a spec."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def choose(key: str, variants: Mapping[str, T], tag: str) -> T:
    """Return the variant called `tag` of the spec's `key`.

    Raises:
        KeyError: The reference has no such variant.
    """
    if tag not in variants:
        raise KeyError(f"the reference has no {key} {tag!r}; it has {', '.join(variants)}")
    return variants[tag]
