"""A resolved spec as plain data and as YAML, with where each value came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from specc.catalog.fields import Section
from specc.diagnostics import printable
from specc.resolve.origins import KV_HEADS
from specc.resolve.paths import entries, get, items_of
from specc.resolve.values import Resolved
from specc.resolve.yaml_text import flow
from specc.spec.nodes import Origin, joined
from specc.spec.schema import Spec

NETWORK = "cluster.network"


def document(resolved: Resolved) -> dict[str, Any]:
    """Return the decided spec as a nested dict: the sections that the user wrote, and a spec itself.

    Values that follow from others and that a rule refuses beside them are left out: see `implied`.
    """
    kept = _without(resolved.spec, implied(resolved))
    return {name: value for name, value in kept.items() if getattr(resolved.spec, name) is not None}


def model_document(resolved: Resolved) -> dict[str, Any]:
    """Return the whole `model` section, every key of it, as the reference reads it."""
    return resolved.spec.model.model_dump(mode="json")


def implied(resolved: Resolved) -> dict[str, object]:
    """Return the decided values that a spec may not repeat, by dotted path: other keys fix them."""
    spec, origins = resolved.spec, resolved.origins
    paths = []
    if spec.model.attention.fixed_kv_heads(spec.model.num_heads) is not None:
        paths.append(KV_HEADS)
    if spec.train is not None:
        asked_in_steps = origins["train.steps"].kind != "derived"
        paths.append("train.tokens" if asked_in_steps else "train.steps")
        if not spec.train.logging.to:
            paths.append("train.logging.every")
    if spec.cluster is not None and spec.cluster.nodes == 1:
        paths.append(NETWORK)
    return {path: get(spec, path) for path in paths}


def place_and_reason(origin: Origin) -> str:
    """Return an origin as a comment: `user specs/x.yaml:9`, `derived: hidden_size / num_heads`."""
    if origin.kind in ("default", "derived", "planner"):
        return f"{origin.kind}: {origin.detail}" if origin.detail else origin.kind
    # File names and overrides may hold anything, line breaks too.
    return printable(f"{origin.kind} {origin.detail}".rstrip())


def as_yaml(resolved: Resolved, comment: Callable[[Origin], str] = place_and_reason) -> str:
    """Return the decided spec as YAML that is itself a spec; each value's comment says where it came from."""
    writer = _Writer(resolved, implied(resolved), comment)
    return "".join(f"{line}\n" for line in writer.section(resolved.spec, "", ""))


class _Writer:
    """Writes sections line by line."""

    def __init__(self, resolved: Resolved, left_out: Mapping[str, object], comment: Callable[[Origin], str]) -> None:
        self.origins = resolved.origins
        self.left_out = left_out
        self.comment = comment

    def section(self, section: Section, path: str, indent: str) -> Iterator[str]:
        """Yield the lines of every key of a section."""
        for name, attribute in entries(section):
            here, value = joined(path, name), getattr(section, attribute)
            if not path and value is None:
                continue  # an absent section emits nothing
            if here in self.left_out:
                yield from self._left_out(here, name, value, indent)
            elif isinstance(value, Section):
                yield f"{indent}{name}:"
                yield from self.section(value, here, indent + "  ")
            elif (items := items_of(value)) is not None:
                yield f"{indent}{name}:"
                for index, item in items:
                    yield from self._item(item, joined(here, index), indent + "  ")
            else:
                yield self._line(f"{indent}{name}: {flow(value)}", here)

    def _item(self, item: Section, path: str, indent: str) -> Iterator[str]:
        first, *rest = self.section(item, path, indent + "  ")
        yield f"{indent}- {first.lstrip()}"
        yield from rest

    def _left_out(self, path: str, name: str, value: object, indent: str) -> Iterator[str]:
        """Yield a decided value as a comment, because a spec may not repeat it."""
        if not isinstance(value, Section):
            yield self._line(f"{indent}# {name}: {flow(value)}", path)

    def _line(self, text: str, path: str) -> str:
        origin = self.origins.get(path)
        return text if origin is None else f"{text}  # {self.comment(origin)}"


def _without(spec: Spec, paths: Mapping[str, object]) -> dict[str, Any]:
    data: dict[str, Any] = spec.model_dump(mode="json")
    for path in paths:
        *parents, name = path.split(".")
        section = data
        for parent in parents:
            section = section[parent]
        del section[name]
    return data
