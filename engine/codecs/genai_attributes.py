"""Attributes as plain values under canonical GenAI names; all others are never converted."""

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from engine.codecs.genai_names import GenAINames
from engine.codecs.otlp_json_strict import read_integer

_ELEMENTS_MAX = 64
"""Of an array; more finish reasons than that no answer has."""


class Attributes(dict[str, Any]):
    """Values by canonical name; where a name is there twice, the better alias wins."""

    def __init__(self, names: GenAINames) -> None:
        super().__init__()
        self._names = names
        self._ranks: dict[str, int] = {}

    def put(self, key: str, value: Any) -> None:
        """Take a value under the name that its key is an alias of."""
        name = self._names.attributes[key]
        rank = self._names.rank[key]
        if value is not None and rank <= self._ranks.get(name, rank):
            self[name] = value
            self._ranks[name] = rank

    def with_resource(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Give a plain dict; what only the resource has is taken from there."""
        return {**resource, **self}


def proto_attributes(given: Iterable[KeyValue], names: GenAINames) -> Attributes:
    """Read attributes of protobuf."""
    attributes = Attributes(names)
    for attribute in given:
        if attribute.key in names.attributes:
            attributes.put(attribute.key, _proto_value(attribute.value))
    return attributes


def json_attributes(given: Any, names: GenAINames) -> Attributes:
    """Read attributes of JSON; what has another form is left out."""
    attributes = Attributes(names)
    for attribute in given if isinstance(given, list) else []:
        if isinstance(attribute, dict):
            key = attribute.get("key")
            if isinstance(key, str) and key in names.attributes:
                attributes.put(key, _json_value(attribute.get("value")))
    return attributes


def plain_attributes(given: Mapping[str, Any], names: GenAINames) -> Attributes:
    """Read attributes that are a JSON object."""
    attributes = Attributes(names)
    for key, value in given.items():
        if key in names.attributes:
            attributes.put(key, value)
    return attributes


def _proto_value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        elements = value.array_value.values[:_ELEMENTS_MAX]
        return [element.string_value for element in elements if element.string_value]
    if kind in {"string_value", "bool_value", "int_value", "double_value"}:
        return getattr(value, kind)
    return None


def _json_value(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for key, content in value.items():
        kind = key.replace("_", "").lower()
        if kind == "arrayvalue" and isinstance(content, dict):
            elements = content.get("values")
            elements = elements[:_ELEMENTS_MAX] if isinstance(elements, list) else []
            texts = [_json_value(part) for part in elements]
            return [text for text in texts if isinstance(text, str) and text]
        if kind == "intvalue":
            try:
                return read_integer(content)
            except ValueError:
                return None
        if kind in {"stringvalue", "boolvalue", "doublevalue"}:
            return content
    return None
