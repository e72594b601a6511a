"""The catalog is complete: every variant has a page, a partial, a reference function and a spec that runs it."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from pydantic import BaseModel

import specc.catalog
from specc.catalog import (
    align,
    attention,
    ffn,
    init,
    norm,
    position,
    schedule,
    serving,
    sources,
    steps,
    tokenizer,
    training,
)
from specc.catalog.backend import BACKENDS
from specc.catalog.base import Variant
from specc.catalog.block import BLOCKS
from specc.catalog.training import PRECISIONS
from specc.resolve import resolve
from specc.spec.load import load
from tests.emitted import decide
from tests.spec_space import FIXED, tag_of, variants_of
from tests.test_cases import CASES

# Axis of the spec: the union of its variants, the key that names one, and the reference's module, where it has one.
AXES = {
    "model.attention": (attention.AnyAttention, "kind", "attention"),
    "model.position": (position.AnyPosition, "kind", "position"),
    "model.ffn": (ffn.AnyFfn, "activation", "ffn"),
    "model.norm": (norm.AnyNorm, "kind", "norm"),
    # Initial weights are random: what they follow is tested by their statistics.
    "model.init": (init.AnyInit, "kind", None),
    "train.optimizer": (training.AnyOptimizer, "kind", "optimizer"),
    "train.schedule": (schedule.AnySchedule, "kind", "schedule"),
    # A library trains the tokenizer; its own properties are tested.
    "tokenizer": (tokenizer.AnyTokenizer, "kind", None),
    # What they emit is run, and compared with plain functions, in the tests of the data stages.
    "data.sources": (sources.AnySource, "format", None),
    "data.steps": (steps.AnyStep, "kind", None),
    # Fine-tuning has the loss of training; what its loop and its masks do is tested where they are run.
    "align": (align.AnyStage, "kind", None),
    "align.peft": (align.AnyPeft, "kind", None),
    # Real servers answer: see the tests of serving.
    "serve": (serving.AnyEngine, "engine", None),
}
VARIANTS = [
    pytest.param(axis, variant, tag_of(variant, key), module, id=f"{axis}={tag_of(variant, key)}")
    for axis, (union, key, module) in AXES.items()
    for variant in variants_of(union)
]


def chosen_tag(case: Path, axis: str) -> str:
    """Return the variant that the spec of a case chooses on an axis."""
    section: object = resolve(load(str(case / "spec.yaml"))).spec
    for name in axis.split("."):
        section = getattr(section, name)
        section = section[0] if isinstance(section, tuple) else section
    return str(getattr(section, AXES[axis][1]))


@pytest.mark.parametrize(("axis", "variant", "tag", "module"), VARIANTS)
def test_variant_is_complete(axis: str, variant: type[BaseModel], tag: str, module: str | None) -> None:
    assert variant.__doc__, f"{tag} says nothing about itself"
    assert variant.__doc__ != Variant.__doc__
    case = CASES / f"{axis.rpartition('.')[2]}-{tag}".replace("_", "-")
    assert (case / "expected").is_dir(), f"{case} is missing"
    assert chosen_tag(case, axis) == tag
    if module is not None:
        reference = importlib.import_module(f"specc.reference.{module}")
        assert callable(getattr(reference, tag, None)), f"specc/reference/{module}.py has no `{tag}`"


def test_every_key_says_what_it_means_and_why_it_has_its_default() -> None:
    for axis, (union, _, _) in AXES.items():
        for variant in variants_of(union):
            for name, info in variant.model_fields.items():
                if name == AXES[axis][1]:
                    continue
                assert info.description, f"{axis}.{name}"
                extra = info.json_schema_extra
                if not info.is_required() and info.default is not None:
                    assert isinstance(extra, dict), f"{axis}.{name} has a default without a reason"


def test_backends_blocks_and_precisions_are_chosen_by_some_spec() -> None:
    resolved = [decide(values).resolved for values in FIXED]
    assert {r.run.precision.compute for r in resolved} == set(PRECISIONS)
    assert {r.spec.model.norm.placement for r in resolved} == set(BLOCKS)
    assert next(iter(BACKENDS)) in BACKENDS


def test_every_variant_class_stands_in_its_axis() -> None:
    """A class that no union lists could never be chosen."""
    listed = {variant.__name__ for union, _, _ in AXES.values() for variant in variants_of(union)}
    folder = Path(specc.catalog.__path__[0])
    concrete = {
        node.name
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and field.target.id in {"kind", "activation", "format", "engine"}
        and ast.unparse(field.annotation).startswith("Literal")
    }
    assert concrete == listed
