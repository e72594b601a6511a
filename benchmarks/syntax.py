"""What a Python file is made of, counted from its syntax tree."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

IGNORE = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:|nosec|pylint:|fmt:\s*(off|skip))")
DEBT = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bNotImplementedError\b")

# What McCabe's measure counts: each adds one path through a function. A comprehension counts as the loop it is;
# `x and y` does not count, as in ruff's C901, whose numbers these are.
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.comprehension)


@dataclass(frozen=True)
class Function:
    """One function or method; `lines` counts from `def` to the last line, docstring left out."""

    file: Path
    name: str
    line: int
    lines: int
    complexity: int
    arguments: int
    public: bool
    documented: bool
    returns: bool


@dataclass(frozen=True)
class Source:
    """One Python file; a line may be code and comment at once, prose is comments and docstrings."""

    file: Path
    lines: int
    code_lines: int
    prose_lines: int
    ignores: int
    debts: int
    function_imports: tuple[int, ...]
    functions: tuple[Function, ...]
    undocumented: tuple[str, ...]


def parse(file: Path) -> ast.Module:
    """Return the syntax tree of `file`."""
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def measure(file: Path) -> Source:
    """Count what is in `file`."""
    text = file.read_text(encoding="utf-8")
    tree = parse(file)
    comments = _comments(text)
    docstrings = set(_docstring_lines(tree))
    code = {token.start[0] for token in _tokens(text) if token.type not in _NO_CODE}
    return Source(
        file=file,
        lines=len(text.splitlines()),
        code_lines=len(code - docstrings),
        prose_lines=len(comments) + len(docstrings),
        ignores=sum(bool(IGNORE.search(comment)) for comment in comments),
        # The words are looked for where they would act: in comments and names, not in strings that talk of them.
        debts=sum(bool(DEBT.search(comment)) for comment in comments) + _names(tree).count("NotImplementedError"),
        function_imports=tuple(function_imports(tree)),
        functions=tuple(_functions(file, tree)),
        undocumented=tuple(_undocumented(tree)),
    )


def complexity(function: FunctionNode) -> int:
    """Return McCabe's number of a function; the functions inside it count too, as their paths have to be read here."""
    branches = sum(isinstance(node, BRANCHES) for node in ast.walk(function))
    cases = sum(len(node.cases) - _has_default(node) for node in ast.walk(function) if isinstance(node, ast.Match))
    return 1 + branches + cases


def function_imports(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of the imports inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            yield from (inner.lineno for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))


_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(text).readline)


def _comments(text: str) -> list[str]:
    return [token.string for token in _tokens(text) if token.type == tokenize.COMMENT]


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | FunctionNode) and ast.get_docstring(node) is not None:
            yield from range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def _names(tree: ast.Module) -> list[str]:
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _has_default(match: ast.Match) -> bool:
    last = match.cases[-1].pattern
    return isinstance(last, ast.MatchAs) and last.pattern is None


def _functions(file: Path, tree: ast.Module) -> Iterator[Function]:
    for node, name, public in _definitions(tree):
        if isinstance(node, FunctionNode):
            yield Function(
                file=file,
                name=name,
                line=node.lineno,
                lines=_body_lines(node),
                complexity=complexity(node),
                arguments=_arguments(node),
                public=public,
                documented=ast.get_docstring(node) is not None,
                returns=node.returns is not None,
            )


def _body_lines(node: FunctionNode) -> int:
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return whole
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)


def _arguments(node: FunctionNode) -> int:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len([argument for argument in named if argument.arg not in {"self", "cls"}])


def _undocumented(tree: ast.Module) -> Iterator[str]:
    """Yield public modules, classes and functions without a docstring; overrides inherit theirs."""
    if ast.get_docstring(tree) is None:
        yield "<module>"
    for node, name, public in _definitions(tree):
        if public and ast.get_docstring(node) is None and not _inherits_docstring(node):
            yield name


def _inherits_docstring(node: FunctionNode | ast.ClassDef) -> bool:
    decorators = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in node.decorator_list}
    return bool(decorators & {"override", "overload"})


def _definitions(
    parent: ast.AST, prefix: str = "", public: bool = True
) -> Iterator[tuple[FunctionNode | ast.ClassDef, str, bool]]:
    """Yield classes and functions with their dotted name, and whether others may use them."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, FunctionNode | ast.ClassDef):
            seen = public and not node.name.startswith("_")
            yield node, prefix + node.name, seen
            # What a function defines inside itself is its own affair.
            inside = seen and isinstance(node, ast.ClassDef)
            yield from _definitions(node, f"{prefix}{node.name}.", inside)
        else:
            yield from _definitions(node, prefix, public)
