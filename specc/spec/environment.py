"""`${env:NAME}` in scalars."""

from __future__ import annotations

import re
from collections.abc import Mapping as Environment
from dataclasses import dataclass, field, replace

from specc.diagnostics import Diagnostic, Label
from specc.spec import codes
from specc.spec.nodes import Mapping, Node, Origin, Scalar, Sequence, joined
from specc.spec.scalars import NumberTooLargeError, meaning

_REFERENCE = re.compile(r"\$\$\{|\$\{env:(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\})?")


@dataclass(slots=True)
class Substitution:
    """Replaces references to the environment in a tree.

    Attributes:
        environment: The variables.
        diagnostics: What was found wrong, in order.
        broken: Paths of scalars whose value is unknown.
    """

    environment: Environment[str, str]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def apply(self, node: Node, path: str = "") -> Node:
        """Return the tree with every reference replaced; a plain scalar is then read again as YAML 1.2."""
        match node:
            case Scalar():
                return self._scalar(node, path) if "${" in node.raw else node
            case Sequence():
                items = (self.apply(item, joined(path, i)) for i, item in enumerate(node.items))
                return node._replace(items=tuple(items))
            case Mapping():
                return self.mapping(node, path)

    def mapping(self, node: Mapping, path: str = "") -> Mapping:
        """Return a mapping with every reference below it replaced."""
        values = (self.apply(entry.value, joined(path, entry.key)) for entry in node.entries)
        entries = (entry._replace(value=value) for entry, value in zip(node.entries, values, strict=True))
        return replace(node, entries=tuple(entries))

    def _scalar(self, scalar: Scalar, path: str) -> Scalar:
        used: dict[str, str] = {}

        def value_of(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            value = self._lookup(match["name"], scalar, path)
            used[match["name"] or ""] = value
            return value

        text = _REFERENCE.sub(value_of, scalar.raw)
        origin = Origin("environment", ", ".join(f"{n}={v}" for n, v in used.items())) if used else scalar.origin
        return scalar._replace(raw=text, value=self._typed(text, scalar, path), origin=origin)

    def _typed(self, text: str, scalar: Scalar, path: str) -> None | bool | int | float | str:
        if not scalar.plain:
            return text
        try:
            return meaning(text)
        except NumberTooLargeError as error:
            self._refuse(codes.NUMBER_TOO_LARGE, f"{error} is too large", scalar, path)
            return 0

    def _lookup(self, name: str | None, scalar: Scalar, path: str) -> str:
        if name is None:
            message = "`${env:` without a name and `}`"
            self._refuse(codes.BAD_ENVIRONMENT_REFERENCE, message, scalar, path, "write `${env:NAME}`")
            return ""
        value = self.environment.get(name)
        if value is None:
            message = f"the environment variable `{name}` is not set"
            self._refuse(codes.ENVIRONMENT_UNSET, message, scalar, path, f"set it: `export {name}=...`")
        elif not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            message = f"the environment variable `{name}` is not UTF-8 text"
            self._refuse(codes.ENVIRONMENT_UNSET, message, scalar, path)
        else:
            return value
        return ""

    def _refuse(self, code: str, message: str, scalar: Scalar, path: str, fix: str | None = None) -> None:
        self.broken.add(path)
        self.diagnostics.append(Diagnostic(code, message, path, Label(scalar.span), help=fix))
