"""What the configuration's types look like to the reader, the JSON Schema and the reference.

One description of the structs in `schema.py`, taken from their type hints by `msgspec.inspect`, so
that a key, its type, bounds and meaning are written down once.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from msgspec import NODEFAULT, inspect

from engine.config.scalars import BOOLEAN, INTEGER, NUMBER, TEXT, Scalar
from engine.config.section import Section

_SCALARS = {
    inspect.StrType: TEXT,
    inspect.IntType: INTEGER,
    inspect.FloatType: NUMBER,
    inspect.BoolType: BOOLEAN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One type of the configuration; `nullable` tells whether null is a value."""

    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StructShape(Shape):
    """A mapping with known keys, read into `struct`."""

    struct: type[Section]
    fields: tuple["Field", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListShape(Shape):
    """A list; `unique` is a key that its items may not share the value of."""

    item: Shape
    unique: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapShape(Shape):
    """A mapping with any keys."""

    item: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceShape(Shape):
    """One of some words."""

    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarShape(Shape):
    """A single value; `bounds` are ("min_length" | "ge" | "gt" | "le", number) in its own unit."""

    scalar: Scalar
    bounds: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyShape(Shape):
    """Whatever YAML can say."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a struct: its YAML key, the struct's field name, type, meaning and default.

    `default` is `msgspec.NODEFAULT` where the key is required; `default_text` overrides how the
    default is shown.
    """

    key: str
    name: str
    shape: Shape
    meaning: str
    default: Any
    default_text: str | None

    @property
    def required(self) -> bool:
        """Whether the key has to be there."""
        return self.default is NODEFAULT


@cache
def shape_of(struct: type[Section]) -> StructShape:
    """Describe a struct of the configuration and all that is in it."""
    hint = inspect.type_info(struct)
    return StructShape(struct=struct, fields=_fields(cast("inspect.StructType", hint)))


def _shape(hint: inspect.Type, extra: dict[str, Any]) -> Shape:
    if isinstance(hint, inspect.Metadata):
        return _shape(hint.type, (hint.extra or {}) | extra)
    if isinstance(hint, inspect.UnionType):
        (member,) = (each for each in hint.types if not isinstance(each, inspect.NoneType))
        return replace(_shape(member, extra), nullable=True)
    if "scalar" in extra:
        return ScalarShape(scalar=extra["scalar"], bounds=_bounds(hint))
    if isinstance(hint, inspect.StructType):
        return shape_of(cast("type[Section]", hint.cls))
    if isinstance(hint, inspect.VarTupleType):
        return ListShape(item=_shape(hint.item_type, {}), unique=extra.get("unique"))
    if isinstance(hint, inspect.DictType):
        return MapShape(item=_shape(hint.value_type, {}))
    if isinstance(hint, inspect.LiteralType):
        choices = tuple(map(str, hint.values))
        return ChoiceShape(choices=choices)
    if isinstance(hint, inspect.AnyType):
        return AnyShape(nullable=True)
    return ScalarShape(scalar=_SCALARS[type(hint)], bounds=_bounds(hint))


def _fields(hint: inspect.StructType) -> tuple[Field, ...]:
    return tuple(
        _field(field) for field in hint.fields if not _extra(field).get("set_by_loader", False)
    )


def _field(field: inspect.Field) -> Field:
    schema = getattr(field.type, "extra_json_schema", None) or {}
    factory = field.default_factory
    return Field(
        key=field.encode_name,
        name=field.name,
        shape=_shape(field.type, {}),
        meaning=schema.get("description", ""),
        default=field.default if factory is NODEFAULT else factory(),
        default_text=_extra(field).get("default_text"),
    )


def _extra(field: inspect.Field) -> dict[str, Any]:
    return getattr(field.type, "extra", None) or {}


def _bounds(hint: inspect.Type) -> tuple[tuple[str, float], ...]:
    pairs = ((name, getattr(hint, name, None)) for name in ("min_length", "ge", "gt", "le"))
    return tuple((name, bound) for name, bound in pairs if bound is not None)
