"""What every test shares: hypothesis profiles and expected output."""

from __future__ import annotations

import os

import hypothesis
import pytest

from tests.golden import Golden

PROOF = os.environ.get("SPECC_PROOF") == "1"
"""Whether tests run at full length, as `make proof` has them; read it where a test chooses its amount of work."""

# No deadlines: the machine is shared, and a compiler's first call is slow.
# `ci` is the default: the same examples on every machine and in every run. `dev` looks for new ones.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile("dev", deadline=None, print_blob=True)
hypothesis.settings.register_profile("proof", derandomize=True, deadline=None, database=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "proof" if PROOF else "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected outputs of tests")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-golden") and os.environ.get("CI", "").lower() == "true":
        raise pytest.UsageError("--update-golden is refused when CI=true: expected outputs are changed by people")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --update-golden, run only the tests that have an expected output."""
    if not config.getoption("--update-golden"):
        return
    kept = [item for item in items if "golden" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares with expected output in files; `make golden` rewrites them."""
    return Golden(update=bool(request.config.getoption("--update-golden")))
