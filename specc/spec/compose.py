"""`extends`, `--set` and the environment: several files to one tree."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Environment
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from specc.diagnostics import CompileFailed, Diagnostic, Label, Source
from specc.spec import codes
from specc.spec.environment import Substitution
from specc.spec.extends import EXTENDS, Base, bases_of, cycle, find
from specc.spec.merge import merged
from specc.spec.nodes import Kind, Mapping, Scalar
from specc.spec.overrides import read_override, set_value
from specc.spec.read import STDIN, failure, read
from specc.spec.source import Parsed, parse

_MAX_CHAIN = 32


class Composed(NamedTuple):
    """One tree of everything that was said.

    Attributes:
        root: The merged tree, without `extends`.
        diagnostics: What was found on the way.
        broken: Paths whose values are only stand-ins for something refused.
        incomplete: Paths of mappings from which keys may be missing for a reason that was reported.
    """

    root: Mapping
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[str]
    incomplete: frozenset[str]


def compose(source: Source, overrides: Iterable[str], environment: Environment[str, str]) -> Composed:
    """Merge a spec with the files it extends and the overrides of the command line.

    Raises:
        CompileFailed: The file itself is empty, no mapping, or no YAML.
    """
    composer = _Composer(environment)
    path = None if source.name == STDIN else Path(source.name)
    root = composer.tree(source, "user", path, (path.resolve(),) if path else ())
    for argument in overrides:
        root = composer.override(root, argument)
    return Composed(root, tuple(composer.diagnostics), frozenset(composer.broken), frozenset(composer.incomplete))


@dataclass(slots=True)
class _Composer:
    environment: Environment[str, str]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    done: dict[Path, Mapping | None] = field(default_factory=dict)

    def tree(self, source: Source, kind: Kind, path: Path | None, chain: tuple[Path, ...]) -> Mapping:
        """Return a source merged over all that it extends; `chain` are the files that lead here."""
        parsed = parse(source, kind)
        if not isinstance(parsed.root, Mapping):
            raise _no_mapping(source, parsed)
        substitution = Substitution(self.environment)
        root = substitution.mapping(parsed.root)
        self._note(parsed)
        self._note(Parsed(root, tuple(substitution.diagnostics), frozenset(substitution.broken)))
        bases, problems = bases_of(root)
        self.diagnostics += problems
        below = [self._base(base, path, chain) for base in bases]
        own = replace(root, entries=tuple(entry for entry in root.entries if entry.key != EXTENDS))
        return reduce(merged, [tree for tree in below if tree] + [own])

    def override(self, root: Mapping, argument: str) -> Mapping:
        """Return the tree after one `--set`."""
        try:
            override = read_override(argument, self.environment)
            self._note(override.parsed)
            return set_value(root, override)
        except CompileFailed as failed:
            self.diagnostics += failed.diagnostics
            return root

    def _base(self, base: Base, extending: Path | None, chain: tuple[Path, ...]) -> Mapping | None:
        """Return the tree of a file that `extending` names; None when it is unusable, which is then reported."""
        try:
            found = find(base, extending)
            identity = found.path.resolve()
            if identity in chain or len(chain) > _MAX_CHAIN:
                raise cycle(base)
            if identity not in self.done:
                self.done[identity] = None
                source = read(found.name, found.path)
                self.done[identity] = self.tree(source, found.kind, found.path, (*chain, identity))
        except CompileFailed as failed:
            self.diagnostics += failed.diagnostics
            self.incomplete.add("")
            return None
        return self.done[identity]

    def _note(self, parsed: Parsed) -> None:
        self.diagnostics += parsed.diagnostics
        self.broken |= parsed.broken
        self.incomplete |= parsed.incomplete


def _no_mapping(source: Source, parsed: Parsed) -> CompileFailed:
    """Return why a text is no spec."""
    if parsed.root is None and parsed.diagnostics:
        return CompileFailed(parsed.diagnostics)
    if parsed.root is None or (isinstance(parsed.root, Scalar) and parsed.root.value is None):
        return failure(source, codes.EMPTY_FILE, "the spec is empty", "`specc init` writes a spec to start from")
    wrong = Diagnostic(
        codes.NOT_A_MAPPING,
        "a spec is a mapping of keys to values",
        "",
        Label(parsed.root.span),
        help="write `key: value` lines at the left margin",
    )
    return CompileFailed((*parsed.diagnostics, wrong))
