"""The shape of the code: who imports whom, how large things grow, what templates may say.

Each rule is checked twice: on this repository, and on a small source that breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmarks import templates
from benchmarks.architecture import (
    LAYERS,
    catalog_tags,
    confinement_violations,
    layer_violations,
    named_variants,
)
from benchmarks.duplication import duplicated_share
from benchmarks.imports import cycles, imports, modules
from benchmarks.measures import ROOT, all_measures, template_measures
from benchmarks.syntax import Function, measure

Package = Callable[[dict[str, str]], Path]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Write a package `specc` of the given files and return its folder."""

    def write(files: dict[str, str]) -> Path:
        root = tmp_path / "specc"
        for name, text in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            (file.parent / "__init__.py").touch()
        (root / "__init__.py").touch()
        return root

    return write


def function_of(package: Package, text: str) -> Function:
    (function,) = measure(package({"units.py": text}) / "units.py").functions
    return function


def test_measures_meet_their_targets() -> None:
    measures = all_measures()

    assert any(measured.name.startswith("generated") for measured in measures)
    assert [str(measured) for measured in measures if not measured.met] == []


def test_every_layer_is_there() -> None:
    """An empty or renamed package would pass every rule."""
    found = {module.split(".")[1] for module in modules(ROOT / "specc") if "." in module}

    assert {*LAYERS, "interop", "reference"} <= found


def test_imports_keep_to_the_layers() -> None:
    found = imports(ROOT / "specc")

    assert len(found) > len(LAYERS)
    assert list(layer_violations(found)) == []
    assert list(confinement_violations(found)) == []
    assert cycles(found) == []


def test_no_stage_names_a_variant() -> None:
    tags = catalog_tags(ROOT / "specc" / "catalog")

    assert {"gqa", "rope", "swiglu", "adamw", "cosine"} <= tags
    assert list(named_variants(ROOT / "specc", tags)) == []


def test_templates_hold_text_and_holes() -> None:
    files = templates.template_files(ROOT / "templates")

    assert files
    assert {str(file): list(templates.violations(file.read_text())) for file in files} == {str(f): [] for f in files}


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("units.py", "from specc import diagnostics", "order of the layers"),
        ("units.py", "from specc.plan.memory import ledger", "order of the layers"),
        ("catalog/norm.py", "import specc.spec.schema", "order of the layers"),
        ("resolve/rules.py", "from ..emit import views", "order of the layers"),
        ("resolve/rules.py", "def f():\n    from specc.cli import app", "order of the layers"),
        ("resolve/rules.py", "from specc.interop import llama", "order of the layers"),
        ("interop/llama.py", "from specc.resolve import resolve", "order of the layers"),
        ("reference/norm.py", "from specc.units import Bytes", "order of the layers"),
        ("verify/execute.py", "from specc.reference import model", "order of the layers"),
        ("emit/write.py", "import specc", "order of the layers"),
        ("somewhere/new.py", "from specc.units import Bytes", "order of the layers"),
        ("spec/load.py", "from specc.catalog.fields import _key", "private"),
    ],
)
def test_wrong_import_is_found(package: Package, file: str, text: str, why: str) -> None:
    targets = ("diagnostics", "plan/memory", "spec/schema", "emit/views", "interop/llama", "reference/model")
    others = {f"{name}.py": "" for name in targets if f"{name}.py" != file}
    (violation,) = layer_violations(imports(package({**others, file: text})))

    assert why in violation


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pipeline.py", "from specc.interop import llama\nfrom specc.plan import memory"),
        ("spec/load.py", "from specc.catalog import norm\nfrom specc.spec import source\nfrom . import schema"),
        ("__main__.py", "from specc.cli import main"),
        ("diagnostics/render.py", "from specc.units import format_bytes\nfrom rich.console import Console"),
        ("spec/source.py", "import yaml"),
        ("verify/execute.py", "import subprocess, sys"),
        ("reference/norm.py", "import numpy as np"),
    ],
)
def test_right_import_passes(package: Package, file: str, text: str) -> None:
    found = imports(package({"interop/llama.py": "", "spec/schema.py": "", "spec/source.py": "", file: text}))

    assert found
    assert [*layer_violations(found), *confinement_violations(found)] == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("spec/load.py", "import yaml"),
        ("resolve/rules.py", "from pydantic import BaseModel"),
        ("emit/views.py", "import jinja2"),
        ("plan/search.py", "import numpy as np"),
        ("verify/execute.py", "import torch"),
        ("reference/model.py", "import torch.nn.functional as F"),
        ("catalog/gpus.py", "import requests"),
        ("plan/search.py", "import subprocess"),
        ("cli.py", "from subprocess import run"),
        ("emit/proof.py", "from importlib.resources import files"),
        ("emit/proof.py", "from importlib import import_module"),
    ],
)
def test_third_party_in_the_wrong_place_is_found(package: Package, file: str, text: str) -> None:
    (violation,) = confinement_violations(imports(package({file: text})))

    assert "allowed in" in violation


def test_cycle_is_found(package: Package) -> None:
    root = package({"plan/a.py": "from specc.plan import b", "plan/b.py": "from .c import x", "plan/c.py": ""})
    assert cycles(imports(root)) == []

    (root / "plan" / "c.py").write_text("import specc.plan.a")
    assert cycles(imports(root)) == [("specc.plan.a", "specc.plan.b", "specc.plan.c")]


def test_cycle_for_types_alone_is_none(package: Package) -> None:
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from specc.plan import a"
    root = package({"plan/a.py": "from specc.plan import b", "plan/b.py": guarded})

    assert cycles(imports(root)) == []


def test_variant_name_in_a_stage_is_found(package: Package) -> None:
    catalog = "from pydantic import Field\nclass Gqa:\n    kind: Literal['gqa']\nX = Field(discriminator='kind')\n"
    root = package({"catalog/attention.py": catalog, "plan/memory.py": '"""About gqa."""\nif k == "gqa":\n    pass'})
    tags = catalog_tags(root / "catalog")

    assert tags == {"gqa"}
    assert list(named_variants(root, tags)) == ["specc.plan.memory:2 names the variant 'gqa'"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% if v.bias %}x{% endif %}", "If"),
        ("{% set a = 1 %}", "Assign"),
        ("{% macro m() %}{% endmacro %}", "Macro"),
        ("{% import 'a' as a %}", "Import"),
        ("{% include 'a' %}", "Include"),
        ("{{ v.name | upper }}", "Filter"),
        ("{{ v.name is defined }}", "Test"),
        ("{{ v.heads * 2 }}", "Mul"),
        ("{{ v.names[0] }}", "Getitem"),
        ("{{ v.name() }}", "Call"),
        ("{{ v.a if v.b else v.c }}", "CondExpr"),
        ("{{ 'text' }}", "Const"),
        ("{% for x in v.xs if x.y %}{% endfor %}", "a `for` with"),
        ("{% for x in v.xs %}{% else %}none{% endfor %}", "a `for` with"),
        ("a {{- v.x }}", "whitespace control"),
    ],
)
def test_decision_in_a_template_is_found(text: str, why: str, tmp_path: Path) -> None:
    template = tmp_path / "a.py.j2"
    template.write_text(text)

    assert any(why in violation for violation in templates.violations(text))
    assert not template_measures([template], tmp_path)[0].met


def test_plain_template_passes() -> None:
    text = "# {{ v.title }}\n{% for x in v.items %}\n{{ x.name }}: {{ x }}\n{% endfor %}\n"

    assert list(templates.violations(text)) == []
    assert (templates.logic_lines(text), templates.hole_lines(text), templates.filled_lines(text)) == (2, 2, 4)


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("return x", 1),
        ("if x:\n        return 1\n    return 2", 2),
        ("return 1 if x else 2", 2),
        ("for y in x:\n        while y:\n            y -= 1", 3),
        ("return [y for y in x if y]", 2),
        ("try:\n        g()\n    except A:\n        pass\n    except B:\n        pass", 3),
        ("match x:\n        case 1:\n            pass\n        case _:\n            pass", 2),
        ("return x and y", 1),
    ],
)
def test_complexity_counts_paths(package: Package, body: str, complexity: int) -> None:
    assert function_of(package, f"def f(x):\n    {body}\n").complexity == complexity


def test_function_is_measured_without_its_docstring(package: Package) -> None:
    text = 'def f(self, a, /, b, *rest, c=1, **more) -> int:\n    """One.\n\n    Two.\n    """\n    return 1\n'
    function = function_of(package, text)

    assert (function.lines, function.arguments, function.documented, function.returns) == (2, 3, True, True)


def test_file_is_measured(package: Package) -> None:
    text = (
        'import os  # noqa\n\n# TODO later\nx = "# TODO in a string"\n\n\n'
        "class A:\n    def b(self):\n        import sys\n"
    )
    source = measure(package({"units.py": text}) / "units.py")

    assert (source.lines, source.code_lines, source.prose_lines) == (9, 5, 2)
    assert (source.ignores, source.debts, source.function_imports) == (1, 1, (9,))
    assert source.undocumented == ("<module>", "A", "A.b")


def test_docstring_is_prose(package: Package) -> None:
    source = measure(package({"units.py": '"""A.\n\nB.\n"""\n\n# C\nx = """D\nE"""  # F\n'}) / "units.py")

    assert (source.code_lines, source.prose_lines) == (1, 6)


def test_equal_lines_are_counted(tmp_path: Path) -> None:
    def share(first: Iterable[str], second: Iterable[str]) -> float:
        files = [tmp_path / "a.py", tmp_path / "b.py"]
        for file, lines in zip(files, (first, second), strict=True):
            file.write_text("\n".join(lines))
        return duplicated_share(files)

    seven = [f"x{n} = {n}" for n in range(7)]
    assert share([*seven, "y = 1"], [*seven, "z = 1"]) == 14 / 16
    assert share([*seven[:6], "y = 1"], [*seven[:6], "z = 1"]) == 0
