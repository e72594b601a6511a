"""Field types of the spec language: numbers with suffixes, values not built yet, short forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from specc.units import UnitError, parse_bandwidth, parse_bytes, parse_count, parse_seconds, parse_watts

REQUIRED: Any = ...


class Section(BaseModel):
    """A mapping of the spec: immutable, no unknown keys, no silent conversion between types."""

    # One validator for the whole spec, built when the first is read, instead of one for each section at import.
    # Defaults are made by `model_construct`, which needs none. For the same reason modules with sections do without
    # `from __future__ import annotations`: pydantic would have to evaluate every annotation from its text.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True, serialize_by_alias=True
    )


def key(doc: str, default: object = REQUIRED, *, reason: str = "", **limits: Any) -> Any:
    """Declare one key of the spec.

    Args:
        doc: What the key means, as `specc explain` prints it.
        default: The value when the key is absent; `None` where it is derived from others.
        reason: Why this default; printed beside the value by `specc resolve`.
        limits: Bounds such as `gt=0`, passed to pydantic.
    """
    return Field(default, description=doc, json_schema_extra={"reason": reason} if reason else None, **limits)


@dataclass(frozen=True, slots=True)
class Measured:
    """Reads a number with a suffix.

    Attributes:
        parse: Text to number; raises `UnitError`.
        examples: What a person would write.
    """

    parse: Callable[[str], float]
    examples: str

    def __call__(self, value: object) -> object:
        """Return the number that a text means, and anything but text as it is."""
        if isinstance(value, str):
            try:
                return self.parse(value)
            except UnitError as error:
                raise PydanticCustomError("bad_unit", "{reason}", {"reason": str(error)}) from error
        # YAML writes 2.6e11 as a float; a whole one is a count all the same.
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value


Count = Annotated[int, Field(gt=0, le=10**18), BeforeValidator(Measured(parse_count, "`13b` or `4Mi`"))]
"""A positive number of parameters, tokens, rows: `13b`, `4Mi`, `50304`."""

Bytes = Annotated[int, Field(gt=0, le=10**18), BeforeValidator(Measured(parse_bytes, "`80GiB`"))]
"""A size in bytes: `80GiB`."""

Seconds = Annotated[float, Field(gt=0), BeforeValidator(Measured(parse_seconds, "`2h` or `500ms`"))]
"""A duration in seconds: `2h`."""

Bandwidth = Annotated[float, Field(gt=0), BeforeValidator(Measured(parse_bandwidth, "`400Gb/s` or `4TB/s`"))]
"""Bytes per second: `400Gb/s`, `4TB/s`."""

Watts = Annotated[float, Field(gt=0), BeforeValidator(Measured(parse_watts, "`700W`"))]
"""A power in watts: `700W`."""


def _not_built(what: str, at: str = "") -> PydanticCustomError:
    return PydanticCustomError("not_built", "{what} is not built yet", {"what": what, "at": at})


@dataclass(frozen=True, slots=True)
class Only:
    """Accepts nothing but `neutral`; anything else is refused as not built yet, without looking inside."""

    neutral: object
    what: str

    def __call__(self, value: object) -> object:
        """Return the neutral value."""
        if value != self.neutral or isinstance(value, bool) != isinstance(self.neutral, bool):
            raise _not_built(self.what)
        return value


@dataclass(frozen=True, slots=True)
class Planned:
    """Refuses these values as not built yet; others go on to the field's own type."""

    values: tuple[str, ...]

    def __call__(self, value: object) -> object:
        """Return the value unless it is one of those."""
        if isinstance(value, str) and value in self.values:
            raise _not_built(f"`{value}`")
        return value


@dataclass(frozen=True, slots=True)
class Tagged:
    """Prepares a tagged union: a bare string is short for its tag, and planned tags are refused whole.

    Attributes:
        tag: The key that names the variant.
        default: The variant meant by a mapping without the tag.
        planned: Tags that the language knows and this version cannot do.
    """

    tag: str
    default: str
    planned: tuple[str, ...]

    def __call__(self, value: object) -> object:
        """Return a mapping that has its tag."""
        if isinstance(value, str):
            value = {self.tag: value}
        if not isinstance(value, Mapping):
            return value
        if self.default and self.tag not in value:
            value = {self.tag: self.default, **value}
        if value.get(self.tag) in self.planned:
            raise _not_built(f"`{value[self.tag]}`", at=self.tag)
        return value


def only(neutral: object, what: str) -> BeforeValidator:
    """Accept nothing but `neutral`; anything else is refused as not built yet, without looking inside."""
    return BeforeValidator(Only(neutral, what))


def planned(*values: str) -> BeforeValidator:
    """Refuse these values as not built yet; others go on to the field's own type."""
    return BeforeValidator(Planned(values))


def variants(tag: str = "kind", *, default: str = "", planned: tuple[str, ...] = ()) -> BeforeValidator:
    """Prepare a tagged union, as `Tagged` says."""
    return BeforeValidator(Tagged(tag, default, planned))


def one_rank(what: str) -> BeforeValidator:
    """Read `{degree: N}` as N; one rank, or the planner's choice of one, is all that is built."""
    refuse = Only(1, what)

    def check(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"degree"}:
            value = value["degree"]
        return value if value == "auto" else refuse(value)

    return BeforeValidator(check)
