"""The import block of an emitted module: what its partials need, merged, sorted and printed once."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable

from specc.emit.format import LINE_LENGTH

_LOCAL = 2


def _section(module: str, level: int, own: Collection[str]) -> int:
    top = module.partition(".")[0]
    if level or top in own:
        return _LOCAL
    return 0 if top in sys.stdlib_module_names else 1


def _member_order(name: str) -> tuple[int, str]:
    """Sort constants, then classes, then the rest, as isort's `order-by-type` does."""
    bare = name.partition(" as ")[0]
    kind = 0 if bare.isupper() and len(bare) > 1 else 1 if bare[:1].isupper() else 2
    return kind, bare


def _aliased(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _members(names: Collection[str]) -> list[str]:
    """Return what stands behind each `import`: the plain names together, then each renamed one alone."""
    ordered = sorted(names, key=_member_order)
    together = ", ".join(name for name in ordered if " as " not in name)
    return [*([together] if together else []), *(name for name in ordered if " as " in name)]


def _from_import(module: str, members: str) -> str:
    """Return a statement as ruff formats it: one name per line where the line would be too long."""
    line = f"from {module} import {members}"
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {member}," for member in members.split(", ")), ")"])


def script_imports(package: str, statements: Iterable[str], beside: Collection[str] = ()) -> str:
    """Return the import block of a file that stands beside the package.

    Args:
        package: The project's package, `{package}` in the statements.
        statements: Import statements, in any order.
        beside: Other modules of the project that the file imports by their names.
    """
    return merge_imports((statement.format(package=package) for statement in statements), own=(package, *beside))


def merge_imports(statements: Iterable[str], own: Collection[str] = ()) -> str:
    """Return one block for all import statements: standard library, third parties, then the project's own.

    Args:
        statements: Import statements, in any order.
        own: The project's top-level modules, where they are not imported relatively.

    Raises:
        SyntaxError: A statement is not Python.
    """
    plain: dict[int, set[str]] = defaultdict(set)
    named: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for node in ast.parse("\n".join(statements)).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                plain[_section(alias.name, 0, own)].add(f"import {_aliased(alias)}")
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            named[_section(module, node.level, own)][module] |= {_aliased(alias) for alias in node.names}
    sections = []
    for section in sorted({*plain, *named}):
        lines = sorted(plain[section])
        for module, names in sorted(named[section].items()):
            lines += [_from_import(module, members) for members in _members(names)]
        sections.append("\n".join(lines))
    return "\n\n".join(sections)
