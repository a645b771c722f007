"""OTLP metrics as JSON: a quick pass over gauges and sums as exporters write them.

Whatever that pass does not know (histograms, other spellings, bad points) leaves the whole message
to `otlp_json_strict`, which says what it means.
"""

from functools import lru_cache
from typing import Any

import msgspec

from engine.codecs.otlp_histograms import STALE_VALUE
from engine.codecs.otlp_json_strict import attributes_of, read_integer, read_json_strict
from engine.codecs.otlp_names import Names, metric_name
from engine.codecs.otlp_points import NO_RECORDED_VALUE, labels_of
from engine.codecs.samples import Limits, RejectedError, Sample, checked_series
from engine.codecs.timestamps import TIMESTAMP_NS_MAX
from engine.series.columns import FLAG_DELTA, FLAG_STALE, Reject
from engine.series.identity import Series

_SERIES_ENTRIES = 1 << 16
_ATTRIBUTES_BYTES_MAX = 4096  # beyond it looking up and keeping series would cost too much
_NO_ATTRIBUTES = msgspec.Raw(b"[]")
_INT64 = range(-(2**63), 2**63)
_UINT32 = range(2**32)
_TEMPORALITY_FLAGS: dict[int | str, int] = {
    1: int(FLAG_DELTA),
    2: 0,
    "AGGREGATION_TEMPORALITY_DELTA": int(FLAG_DELTA),
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 0,
}


class _UnknownError(Exception):
    """The quick pass does not know what this means."""


_UNKNOWN = (_UnknownError, RejectedError, msgspec.MsgspecError, ValueError, RecursionError)


class _Struct(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """An object with no other keys, so that none is missed that the strict reader knows."""


class _Point(_Struct):
    time_unix_nano: int | str
    attributes: msgspec.Raw = _NO_ATTRIBUTES
    as_double: float | None = None
    as_int: int | str | None = None
    flags: int = 0
    start_time_unix_nano: Any = None
    exemplars: Any = None


class _Gauge(_Struct):
    data_points: list[_Point]


class _Sum(_Struct):
    data_points: list[_Point]
    aggregation_temporality: int | str
    is_monotonic: bool = False


class _Metric(_Struct):
    name: str
    unit: str = ""
    gauge: _Gauge | None = None
    sum: _Sum | None = None
    description: Any = None
    metadata: Any = None


class _ScopeMetrics(_Struct):
    metrics: list[_Metric]
    scope: Any = None
    schema_url: Any = None


class _Resource(_Struct):
    attributes: msgspec.Raw = _NO_ATTRIBUTES


class _ResourceMetrics(_Struct):
    scope_metrics: list[_ScopeMetrics]
    resource: _Resource = msgspec.field(default_factory=_Resource)
    schema_url: Any = None


class _MetricsData(_Struct):
    resource_metrics: list[_ResourceMetrics]


_decode = msgspec.json.Decoder(_MetricsData).decode


def read_json(
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
    if len(payload) <= limits.max_message_bytes:
        try:
            return _read_quickly(payload, limits, names), []
        except _UNKNOWN:
            pass  # the strict reader finds out what it is
    return read_json_strict(payload, index, limits, names)


def _read_quickly(payload: bytes, limits: Limits, names: Names) -> list[Sample]:
    samples: list[Sample] = []
    for resource_metrics in _decode(payload).resource_metrics:
        resource = bytes(resource_metrics.resource.attributes)
        before = len(samples)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                samples += _rows(metric, resource, limits, names)
        if len(samples) == before:
            raise _UnknownError  # nothing has looked at the attributes of this resource
    return samples


def _rows(metric: _Metric, resource: bytes, limits: Limits, names: Names) -> list[Sample]:
    """Give the rows of a gauge or sum."""
    if (metric.gauge is None) == (metric.sum is None):
        raise _UnknownError
    flags = 0
    kind = "gauge"
    data: Any = metric.gauge
    if metric.sum is not None:
        data = metric.sum
        kind = "monotonic sum" if data.is_monotonic else "sum"
        if data.aggregation_temporality not in _TEMPORALITY_FLAGS:
            raise _UnknownError
        flags = _TEMPORALITY_FLAGS[data.aggregation_temporality]
    samples = []
    for point in data.data_points:
        timestamp_ns = read_integer(point.time_unix_nano)
        if not 0 < timestamp_ns <= TIMESTAMP_NS_MAX or point.flags not in _UINT32:
            raise _UnknownError
        own = bytes(point.attributes)
        if len(resource) + len(own) > _ATTRIBUTES_BYTES_MAX:
            raise _UnknownError
        series = _series(metric.name, metric.unit, kind, resource, own, limits, names)
        value = _value(point)
        if point.flags & NO_RECORDED_VALUE:
            samples.append(Sample(series, timestamp_ns, STALE_VALUE, flags | int(FLAG_STALE)))
        else:
            samples.append(Sample(series, timestamp_ns, value, flags))
    return samples


def _value(point: _Point) -> float:
    if point.as_int is None and point.as_double is not None:
        return point.as_double
    if point.as_double is not None or point.as_int is None:
        raise _UnknownError
    number = read_integer(point.as_int)
    if number not in _INT64:
        raise _UnknownError
    return float(number)


@lru_cache(_SERIES_ENTRIES)
def _series(
    name: str,
    unit: str,
    kind: str,
    resource: bytes,
    point: bytes,
    limits: Limits,
    names: Names,
) -> Series:
    """Make the series of a point from the JSON of its attributes."""
    translated = metric_name(
        name,
        unit,
        monotonic_sum=kind == "monotonic sum",
        ratio_gauge=kind == "gauge",
        names=names,
    )
    if not translated:
        raise _UnknownError
    labels = labels_of(attributes_of(resource), attributes_of(point), names)
    return checked_series(translated, labels, limits)
