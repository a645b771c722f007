"""Builds OTLP messages of protobuf, and reads them with the strict reader."""

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    Metric,
    MetricsData,
)

from engine.codecs.otlp_points import read_proto
from engine.codecs.samples import Limits
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS

TS = 1_760_000_000_000_000_000
CUMULATIVE, DELTA = 2, 1


def text_attribute(key, value):
    return KeyValue(key=key, value=AnyValue(string_value=value))


def message(*metrics, resource=()):
    data = MetricsData()
    resource_metrics = data.resource_metrics.add()
    resource_metrics.resource.attributes.extend(resource)
    resource_metrics.scope_metrics.add().metrics.extend(metrics)
    return data.SerializeToString()


def gauge(*points, name="g", unit=""):
    metric = Metric(name=name, unit=unit)
    metric.gauge.data_points.extend(points)
    return metric


def counter(*points, name="c", temporality=CUMULATIVE):
    metric = Metric(name=name)
    metric.sum.data_points.extend(points)
    metric.sum.aggregation_temporality = temporality
    metric.sum.is_monotonic = True
    return metric


def histogram(*points, temporality=CUMULATIVE):
    metric = Metric(name="h")
    exponential = isinstance(points[0], ExponentialHistogramDataPoint)
    part = metric.exponential_histogram if exponential else metric.histogram
    part.data_points.extend(points)
    part.aggregation_temporality = temporality
    return metric


def summary(*points):
    metric = Metric(name="s")
    metric.summary.data_points.extend(points)
    return metric


def read(*metrics, names="prometheus", resource=(), limits=None):
    return read_proto(message(*metrics, resource=resource), 3, limits or Limits(), names)


def values(*metrics, **settings):
    """The good rows' values by series, when no row is rejected."""
    samples, rejects = read(*metrics, **settings)
    assert rejects == []
    assert {sample.ts for sample in samples} <= {TS}
    found = {sample.series.text: sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def flags(*metrics):
    samples, rejects = read(*metrics)
    assert rejects == []
    return {sample.flags for sample in samples}


def reasons(*metrics, **settings):
    samples, rejects = read(*metrics, **settings)
    assert samples == []
    assert {reject.message for reject in rejects} <= {3}
    return [reject.reason for reject in rejects]


def is_stale(samples):
    bits = np.array([sample.value for sample in samples]).view(np.uint64)
    return bool(np.all(bits == STALE_NAN_BITS)) and all(
        sample.flags & int(FLAG_STALE) for sample in samples
    )
