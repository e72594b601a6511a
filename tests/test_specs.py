"""The specs that come with specc: each is valid and has exactly the size of the model that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc.catalog.family import family_of
from specc.diagnostics import Severity
from specc.resolve import resolve
from specc.spec import load

SPECS = Path(__file__).resolve().parent.parent / "specs"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_spec_is_valid_and_named_after_its_file(path: Path) -> None:
    resolved = resolve(load(str(path)))

    assert resolved.spec.name == path.stem
    assert [found for found in resolved.warnings if found.severity is Severity.ERROR] == []


@pytest.mark.parametrize(
    ("name", "parameters", "family"),
    [
        ("gpt2-124m", 124_439_808, "GPT-2"),
        ("llama-3-8b", 8_030_261_248, "Llama"),
        ("gpt-13b", 13_203_297_280, "Llama"),
    ],
)
def test_spec_has_the_size_of_the_public_model(name: str, parameters: int, family: str) -> None:
    """The first two are what `transformers` counts for the public checkpoints; the third is counted by hand.

    gpt-13b: 2 x 50304 x 5120 + 40 x (4 x 5120 x 5120 + 3 x 5120 x 13824 + 2 x 5120) + 5120.
    """
    network = resolve(load(str(SPECS / f"{name}.yaml"))).network
    found = family_of(network)

    assert network.parameter_count() == parameters
    assert found is not None
    assert found.title == family
