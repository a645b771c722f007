"""Attributes as plain values under canonical GenAI names; all others are never converted."""

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from engine.codecs.genai_messages import (
    OUTPUT_CHARACTERS,
    OUTPUT_MESSAGES,
    TOOL_CALLS,
    json_messages,
    proto_messages,
    sizes_of,
)
from engine.codecs.genai_names import GenAINames
from engine.codecs.otlp_json_strict import read_integer

_ELEMENTS_MAX = 64
"""Of an array of texts; more finish reasons than that no answer has."""

_DIMENSIONS_MAX = 65_536
"""Of a vector; the codec's own limit is lower, and tells which it was."""

_NUMBERS = frozenset({"int_value", "double_value"})


class Attributes(dict[str, Any]):
    """Values by canonical name; where a name is there twice, the better alias wins."""

    def __init__(self, names: GenAINames) -> None:
        super().__init__()
        self._names = names
        self._ranks: dict[str, int] = {}

    def put(self, key: str, value: Any) -> None:
        """Take a value under the name that its key is an alias of."""
        name = self._names.attributes[key]
        if name == OUTPUT_MESSAGES:
            self._measure(value)
            return
        rank = self._names.rank[key]
        if value is not None and rank <= self._ranks.get(name, rank):
            self[name] = value
            self._ranks[name] = rank

    def _measure(self, messages: Any) -> None:
        """Keep the sizes of messages where none are given."""
        sizes = sizes_of(messages)
        if sizes is not None:
            for name, size in zip((OUTPUT_CHARACTERS, TOOL_CALLS), sizes, strict=True):
                self.setdefault(name, size)

    def with_resource(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Give a plain dict; what only the resource has is taken from there."""
        return {**resource, **self}


def proto_attributes(given: Iterable[KeyValue], names: GenAINames) -> Attributes:
    """Read attributes of protobuf."""
    attributes = Attributes(names)
    for attribute in given:
        if attribute.key in names.attributes:
            measured = names.attributes[attribute.key] == OUTPUT_MESSAGES
            read = proto_messages if measured else _proto_value
            attributes.put(attribute.key, read(attribute.value))
    return attributes


def json_attributes(given: Any, names: GenAINames) -> Attributes:
    """Read attributes of JSON; what has another form is left out."""
    attributes = Attributes(names)
    for attribute in given if isinstance(given, list) else []:
        if isinstance(attribute, dict):
            key = attribute.get("key")
            if isinstance(key, str) and key in names.attributes:
                measured = names.attributes[key] == OUTPUT_MESSAGES
                read = json_messages if measured else _json_value
                attributes.put(key, read(attribute.get("value")))
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
        elements = value.array_value.values
        if elements and elements[0].WhichOneof("value") in _NUMBERS:
            return [_proto_value(element) for element in elements[:_DIMENSIONS_MAX]]
        return [part.string_value for part in elements[:_ELEMENTS_MAX] if part.string_value]
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
            elements = elements if isinstance(elements, list) else []
            first = _json_value(elements[0]) if elements else None
            if isinstance(first, int | float) and not isinstance(first, bool):
                return [_json_value(part) for part in elements[:_DIMENSIONS_MAX]]
            texts = [_json_value(part) for part in elements[:_ELEMENTS_MAX]]
            return [text for text in texts if isinstance(text, str) and text]
        if kind == "intvalue":
            try:
                return read_integer(content)
            except ValueError:
                return None
        if kind in {"stringvalue", "boolvalue", "doublevalue"}:
            return content
    return None
