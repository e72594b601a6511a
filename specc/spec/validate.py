"""All of pydantic's errors about a tree to diagnostics: each cause once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from specc.diagnostics import Diagnostic
from specc.spec import codes
from specc.spec.locator import Locator
from specc.spec.nodes import Mapping, Node, ancestors, joined
from specc.spec.nodes import Sequence as SequenceNode
from specc.spec.problems import Problem, diagnose, expected, found, values_of
from specc.spec.shape import Section, below, variant

# Far more than a person's spec can have; explaining each of a hostile file's would take minutes.
_MOST = 1000


def problems_of(error: ValidationError, root: Section, at: Locator) -> Iterator[Diagnostic]:
    """Yield one diagnostic per place, for all that pydantic found."""
    problems = [_placed(detail, root, at) for detail in error.errors(include_url=False)]
    by_path: dict[str, list[Problem]] = {}
    for problem in problems:
        by_path.setdefault(problem.path, []).append(problem)
    parents = {above for path in by_path for above in ancestors(path) if above != path}
    for path, here in islice(by_path.items(), _MOST):
        # A mapping where one branch of a union wants a string: the errors inside of the mapping say more.
        if not (path in parents and isinstance(at.find(path).node, Mapping | SequenceNode)):
            yield _one_of(here)
    if len(by_path) > _MOST:
        message = f"{len(by_path) - _MOST} more places have problems"
        yield Diagnostic(codes.TOO_MANY_PROBLEMS, message, "", at.label(""), help="fix these first")


def unexplained(
    diagnostics: Iterable[Diagnostic], broken: frozenset[str], incomplete: frozenset[str]
) -> list[Diagnostic]:
    """Return the diagnostics that are no mere consequence of what reading the text already reported.

    Args:
        diagnostics: What validation found.
        broken: Paths whose values are stand-ins.
        incomplete: Paths of mappings from which keys may be missing.
    """

    def follows(diagnostic: Diagnostic) -> bool:
        above = set(ancestors(diagnostic.path))
        return bool(above & broken or (diagnostic.code == codes.MISSING_KEY and above & incomplete))

    return [diagnostic for diagnostic in diagnostics if not follows(diagnostic)]


def _one_of(problems: Sequence[Problem]) -> Diagnostic:
    """Return one diagnostic for what every branch of a union says about the same value."""
    diagnostics = [diagnose(problem) for problem in problems]
    best = min(diagnostics, key=_rank)
    if best.code == codes.WRONG_TYPE and len(problems) > 1:
        wanted = " or ".join(dict.fromkeys(expected(problem) for problem in problems))
        message = f"`{best.path}` must be {wanted}, found {found(problems[0].node)}"
        return best._replace(message=message, primary=best.primary._replace(text=f"expected {wanted}"))
    if best.code == codes.BAD_UNIT and len(problems) > 1:
        others = ", ".join(f"`{value}`" for problem in problems for value in values_of(problem))
        return best._replace(note=f"it also takes {others}" if others else None)
    return best


def _rank(diagnostic: Diagnostic) -> int:
    """Prefer what says most: a near miss of a value, then limits and units, then types."""
    if diagnostic.code == codes.UNKNOWN_VALUE:
        return 0 if diagnostic.replacement else 2
    return {codes.BAD_UNIT: 1, codes.WRONG_TYPE: 3}.get(diagnostic.code, 0)


def _placed(detail: ErrorDetails, root: Section, at: Locator) -> Problem:
    """Find the user's key in pydantic's location, which also holds the tags of unions."""
    walk = _Walk(at.root, (root,))
    location = detail["loc"]
    adds_key = detail["type"] in ("missing", "extra_forbidden")
    for i, part in enumerate(location):
        walk.step(part, names_key=adds_key and i == len(location) - 1)
    return Problem(
        detail["type"],
        detail.get("ctx", {}),
        detail["msg"],
        walk.path,
        walk.holders,
        root,
        at,
    )


@dataclass(slots=True)
class _Walk:
    """Follows pydantic's location through the tree.

    Attributes:
        node: The value reached; None below what the user wrote.
        sections: What that value can be.
        path: Its dotted path.
        holders: What the mapping that holds it can be.
    """

    node: Node | None
    sections: tuple[Section, ...]
    path: str = ""
    holders: tuple[Section, ...] = ()

    def step(self, part: str | int, *, names_key: bool) -> None:
        """Go one part further: into a key or an item, or into a branch of a union."""
        branch = variant(self.sections, str(part)) if len(self.sections) > 1 or not names_key else None
        child = self._child(part)
        if branch and (child is None or len(self.sections) > 1):
            self.sections = (branch,)
        elif child is not None or names_key:
            self._descend(part, child)

    def _child(self, part: str | int) -> Node | None:
        if isinstance(self.node, Mapping):
            entry = self.node.entry(str(part))
            return entry.value if entry else None
        if isinstance(self.node, SequenceNode) and isinstance(part, int) and part < len(self.node.items):
            return self.node.items[part]
        return None

    def _descend(self, part: str | int, child: Node | None) -> None:
        if isinstance(part, str):
            self.holders = self.sections
            self.sections = below(self.holders, part)
        self.path = joined(self.path, part)
        self.node = child
