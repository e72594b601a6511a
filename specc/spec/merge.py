"""How one file adds to another: mappings key by key, everything else replaced."""

from __future__ import annotations

from dataclasses import replace

from specc.spec.nodes import Entry, Mapping, Node, Scalar

# The key that names a variant in every tagged mapping whose variants have different keys.
_TAG = "kind"


def merged(base: Mapping, top: Mapping) -> Mapping:
    """Return `base` with what `top` says added; `top` wins, and an explicit null replaces."""
    added = {entry.key: entry for entry in top.entries}
    kept = [_joined(entry, added.pop(entry.key, None)) for entry in base.entries]
    return replace(top, entries=(*kept, *added.values()))


def _joined(base: Entry, top: Entry | None) -> Entry:
    if top is None:
        return base
    if isinstance(base.value, Mapping) and isinstance(top.value, Mapping) and not _other_variant(base.value, top.value):
        return top._replace(value=merged(base.value, top.value))
    return top


def _other_variant(base: Mapping, top: Mapping) -> bool:
    """Say whether both name their variant, differently: then the base's keys belong to another variant."""
    below, above = _tag(base), _tag(top)
    return below is not None and above is not None and below != above


def _tag(node: Mapping) -> object:
    entry = node.entry(_TAG)
    value: Node | None = entry.value if entry else None
    return value.value if isinstance(value, Scalar) else None
