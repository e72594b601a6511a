"""The spec language as JSON Schema, for editors: short forms included, what is not built yet left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from specc.catalog.fields import Measured, Only, Tagged
from specc.spec.schema import Spec

REFERENCE = "#/$defs/"
TAG = "x-tag"
SHORT_FORMS: Mapping[str, JsonSchemaValue] = {
    "Dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "Parametrization": {"type": "string", "enum": ["standard"]},
}
"""Single values that stand for a section, by the section's class."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a spec."""
    schema = Spec.model_json_schema(schema_generator=_Generator)
    sections = schema["$defs"]
    _loosen_tags(schema, sections)
    for name, short in SHORT_FORMS.items():
        sections[name] = {"anyOf": [sections[name], short]}
    path = {"type": "string"}
    schema["properties"]["extends"] = {
        "description": "Files or presets that this one adds to; later ones win.",
        "anyOf": [path, {"type": "array", "items": path}],
    }
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "specc"}


class _Generator(GenerateJsonSchema):
    """Says what the validators before a type accept beside it."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Return what the inner type accepts, and the short forms of it."""
        inner = super().function_before_schema(schema)
        match schema["function"]["function"]:
            case Measured(examples=examples):
                return {"anyOf": [inner, {"type": "string", "description": f"With a suffix: {examples}."}]}
            case Only(neutral=neutral):
                return {"const": neutral, **inner}
            case Tagged(tag=tag, default=default):
                variants = inner.get("discriminator", {}).get("mapping", {default: inner.get("$ref")})
                return {"anyOf": [inner, {"type": "string", "enum": sorted(variants)}], TAG: [tag, default]}
        return inner


def _loosen_tags(node: object, sections: dict[str, Any]) -> None:
    """Let the tag of each default variant be left out, wherever `node` has a tagged union."""
    if isinstance(node, dict):
        if TAG in node:
            tag, default = node.pop(TAG)
            union = node["anyOf"][0]
            if default:
                reference = union.get("$ref") or union["discriminator"]["mapping"][default]
                section = sections[reference.removeprefix(REFERENCE)]
                section["required"] = [key for key in section.get("required", []) if key != tag]
        for value in node.values():
            _loosen_tags(value, sections)
    elif isinstance(node, list):
        for item in node:
            _loosen_tags(item, sections)
