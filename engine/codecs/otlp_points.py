"""What OTLP metrics mean: the reader of the protobuf form, and the walk that the JSON form shares.

Each data point gives one row, or several for histograms and summaries. Resource attributes are
labels of every series, those of the point win; the scope is no label. A delta point carries
`FLAG_DELTA`; one without a recorded value `FLAG_STALE`, together with the other where it is both.
Whether a start time that moved forward is a reset is decided where the series is kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Metric,
    MetricsData,
    NumberDataPoint,
)

from engine.codecs.otlp_attributes import attribute_labels
from engine.codecs.otlp_histograms import (
    STALE_VALUE,
    Part,
    exponential_parts,
    histogram_parts,
    summary_parts,
)
from engine.codecs.otlp_names import Names, metric_name
from engine.codecs.samples import Limits, RejectedError, Sample, check_size, checked_series
from engine.codecs.timestamps import MILLISECOND_NS, TIMESTAMP_NS_MAX
from engine.series.columns import FLAG_DELTA, FLAG_STALE, Reject

NO_RECORDED_VALUE = 1
"""Bit of a point's flags: the series ends here."""


def read_proto(
    payload: bytes, index: int, limits: Limits, names: Names
) -> tuple[list[Sample], list[Reject]]:
    """Read one message of protobuf, `MetricsData` or the same bytes as an export request.

    Parameters
    ----------
    payload : bytes
    index : int
        Number of the message, for its rejects.
    limits : Limits
    names : str
        How names are translated, see `otlp_names`.
    """
    try:
        check_size(payload, limits)
        data = MetricsData.FromString(payload)
    except RejectedError as error:
        return [], [error.reject(index, None)]
    except DecodeError as error:
        return [], [RejectedError("decode_error", str(error)).reject(index, None)]
    return read_metrics(data, index, limits, names)


def read_metrics(
    data: MetricsData, index: int, limits: Limits, names: Names
) -> tuple[list[Sample], list[Reject]]:
    """Walk over decoded metrics; see `read_proto`."""
    walk = _Walk(index, limits, names)
    try:
        for resource_metrics in data.resource_metrics:
            attributes = attribute_labels(resource_metrics.resource.attributes, names)
            labels = {label: value for label, value in attributes.items() if value}
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    walk.read_metric(metric, labels)
    except RecursionError:
        return [], [Reject(index, "decode_error", "an attribute is nested too deeply")]
    return walk.samples, walk.rejects


def labels_of(
    resource_attributes: Iterable[KeyValue], point_attributes: Iterable[KeyValue], names: Names
) -> dict[str, str]:
    """Give the labels of a point; its own attributes win over those of the resource.

    Names are compared after translation, see `attribute_labels`.
    """
    labels = attribute_labels(resource_attributes, names)
    return labels | attribute_labels(point_attributes, names)


def translated_name(metric: Metric, names: Names) -> str:
    """Give the name that the metric's series have, without the suffixes of histograms."""
    return metric_name(
        metric.name,
        metric.unit,
        monotonic_sum=metric.HasField("sum") and metric.sum.is_monotonic,
        ratio_gauge=metric.HasField("gauge"),
        names=names,
    )


@dataclass(frozen=True, slots=True)
class _Walk:
    """Collects the rows of one message."""

    index: int
    limits: Limits
    names: Names
    samples: list[Sample] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def read_metric(self, metric: Metric, resource: dict[str, str]) -> None:
        """Append the rows of one metric; `resource` holds the labels of its resource."""
        kind = metric.WhichOneof("data")
        if kind is None:
            return
        name = translated_name(metric, self.names)
        data: Any = getattr(metric, kind)
        for point in data.data_points:
            labels = attribute_labels(point.attributes, self.names)
            try:
                labels = self._merged(resource, labels)
                flags = _flags(kind, data, point)
                self.samples.extend(self._rows(name, labels, kind, point, flags))
            except RejectedError as error:
                row = self._shown(name or metric.name, labels, point)
                self.rejects.append(error.reject(self.index, row))

    def _merged(self, resource: dict[str, str], own: dict[str, str]) -> dict[str, str]:
        # Looked at first, lest very many labels are copied for each of very many points.
        if len(resource) - len(own) > self.limits.max_labels:
            raise RejectedError("limit", f"more than {self.limits.max_labels} labels")
        return resource | own

    def _rows(
        self, name: str, labels: dict[str, str], kind: str, point: Any, flags: int
    ) -> list[Sample]:
        """Give the rows of one point: all of them or an error."""
        if not name:
            raise RejectedError("schema_error", "the metric has no name")
        timestamp_ns = point.time_unix_nano
        if not 0 < timestamp_ns <= TIMESTAMP_NS_MAX:
            raise RejectedError(
                "bad_timestamp", f"time_unix_nano is {timestamp_ns}, not between 1970 and 2262"
            )
        stale = bool(flags & FLAG_STALE)
        return [
            Sample(
                checked_series(name + part.suffix, labels | part.labels, self.limits),
                timestamp_ns,
                part.value,
                flags,
            )
            for part in _PARTS[kind](point, stale)
        ]

    def _shown(self, name: str, labels: dict[str, str], point: Any) -> bytes:
        """Show a rejected point as native JSON, with count and sum in place of what has no value.

        Names and labels are cut, as very many points may share very long ones.
        """
        characters_max = self.limits.max_label_bytes
        milliseconds, rest_ns = divmod(point.time_unix_nano, MILLISECOND_NS)
        shown: dict[str, Any] = {
            "ts": msgspec.Raw(f"{milliseconds}.{rest_ns:06}".rstrip("0").rstrip(".").encode()),
            "name": name[:characters_max],
            "labels": {
                label[:characters_max]: value[:characters_max]
                for label, value in islice(labels.items(), self.limits.max_labels)
            },
        }
        if isinstance(point, NumberDataPoint):
            kind = point.WhichOneof("value")
            if kind is not None:
                shown["value"] = _json_value(getattr(point, kind))
        else:
            shown |= {"count": point.count, "sum": _json_value(point.sum)}
        return msgspec.json.encode(shown)


def _flags(kind: str, data: Any, point: Any) -> int:
    """Give the flags of a point's rows."""
    flags = int(FLAG_STALE) if point.flags & NO_RECORDED_VALUE else 0
    if kind in ("gauge", "summary"):
        return flags
    temporality = data.aggregation_temporality
    if temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
        return flags
    if temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA:
        return flags | int(FLAG_DELTA)
    raise RejectedError(
        "unsupported", f"aggregation temporality {temporality} is neither delta nor cumulative"
    )


def _number_parts(point: NumberDataPoint, stale: bool) -> list[Part]:
    if stale:
        return [Part("", {}, STALE_VALUE)]
    kind = point.WhichOneof("value")
    if kind is None:
        raise RejectedError("bad_value", "the point has neither as_double nor as_int")
    return [Part("", {}, float(getattr(point, kind)))]


_PARTS: dict[str, Callable[[Any, bool], list[Part]]] = {
    "gauge": _number_parts,
    "sum": _number_parts,
    "histogram": histogram_parts,
    "exponential_histogram": exponential_parts,
    "summary": summary_parts,
}


def _json_value(value: float) -> float | str:
    """Give a number, or the text of one that JSON does not have."""
    if value != value:  # noqa: PLR0124 -- only NaN is not itself
        return "NaN"
    return value if abs(value) != float("inf") else f"{value:+}".title()
