"""Vector's metric events as its JSON codecs write them.

``{"name": "cpu_seconds_total", "namespace": "host", "tags": {"cpu": "0"}, "timestamp":
"2025-10-09T08:53:20Z", "kind": "absolute", "counter": {"value": 123456.0}}``, or the same under the
one key ``metric`` (codec ``native_json``).

Names and labels are those of Vector's Prometheus exporter: ``namespace_name``, and the tags. Of a
tag with several values the last one that is not null counts, as in Vector's ``single`` tags; a tag
that has none is dropped.

Counters and gauges are one sample. Aggregated histograms, whose buckets count apart in Vector, are
the cumulative ``_bucket{le}`` with ``+Inf``, ``_sum`` and ``_count``; aggregated summaries are
``{quantile}``, ``_sum`` and ``_count``. Incremental counters and histograms are deltas. Incremental
gauges and summaries, sets, distributions and sketches are unsupported.
"""

from itertools import accumulate
from math import inf, isnan, nan
from typing import Any

from engine.codecs.json_documents import (
    Document,
    Row,
    checked_labels,
    is_text,
    number_of,
    read_documents,
    rfc3339_timestamp_ns,
    shown,
)
from engine.codecs.otlp_attributes import label_number
from engine.codecs.samples import Limits, RejectedError, Sample, check_length
from engine.series.columns import FLAG_DELTA, Reject

_TEXT_VALUES = {
    text: value
    for value, texts in (
        (nan, ("NaN",)),
        (inf, ("inf", "Inf", "+Inf", "Infinity")),
        (-inf, ("-inf", "-Inf", "-Infinity")),
    )
    for text in texts
}
_DELTA = int(FLAG_DELTA)
_SCALARS = ("counter", "gauge")
_AGGREGATES = ("aggregated_histogram", "aggregated_summary")
_UNSUPPORTED = ("set", "distribution", "sketch")
_WITH_DELTA = ("counter", "aggregated_histogram")
"""Values whose increments can be summed; those of a gauge would start from an unknown value."""


def read_vector(payload: bytes, index: int, limits: Limits) -> tuple[list[Sample], list[Reject]]:
    """Read one message strictly; `index` is what its rejects say."""
    return read_documents(payload, index, limits, _read_event)


def _read_event(event: Document, limits: Limits) -> list[Row]:
    metric = event["metric"] if isinstance(event.get("metric"), dict) else event
    name = _name(metric, limits)
    kind = _value_kind(metric)
    flags = _flags(metric, kind)
    value = metric[kind]
    if not isinstance(value, dict):
        raise RejectedError("schema_error", f"{kind} is no object")
    labels = checked_labels(_tags(metric.get("tags")), limits)
    timestamp_ns = rfc3339_timestamp_ns(metric.get("timestamp"), "timestamp")
    if kind in _SCALARS:
        return [Row(name, labels, timestamp_ns, _number(value.get("value")), flags)]
    parts = _buckets(value, name) if kind == "aggregated_histogram" else _quantiles(value, name)
    return [
        *(Row(part, labels | extra, timestamp_ns, number, flags) for part, extra, number in parts),
        Row(f"{name}_sum", labels, timestamp_ns, _number(value.get("sum")), flags),
        Row(f"{name}_count", labels, timestamp_ns, value.get("count"), flags),
    ]


def _name(metric: Document, limits: Limits) -> str:
    name, namespace = metric.get("name"), metric.get("namespace")
    if not is_text(name) or not name:
        raise RejectedError("schema_error", "name is missing, empty or no string")
    if namespace is not None and not is_text(namespace):
        raise RejectedError("schema_error", "namespace is no string")
    full = f"{namespace}_{name}" if namespace else str(name)
    # Before buckets and quantiles repeat it.
    check_length("name", full, limits)
    return full


def _value_kind(metric: Document) -> str:
    """Find which of the values the metric has."""
    kinds = [kind for kind in (*_SCALARS, *_AGGREGATES, *_UNSUPPORTED) if kind in metric]
    if len(kinds) != 1:
        raise RejectedError("schema_error", "the metric has no value, or several")
    if kinds[0] in _UNSUPPORTED:
        raise RejectedError("unsupported", f"{kinds[0]} is not supported")
    return kinds[0]


def _flags(metric: Document, kind: str) -> int:
    if metric.get("kind") == "absolute":
        return 0
    if metric.get("kind") != "incremental":
        detail = f"kind is {shown(metric.get('kind'))}, not absolute or incremental"
        raise RejectedError("schema_error", detail)
    if kind not in _WITH_DELTA:
        raise RejectedError("unsupported", f"an incremental {kind} is not supported")
    return _DELTA


def _tags(tags: object) -> dict[str, str]:
    if tags is None:
        return {}
    if not isinstance(tags, dict):
        raise RejectedError("schema_error", "tags is no object")
    labels: dict[str, str] = {}
    for tag, values in tags.items():
        given = values if isinstance(values, list) else [values]
        kept = [value for value in given if value is not None]
        if not all(map(is_text, kept)):
            raise RejectedError("schema_error", "a tag is no string")
        if kept:
            labels[tag] = kept[-1]
    return labels


def _buckets(histogram: Document, name: str) -> list[tuple[str, dict[str, str], Any]]:
    """Sum the buckets up; gives name, label ``le`` and count of each."""
    counts: dict[float, float] = {}
    for bucket in _items(histogram, "buckets"):
        limit = bucket.get("upper_limit")
        # JSON has no infinity, so that it may have become null.
        bound = inf if limit is None else number_of(_number(limit), "upper_limit")
        if isnan(bound) or bound in counts:
            raise RejectedError("schema_error", f"upper_limit {bound} is no bound, or there twice")
        counts[bound] = number_of(bucket.get("count"), "count of a bucket")
    counts.pop(inf, None)  # the count of all stands for it
    bounds = sorted(counts)
    parts: list[tuple[str, dict[str, str], Any]] = [
        (f"{name}_bucket", {"le": label_number(bound)}, total)
        for bound, total in zip(bounds, accumulate(counts[bound] for bound in bounds), strict=True)
    ]
    parts.append((f"{name}_bucket", {"le": "+Inf"}, histogram.get("count")))
    return parts


def _quantiles(summary: Document, name: str) -> list[tuple[str, dict[str, str], Any]]:
    """Give the quantiles as name, label ``quantile`` and value of each."""
    parts = []
    for item in _items(summary, "quantiles"):
        # Older versions of Vector call it upper_limit.
        quantile = number_of(item.get("quantile", item.get("upper_limit")), "quantile")
        parts.append((name, {"quantile": label_number(quantile)}, _number(item.get("value"))))
    return parts


def _items(value: Document, key: str) -> list[Document]:
    items = value.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RejectedError("schema_error", f"{key} is no array of objects")
    return items


def _number(value: object) -> object:
    """Give the number that a text is for, as JSON has none for it; all else as it is."""
    return _TEXT_VALUES.get(value, value) if isinstance(value, str) else value
