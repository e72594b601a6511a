"""Where each value of a spec came from."""

from __future__ import annotations

from collections.abc import Mapping

from specc.resolve.paths import Leaf, get, leaves
from specc.spec.locator import Locator
from specc.spec.nodes import Origin, Scalar
from specc.spec.schema import Spec

KV_HEADS = "model.num_kv_heads"
ATTENTION_KIND = "model.attention.kind"


def origins(spec: Spec, at: Locator, reasons: Mapping[str, str]) -> Mapping[str, Origin]:
    """Return the origin of every value of the sections that are there, by dotted path.

    Args:
        spec: The spec as the user wrote it, without derived values: what it says tells short forms from defaults.
        at: Where things were written.
        reasons: Why each derived value is what it is.
    """
    return {leaf.path: _origin(leaf, spec, at, reasons) for leaf in leaves(spec) if "." in leaf.path or leaf.value}


def _origin(leaf: Leaf, spec: Spec, at: Locator, reasons: Mapping[str, str]) -> Origin:
    # A null that the user wrote asks for the derived value.
    if leaf.path in reasons:
        return Origin("derived", reasons[leaf.path])
    if at.has(leaf.path):
        return at.origin(leaf.path)
    short = _short_form(leaf, at)
    if short is not None:
        return short
    if leaf.path == ATTENTION_KIND and get(spec, KV_HEADS) is not None:
        return Origin("derived", "num_kv_heads is given")
    return Origin("default", leaf.fallback)


def _short_form(leaf: Leaf, at: Locator) -> Origin | None:
    """Return who wrote `attention: gqa` or `dropout: 0.1`, a single value that sets keys of a section."""
    place = at.find(leaf.path.rpartition(".")[0])
    if place.exists and isinstance(place.node, Scalar) and leaf.name in leaf.section.model_fields_set:
        return place.node.origin
    return None
