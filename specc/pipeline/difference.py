"""What changes between two specs: values, emitted code, and what becomes of checkpoints."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from specc.catalog.model import Network
from specc.emit.fileset import FileSet
from specc.plan import Decided
from specc.resolve.paths import leaves
from specc.spec.nodes import Origin
from specc.spec.train_schema import Train

RECORDS = frozenset({"spec.yaml", "spec.resolved.yaml", "plan.json", "specc.lock"})
"""Emitted files that repeat the spec; their differences are shown as values."""

HARMLESS = frozenset({"dropout", "init", "max_seq_len"})
"""Keys of the model that change nothing that trained weights compute."""

SAME_TENSORS = frozenset({"attention.backend", "attention.kind", "num_kv_heads"})
"""Keys of the model whose effect on weights shows in the shapes of tensors, or that choose a kernel."""


class Fate(StrEnum):
    """What becomes of a checkpoint of the first spec under the second."""

    RESUME = "resume"
    CONVERT = "convert"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs; None is one that a spec does not have.

    Attributes:
        path: Its dotted path.
        old: In the first spec.
        new: In the second.
        origin: Where the second has it from; None when it is gone.
    """

    path: str
    old: object
    new: object
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of checkpoints, and why."""

    fate: Fate
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs between two specs.

    Attributes:
        values: Decided values, in the order of the language.
        code: A unified diff for each emitted file that differs, by its path.
        checkpoints: What becomes of the first one's checkpoints.
    """

    values: tuple[Change, ...]
    code: Mapping[str, str]
    checkpoints: Verdict


def difference(old: tuple[Decided, FileSet], new: tuple[Decided, FileSet]) -> Difference:
    """Compare two compiled specs."""
    before, after = old[0], new[0]
    return Difference(tuple(_values(before, after)), dict(_code(old[1], new[1])), _checkpoints(before, after))


def _values(old: Decided, new: Decided) -> Iterator[Change]:
    before, after = _flat(old), _flat(new)
    origins = new.resolved.origins
    for path in {**before, **after}:
        if path not in before or path not in after or before[path] != after[path]:
            yield Change(path, before.get(path), after.get(path), origins.get(path) if path in after else None)


def _flat(decided: Decided) -> dict[str, object]:
    """Return every decided value by its path, absent sections left out."""
    found = leaves(decided.resolved.spec)
    return {leaf.path: leaf.value for leaf in found if "." in leaf.path or leaf.value is not None}


def _code(old: FileSet, new: FileSet) -> Iterator[tuple[str, str]]:
    for path in sorted({*old, *new} - RECORDS):
        before, after = old.get(path, b""), new.get(path, b"")
        if before != after:
            yield path, "".join(_unified(path, before.decode(), after.decode()))


def _unified(path: str, old: str, new: str) -> Iterator[str]:
    lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return difflib.unified_diff(*lines, f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null")


def _checkpoints(old: Decided, new: Decided) -> Verdict:
    before, after = old.resolved, new.resolved
    misfits = _misfits(before.network, after.network)
    if misfits:
        return Verdict(Fate.RESTART, misfits)
    reasons = (*_meaning(old, new), *_training(old, new))
    return Verdict(Fate.CONVERT if reasons else Fate.RESUME, reasons or ("same tensors, same optimizer",))


def _misfits(old: Network, new: Network) -> tuple[str, ...]:
    """Return the tensors that one network has and the other lacks, or has in another shape."""
    before, after = _shapes(old), _shapes(new)
    paths = {**before, **after}
    return tuple(
        f"`{path}` is {before.get(path, 'absent')} and becomes {after.get(path, 'absent')}"
        for path in paths
        if before.get(path) != after.get(path)
    )


def _shapes(network: Network) -> dict[str, str]:
    """Return the shape of every tensor by its name; layers are all alike, so the first stands for them."""
    outer = {parameter.name: str(list(parameter.shape)) for parameter in network.outer_parameters()}
    layer = {f"model.layers.0.{p.name}": str(list(p.shape)) for p in network.layer_parameters()}
    return {**outer, **layer, "model.layers": f"{network.dims.num_layers} layers"}


def _meaning(old: Decided, new: Decided) -> Iterator[str]:
    """Yield the keys that make the same weights compute something else."""
    for change in _values(old, new):
        section, _, key = change.path.partition(".")
        if section == "model" and key.partition(".")[0] not in HARMLESS and key not in SAME_TENSORS:
            yield f"the weights fit, but `{change.path}` changes what they compute"


def _training(old: Decided, new: Decided) -> Iterator[str]:
    """Yield why the optimizer's state cannot be carried over."""
    before, after = ((decided.resolved.spec.train or Train()).optimizer for decided in (old, new))
    if type(before) is not type(after):
        yield f"the optimizer's state starts anew: {before.kind} becomes {after.kind}"
