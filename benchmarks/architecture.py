"""The rules of `docs/architecture.md` as data, and what breaks them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.imports import Import, modules, third_parties
from benchmarks.syntax import parse

LAYERS = (
    "units",
    "diagnostics",
    "resources",
    "catalog",
    "spec",
    "resolve",
    "plan",
    "emit",
    "verify",
    "pipeline",
    "cli",
)
"""Imports point left."""

BESIDE: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "interop": (frozenset({"units", "diagnostics", "catalog", "spec"}), frozenset({"pipeline", "cli"})),
    "reference": (frozenset(), frozenset()),
}
"""What stands beside the layers: what it may import, and who may import it."""

ENTRANCES = frozenset({"specc", "specc.__main__"})
"""They import what they show of the package; nothing imports them."""

CONFINED: Mapping[str, tuple[str, ...]] = {
    "yaml": ("specc.spec.source",),
    "pydantic": ("specc.catalog", "specc.spec"),
    "pydantic_core": ("specc.catalog", "specc.spec"),
    "jinja2": ("specc.emit.render",),
    "tomli_w": ("specc.emit.project",),
    "merge3": ("specc.emit.merge",),
    "typing_extensions": ("specc.catalog",),
    "typer": ("specc.cli",),
    "rich": ("specc.cli", "specc.diagnostics"),
    "numpy": ("specc.reference",),
    "ruff": ("specc.emit.format", "specc.verify"),
}
"""Which modules may import a third party. One that is not named here is imported nowhere: torch is the example."""

CONFINED_STANDARD: Mapping[str, tuple[str, ...]] = {
    # It starts other programs: ruff, and the tests of an emitted project.
    "subprocess": ("specc.emit.format", "specc.verify"),
    # It loads modules behind the back of these rules. The command line loads only the command that was asked for.
    "importlib": ("specc.cli",),
    # It loads the packages in which it looks for files.
    "importlib.resources": ("specc.resources",),
}
"""Which modules may import these parts of the standard library."""

STAGES = ("spec", "resolve", "plan", "emit", "verify")
"""The packages that never name a variant of the catalog."""


def layer_violations(found: Iterable[Import]) -> Iterator[str]:
    """Yield the imports inside the package that point right, or that take another module's private name."""
    for each in found:
        if each.target.partition(".")[0] != "specc":
            continue
        if not _may_import(each.module, each.target):
            yield f"{each}, against the order of the layers"
        if each.name and each.name.startswith("_") and not each.name.startswith("__"):
            yield f"{each}, which is private"


def confinement_violations(found: Collection[Import]) -> Iterator[str]:
    """Yield imports of third parties, or of some standard modules, outside the places that may have them."""
    for each in third_parties(found, "specc"):
        yield from _outside(each, CONFINED.get(each.target.partition(".")[0], ()))
    for each in found:
        if each.target in CONFINED_STANDARD:
            yield from _outside(each, CONFINED_STANDARD[each.target])


def catalog_tags(catalog: Path) -> frozenset[str]:
    """Return the names of the variants: what the discriminators of the unions in `catalog` may be."""
    trees = [parse(file) for file in sorted(catalog.rglob("*.py"))]
    keys = {key for tree in trees for key in _discriminators(tree)}
    return frozenset(tag for tree in trees for tag in _tags(tree, keys))


def named_variants(root: Path, tags: Collection[str]) -> Iterator[str]:
    """Yield the string literals of the stages that are the name of a variant."""
    for module, file in modules(root).items():
        if _layer(module) in STAGES:
            for node in ast.walk(parse(file)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in tags:
                    yield f"{module}:{node.lineno} names the variant {node.value!r}"


def _layer(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _may_import(module: str, target: str) -> bool:
    if target in ENTRANCES:
        return module in ENTRANCES
    source, wanted = _layer(module), _layer(target)
    if module in ENTRANCES or source == wanted:
        return True
    if source in BESIDE:
        return wanted in BESIDE[source][0]
    if wanted in BESIDE:
        return source in BESIDE[wanted][1]
    return source in LAYERS and wanted in LAYERS and LAYERS.index(wanted) < LAYERS.index(source)


def _outside(found: Import, places: Collection[str]) -> Iterator[str]:
    if not any(found.module == place or found.module.startswith(f"{place}.") for place in places):
        yield f"{found}; allowed in {', '.join(places) or 'no module'}"


def _discriminators(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "discriminator" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def _tags(tree: ast.Module, keys: Collection[str]) -> Iterator[str]:
    """Yield `gqa` for a field `kind: Literal["gqa"]`, when `kind` is one of `keys`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in keys:
            for inner in ast.walk(node.annotation):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value
