"""Who imports whom inside a package, and from which third parties; read from the source, nothing is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.syntax import parse


@dataclass(frozen=True)
class Import:
    """One import. `target` is the module that is loaded; `name` what is taken from it, if anything."""

    module: str
    target: str
    name: str | None
    line: int
    typing_only: bool

    def __str__(self) -> str:
        """Return who imports what, and where."""
        what = f"{self.name} of {self.target}" if self.name else self.target
        return f"{self.module}:{self.line} imports {what}"


def modules(root: Path) -> dict[str, Path]:
    """Map the dotted names of the modules of the package in the folder `root` to their files."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        parts = [root.name, *file.relative_to(root).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(root: Path) -> list[Import]:
    """Return every import of the package in the folder `root`, wherever it stands in its file."""
    files = modules(root)
    found: list[Import] = []
    for module, file in files.items():
        tree = parse(file)
        typing_only = _typing_only(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                package = module if file.name == "__init__.py" else module.rpartition(".")[0]
                for target, name in _targets(node, package, files):
                    found.append(Import(module, target, name, node.lineno, node in typing_only))
    return found


def third_parties(found: Iterable[Import], package: str) -> Iterator[Import]:
    """Yield the imports that leave both the package and the standard library."""
    for each in found:
        top = each.target.partition(".")[0]
        if top != package and top not in sys.stdlib_module_names:
            yield each


def cycles(found: Iterable[Import]) -> list[tuple[str, ...]]:
    """Return the groups of modules that import one another when they load, each sorted by name."""
    graph: dict[str, set[str]] = {}
    for each in found:
        if not each.typing_only and each.target != each.module:
            graph.setdefault(each.module, set()).add(each.target)
    reached = {module: _reachable(module, graph) for module in graph}
    groups = {
        tuple(sorted({module, *(other for other in reached[module] if module in reached.get(other, ()))}))
        for module in graph
        if module in reached[module]
    }
    return sorted(groups)


def _reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(graph.get(module, ()))
    return seen


def _typing_only(tree: ast.Module) -> set[ast.AST]:
    """Return what stands under `if TYPE_CHECKING:`."""
    guarded = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    return {inner for node in guarded for statement in node.body for inner in ast.walk(statement)}


def _targets(
    node: ast.Import | ast.ImportFrom, package: str, files: Mapping[str, Path]
) -> Iterator[tuple[str, str | None]]:
    """Yield (module, name) for each thing an import statement takes; a name that is a module is loaded as one."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, None) for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield (inner, None) if inner in files else (base, alias.name)
