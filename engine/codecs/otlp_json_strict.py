"""What OTLP metrics as JSON mean: converted to protobuf messages, which `otlp_points` reads.

Keys may be ``lowerCamelCase`` or ``snake_case``, integers text or numbers, enumerations names or
numbers, doubles also the texts of what JSON has no number for. Unknown keys are ignored, and null
is the same as a missing key. A point that can't be converted is rejected alone; any other mistake
rejects the message. `otlp_json` gives the same rows faster.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from math import inf, isinf, nan
from typing import Any

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from engine.codecs.otlp_names import Names
from engine.codecs.otlp_points import read_metrics
from engine.codecs.samples import Limits, RejectedError, Sample, check_size
from engine.series.columns import Reject

_UNREAD = {
    "description",
    "entity_refs",
    "exemplars",
    "max",
    "metadata",
    "min",
    "schema_url",
    "scope",
    "start_time_unix_nano",
}
"""Fields that no row is made of, so that mistakes in them do no harm."""

_REASONS = {"": "schema_error", "attributes": "schema_error", "time_unix_nano": "bad_timestamp"}
"""Why a point is rejected, by the field that is wrong; any other is part of its value."""

_DEPTH_MAX = 100
"""How deeply messages may be nested; the same as in protobuf."""

_ATTRIBUTES_DEPTH = 5
"""What lies above the attributes of a point."""

_SHOWN_CHARACTERS_MAX = 1024
_DIGITS_MAX = 20  # of a uint64
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TEXT_NUMBERS = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}


class _MalformedError(ValueError):
    """A JSON value does not fit the field of this name."""

    def __init__(self, detail: str, name: str = "") -> None:
        self.name = name
        super().__init__(f"{name}: {detail}" if name else detail)


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field of a message is converted; `convert` is None for one that holds messages."""

    name: str
    repeated: bool
    convert: Callable[[Any], Any] | None


def read_json_strict(
    payload: bytes, index: int, limits: Limits, names: Names
) -> tuple[list[Sample], list[Reject]]:
    """Read one message of JSON, ``{"resourceMetrics": [...]}``.

    Parameters
    ----------
    payload : bytes
    index : int
        Number of the message, for its rejects.
    limits : Limits
    names : str
        How names are translated, see `otlp_names`.
    """
    conversion = _Conversion(index)
    try:
        data = MetricsData()
        conversion.fill(data, _document(payload, limits))
        samples, rejects = read_metrics(data, index, limits, names)
    except RejectedError as error:
        return [], [error.reject(index, None)]
    except _MalformedError as error:
        return [], [RejectedError("schema_error", str(error)).reject(index, None)]
    except RecursionError:
        return [], [Reject(index, "decode_error", "nested too deeply")]
    return samples, conversion.rejects + rejects


def attributes_of(raw: bytes) -> Iterable[KeyValue]:
    """Read the JSON of a list of attributes.

    Raises
    ------
    ValueError, RejectedError, RecursionError
        The list can't be read; what the whole message then gives, `read_json_strict` says.
    """
    attributes = KeyValueList()
    conversion = _Conversion(0, depth=_ATTRIBUTES_DEPTH)
    conversion.fill(attributes, {"values": msgspec.json.decode(raw)})
    return attributes.values


def _document(payload: bytes, limits: Limits) -> dict[str, Any]:
    """Decode the message and check that it is one of metrics."""
    check_size(payload, limits)
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedError("decode_error", str(error)) from None
    if not isinstance(document, dict):
        raise RejectedError("schema_error", "the message is no object")
    # Logs and traces would else pass for messages without points.
    if document and not document.keys() & {"resourceMetrics", "resource_metrics"}:
        raise RejectedError("schema_error", "the message has no resourceMetrics")
    return document


@dataclass(slots=True)
class _Conversion:
    """Fills messages, and keeps the points that can't be converted."""

    index: int
    rejects: list[Reject] = field(default_factory=list)
    metric: Any = None
    depth: int = 0

    def fill(self, message: Any, document: Any) -> None:
        """Set the fields of a message.

        Raises
        ------
        _MalformedError
            A value does not fit.
        """
        if not isinstance(document, dict):
            raise _MalformedError("not an object")
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            raise RejectedError("decode_error", "nested too deeply")
        fields = _fields(message.DESCRIPTOR)
        for key, value in document.items():
            known = fields.get(key)
            if known is None or value is None:
                continue
            try:
                self._set(message, known, value)
            except ValueError as error:
                raise _MalformedError(str(error), known.name) from None
        self.depth -= 1

    def _set(self, message: Any, known: _Field, value: Any) -> None:
        if known.repeated:
            if not isinstance(value, list):
                raise _MalformedError("not an array")
            self._extend(getattr(message, known.name), known, value)
        elif known.convert is None:
            part = getattr(message, known.name)
            part.SetInParent()  # an empty object is a value too
            self.fill(part, value)
        else:
            setattr(message, known.name, known.convert(value))

    def _extend(self, container: Any, known: _Field, values: list[Any]) -> None:
        if known.convert is not None:
            container.extend([known.convert(value) for value in values])
        elif known.name == "data_points":
            for value in values:
                self._add_point(container, value)
        else:
            for value in values:
                if known.name == "metrics":
                    self.metric = value
                self.fill(container.add(), value)

    def _add_point(self, container: Any, document: Any) -> None:
        """Add a point, or reject it."""
        depth = self.depth
        try:
            self.fill(container.add(), document)
        except _MalformedError as error:
            del container[-1]
            self.depth = depth
            # Cut, as many points may follow one long name.
            name = str(self.metric.get("name", ""))[:_SHOWN_CHARACTERS_MAX]
            row = msgspec.json.encode({"name": name, "point": document})
            rejected = RejectedError(_REASONS.get(error.name, "bad_value"), str(error))
            self.rejects.append(rejected.reject(self.index, row))


@cache
def _fields(descriptor: Any) -> dict[str, _Field]:
    """Give the fields of a message by both of their keys."""
    fields: dict[str, _Field] = {}
    for known in descriptor.fields:
        if known.name not in _UNREAD:
            converted = _Field(known.name, known.is_repeated, _converter(known))
            fields[known.json_name] = fields[known.name] = converted
    return fields


def _converter(known: Any) -> Callable[[Any], Any] | None:
    """Choose by the type of a field; None for one of messages."""
    if known.type == known.TYPE_MESSAGE:
        return None
    if known.type == known.TYPE_ENUM:
        numbers = {value.name: value.number for value in known.enum_type.values}
        return partial(_enumerated, numbers)
    others = {
        known.TYPE_STRING: _text,
        known.TYPE_BOOL: _truth,
        known.TYPE_BYTES: _raw,
        known.TYPE_DOUBLE: _number,
    }
    return others.get(known.type, read_integer)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _MalformedError(f"not a string: {value!r:.100}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _MalformedError(f"neither true nor false: {value!r:.100}")
    return value


def _raw(value: Any) -> bytes:
    return b64decode(_text(value), validate=True)


def read_integer(value: Any) -> int:
    """Read an integer; protobuf itself checks its range."""
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if digits.isdigit() and digits.isascii() and len(digits) <= _DIGITS_MAX:
            return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _MalformedError(f"not an integer: {value!r:.100}")


def _number(value: Any) -> float:
    if isinstance(value, str):
        if value in _TEXT_NUMBERS:
            return _TEXT_NUMBERS[value]
        if _NUMBER.fullmatch(value):
            value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and not isinf(value):
        return float(value)
    raise _MalformedError(f"not a number within float64: {value!r:.100}")


def _enumerated(numbers: dict[str, int], value: Any) -> int:
    return numbers[value] if isinstance(value, str) and value in numbers else read_integer(value)
