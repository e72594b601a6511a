"""One pydantic error to one diagnostic: what is wrong, in the user's words."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from specc.diagnostics import Diagnostic, Label, did_you_mean, listed, nearest
from specc.spec import codes
from specc.spec.foreign import FOREIGN
from specc.spec.locator import Locator
from specc.spec.nodes import Mapping as MappingNode
from specc.spec.nodes import Node, Scalar, Sequence, joined
from specc.spec.shape import Home, Section, homes, keys, tag_of

_LONGEST = 60


class Problem(NamedTuple):
    """A pydantic error at its place in the user's files.

    Attributes:
        type: Pydantic's name of the error.
        context: The numbers and names that belong to it.
        message: Pydantic's words, or a validator's own.
        path: Dotted path of the key.
        sections: What the mapping that holds the key can be.
        root: The whole language.
        at: Where things are.
    """

    type: str
    context: Mapping[str, Any]
    message: str
    path: str
    sections: tuple[Section, ...]
    root: Section
    at: Locator

    @property
    def parent(self) -> str:
        """Dotted path of the mapping that holds the key."""
        return self.path.rpartition(".")[0]

    @property
    def key(self) -> str:
        """The key itself."""
        return self.path.rpartition(".")[2]

    @property
    def node(self) -> Node:
        """What the user wrote there, or the nearest parent of it."""
        return self.at.find(self.path).node


def diagnose(problem: Problem) -> Diagnostic:
    """Return what to tell the user."""
    for suffixes, make in _MAKERS.items():
        if problem.type.endswith(suffixes):
            return make(problem)
    return _custom(problem)


def found(node: Node) -> str:
    """Say what stands there."""
    match node:
        case Scalar(value=None):
            return "nothing" if node.raw == "" else f"`{node.raw}`"
        case Scalar(value=str()):
            quoted = short(node.raw) if node.plain else f'"{short(node.raw)}"'
            return f"the string `{quoted}`"
        case Scalar():
            return f"`{short(node.raw)}`"
        case Sequence():
            return "a list"
        case MappingNode():
            return "a mapping"


def short(text: str) -> str:
    """Return a text as a message can carry it."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def values_of(problem: Problem) -> list[object]:
    """Return the values that pydantic lists as possible: `0, 1 or 'auto'`."""
    listed = problem.context.get("expected") or problem.context.get("expected_tags") or ""
    try:
        return list(ast.literal_eval(f"({str(listed).replace(' or ', ', ')},)"))
    except (SyntaxError, ValueError):
        return []


def _unknown_key(problem: Problem) -> Diagnostic:
    name = problem.key
    available = list(dict.fromkeys(key for section in problem.sections for key in keys(section)))
    where = Home(problem.parent, _tag(problem))
    ours = FOREIGN.get(name, name)
    elsewhere = [str(home) for home in homes(problem.root, ours)][:3]
    near = ours if ours in available else nearest(name, available)
    if not near and elsewhere:
        help_text = f"move it to {elsewhere[0]}" + (f" as `{ours}`" if ours != name else "")
    else:
        help_text = f"did you mean `{near}`?" if near else f"keys: {listed(available)}"
    return Diagnostic(
        codes.UNKNOWN_KEY,
        f"`{short(name)}` is not a key of {where}",
        problem.path,
        problem.at.key_label(problem.path, "unknown key"),
        note=f"`{ours}` is a key of {', '.join(elsewhere)}" if elsewhere and ours not in available else None,
        help=help_text,
        replacement=near,
    )


def _tag(problem: Problem) -> str:
    tags = [": ".join(tag_of(section) or ()) for section in problem.sections]
    return tags[0] if len(tags) == 1 else ""


def _missing_key(problem: Problem) -> Diagnostic:
    if isinstance(problem.at.find(problem.parent).node, Sequence):
        return _out_of_range(problem._replace(path=problem.parent, message="the list has too few items"))
    field = next((keys(s)[problem.key] for s in problem.sections if problem.key in keys(s)), None)
    meaning = field.description if field else None
    return Diagnostic(
        codes.MISSING_KEY,
        f"`{problem.key}` is missing" + (f" in {Home(problem.parent, _tag(problem))}" if problem.parent else ""),
        problem.path,
        problem.at.key_label(problem.path, f"has no `{problem.key}`"),
        note=f"`{problem.key}`: {meaning}".removesuffix(".") if meaning else None,
        help=f"add `{problem.key}: ...`",
    )


def _missing_tag(problem: Problem) -> Diagnostic:
    key = str(problem.context.get("discriminator", "kind")).strip("'")
    return _missing_key(problem._replace(path=joined(problem.path, key)))


def _unknown_value(problem: Problem) -> Diagnostic:
    """Report a value that is none of the listed ones, or none of the variants' tags."""
    if problem.type == "union_tag_invalid" and isinstance(problem.node, MappingNode):
        tag = str(problem.context["discriminator"]).strip("'")
        problem = problem._replace(path=joined(problem.path, tag))
    values = values_of(problem)
    written = problem.node
    names = [str(value) for value in values]
    if not (isinstance(written, Scalar) and written.value is not None):
        return _wrong_type(problem)
    if written.raw in names and not isinstance(written.value, bool):
        return _wrong_type(problem)  # `"1"` for 1
    return Diagnostic(
        codes.UNKNOWN_VALUE,
        f"`{short(written.raw)}` is not a value of `{problem.path}`",
        problem.path,
        problem.at.label(problem.path, "unknown value"),
        help=did_you_mean(written.raw, names, "values")
        if isinstance(written.value, str)
        else f"values: {listed(names)}",
        replacement=nearest(written.raw, names) if isinstance(written.value, str) else None,
    )


def _wrong_type(problem: Problem) -> Diagnostic:
    node = problem.node
    return Diagnostic(
        codes.WRONG_TYPE,
        f"`{problem.path}` must be {expected(problem)}, found {found(node)}",
        problem.path,
        problem.at.label(problem.path, f"expected {expected(problem)}"),
        help=_retype(problem, node),
    )


def expected(problem: Problem) -> str:
    """Say what type pydantic wanted."""
    if problem.type in ("literal_error", "union_tag_invalid"):
        return "one of " + ", ".join(f"`{value}`" for value in values_of(problem))
    return _EXPECTED.get(problem.type, problem.message.lower())


def _retype(problem: Problem, node: Node) -> str | None:
    """Return how to write the value that was probably meant."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return (
            "put quotes around it" if isinstance(node, Scalar) and problem.type == "string_type" and node.raw else None
        )
    if problem.type == "bool_type" and node.raw.lower() in _BOOLEANS:
        return f"write `{_BOOLEANS[node.raw.lower()]}`: in YAML 1.2 `{node.raw}` is a string"
    digits = node.raw.replace("_", "")
    if digits.isascii() and digits.isdigit() and problem.type != "string_type":
        return f"write `{short(digits)}`" if digits != node.raw else "remove the quotes"
    return None


def _out_of_range(problem: Problem) -> Diagnostic:
    node = problem.node
    limit = next(
        (f"{words} {problem.context[name]:g}" for name, words in _LIMITS.items() if name in problem.context), ""
    )
    message = f"`{problem.path}` is {found(node)} and must be {limit}"
    if not limit:
        message = f"`{problem.path}`: {problem.message[:1].lower()}{problem.message[1:]}"
    return Diagnostic(
        codes.OUT_OF_RANGE, message, problem.path, problem.at.label(problem.path, f"must be {limit}" if limit else "")
    )


def _bad_unit(problem: Problem) -> Diagnostic:
    return Diagnostic(
        codes.BAD_UNIT,
        f"`{problem.path}`: {problem.message}",
        problem.path,
        problem.at.label(problem.path),
        help=_retype(problem, problem.node) or "`specc explain bad-unit` lists the suffixes",
    )


def _not_built(problem: Problem) -> Diagnostic:
    inside = str(problem.context.get("at") or "")
    if inside and problem.at.has(joined(problem.path, inside)):
        problem = problem._replace(path=joined(problem.path, inside))
    single = isinstance(problem.node, Scalar)
    name = "the item" if problem.key.isdigit() else f"`{problem.key}`"
    return Diagnostic(
        codes.NOT_BUILT,
        problem.message,
        problem.path,
        Label(problem.at.value(problem.path) if single else problem.at.key(problem.path), "not built yet"),
        note="the spec language has it; this version of specc refuses it rather than ignore it",
        help=f"choose another value, or remove {name}" if single else f"remove {name}",
    )


def _custom(problem: Problem) -> Diagnostic:
    """Report what a validator of the schema raised: its type is the code."""
    return Diagnostic(
        problem.type.replace("_", "-"),
        problem.message,
        problem.path,
        problem.at.label(problem.path),
        note=problem.context.get("note"),
        help=problem.context.get("help"),
    )


_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_EXPECTED = {
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "`true` or `false`"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "mapping_type"), "a mapping"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list"),
    "string_type": "a string",
    "none_required": "null",
}
_LIMITS = {
    "gt": "greater than",
    "ge": "at least",
    "lt": "less than",
    "le": "at most",
    "multiple_of": "a multiple of",
}
# The end of pydantic's name of an error -> who reports it.
_MAKERS: dict[str | tuple[str, ...], Callable[[Problem], Diagnostic]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing_key,
    "union_tag_not_found": _missing_tag,
    ("literal_error", "union_tag_invalid"): _unknown_value,
    "bad_unit": _bad_unit,
    "not_built": _not_built,
    ("_type", "_parsing", "int_from_float", "none_required"): _wrong_type,
    ("_than", "_than_equal", "multiple_of", "finite_number", "too_short", "too_long", "mismatch"): _out_of_range,
}
