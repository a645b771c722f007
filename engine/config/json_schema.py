"""JSON Schema of the configuration, for editors.

Draft 7, which the YAML language server reads. Nested parts are written in place, without `$ref`,
so that their description shows when the pointer rests on a key. What one key means to another
(exactly one of two, one longer than another) only the loader checks.
"""

from typing import Any

from engine.config.scalars import BOOLEAN, INTEGER, NUMBER, TEXT
from engine.config.schema import Config
from engine.config.shapes import (
    ChoiceShape,
    Field,
    ListShape,
    MapShape,
    ScalarShape,
    Shape,
    StructShape,
    shape_of,
)

DRAFT = "http://json-schema.org/draft-07/schema#"
_FROM_ENVIRONMENT = {"type": "string", "pattern": r"\$\{"}
_KEYWORDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "min_length": "minLength"}
_NUMBERS = (INTEGER, NUMBER)


def config_json_schema() -> dict[str, Any]:
    """Give the configuration's JSON Schema."""
    schema = _schema(shape_of(Config))
    return {"$schema": DRAFT, "title": "streamgauge configuration"} | schema


def _schema(shape: Shape) -> dict[str, Any]:
    match shape:
        case StructShape():
            return _struct_schema(shape)
        case ListShape():
            return {"type": "array", "items": _schema(shape.item)}
        case MapShape():
            return {"type": "object", "additionalProperties": _schema(shape.item)}
        case ChoiceShape():
            return {"anyOf": [{"enum": list(shape.choices)}, _FROM_ENVIRONMENT]}
        case ScalarShape():
            return _scalar_schema(shape)
    return {}


def _struct_schema(shape: StructShape) -> dict[str, Any]:
    required = [field.key for field in shape.fields if field.required]
    schema: dict[str, Any] = {
        # A heading whose lines are all commented out is null in YAML.
        "type": "object" if required and not shape.nullable else ["object", "null"],
        "additionalProperties": False,
        "properties": {field.key: _field_schema(field) for field in shape.fields},
    }
    return schema | ({"required": required} if required else {})


def _scalar_schema(shape: ScalarShape) -> dict[str, Any]:
    schema = dict(shape.scalar.json_schema)
    if shape.scalar in (*_NUMBERS, TEXT):
        schema |= {_KEYWORDS[name]: bound for name, bound in shape.bounds}
    options = [schema] + [{"type": "null"}] * shape.nullable
    if "pattern" in schema or "string" not in schema["type"]:
        options.append(_FROM_ENVIRONMENT)
    return {"anyOf": options} if len(options) > 1 else schema


def _field_schema(field: Field) -> dict[str, Any]:
    schema = _schema(field.shape) | {"description": field.meaning}
    if field.required or field.default_text or field.default is None:
        return schema
    if isinstance(field.shape, ChoiceShape):
        return schema | {"default": field.default}
    if isinstance(field.shape, ScalarShape):
        scalar = field.shape.scalar
        as_json = scalar in (*_NUMBERS, BOOLEAN)
        return schema | {"default": field.default if as_json else scalar.show(field.default)}
    return schema
