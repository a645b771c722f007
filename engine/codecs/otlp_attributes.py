"""Attributes of OTLP as labels: one text for each value, one label for each translated name.

Texts are those of the collector's ``AsString``: a string as it is, ``true`` and ``false``, numbers
in the fewest digits that give them back, bytes as base64, arrays and maps as compact JSON with
sorted keys. A value without content is empty, and an empty label is no label.
"""

import json
from base64 import b64encode
from collections.abc import Iterable
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from engine.codecs.otlp_names import Names, label_name

_LABEL_EXPONENTS = range(-4, 6)  # of Go's %g, which Prometheus writes labels with
_JSON_EXPONENTS = range(-6, 21)  # of numbers in JavaScript and so in Go's JSON


def attribute_labels(attributes: Iterable[KeyValue], names: Names) -> dict[str, str]:
    """Give attributes as labels.

    Parameters
    ----------
    attributes : iterable of KeyValue
        Of a resource or a point. A key that is there twice has its last value.
    names : str
        How keys are translated. Values whose keys are translated to the same name are joined with
        ``;`` in the order of the keys.
    """
    values = {attribute.key: _text(attribute.value) for attribute in attributes}
    translated = {key: label_name(key, names) for key in values}
    if len(set(translated.values())) == len(translated):
        return {translated[key]: value for key, value in values.items()}
    labels: dict[str, str] = {}
    for key in sorted(values):
        name = translated[key]
        labels[name] = f"{labels[name]};{values[key]}" if name in labels else values[key]
    return labels


def label_number(value: float) -> str:
    """Write a number as Prometheus does in ``le`` and ``quantile``: ``0.5``, ``10``, ``1e+06``."""
    return _shortest(value, _LABEL_EXPONENTS)


def _shortest(value: float, plain_exponents: range) -> str:
    """Write a float64 in the fewest digits, with an exponent if it is not in the range."""
    if not isfinite(value):
        return "NaN" if isnan(value) else f"{value:+}".title()
    decimal = Decimal(repr(value)).normalize()
    exponent = decimal.adjusted() if value else 0
    if exponent in plain_exponents:
        return f"{decimal:f}"
    return f"{decimal.scaleb(-exponent):f}e{exponent:+03}"


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind in ("array_value", "kvlist_value"):
        return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if kind == "double_value":
        return _shortest(value.double_value, _JSON_EXPONENTS)
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    plain = _plain(value)
    return "" if plain is None else str(plain)


def _plain(value: AnyValue) -> Any:
    """Give what JSON has for a value."""
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value_strindex":  # an index into a table of profiles
        return None
    if kind == "array_value":
        return [_plain(element) for element in value.array_value.values]
    if kind == "kvlist_value":
        return {element.key: _plain(element.value) for element in value.kvlist_value.values}
    if kind == "bytes_value":
        return b64encode(value.bytes_value).decode()
    if kind == "double_value":
        return _plain_double(value.double_value)
    return getattr(value, kind)


def _plain_double(value: float) -> float | str:
    """Give a float, as an integer if it is one, and as text if JSON has no number for it."""
    if not isfinite(value):
        return _shortest(value, _JSON_EXPONENTS)
    return int(value) if value.is_integer() and abs(value) < 1e21 else value
