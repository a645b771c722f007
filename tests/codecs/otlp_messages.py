"""OTLP messages for tests, and the comparison of the fast codec with the slow reader."""

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
)

from engine.codecs.otlp_proto import OtlpProtoCodec
from engine.codecs.samples import Limits, read_all

TIME_NS = 1_760_000_000_000_000_000
CUMULATIVE, DELTA = 2, 1


def codec_of(**options):
    return OtlpProtoCodec(**({"limits": Limits(), "names": "as_is"} | options))


def assert_like_twin(codec, payloads):
    """Columns, messages and rejects are equal; gives the new series, each only once."""
    slow, fast = read_all(codec.read, payloads), codec.decode(payloads)
    assert fast.columns.fingerprint.tolist() == slow.columns.fingerprint.tolist()
    assert fast.columns.ts.tolist() == slow.columns.ts.tolist()
    assert fast.columns.value.tobytes() == slow.columns.value.tobytes()
    assert fast.columns.flags.tolist() == slow.columns.flags.tolist()
    assert fast.message.tolist() == slow.message.tolist()
    assert fast.rejects == slow.rejects
    for mine, other in zip(
        (*vars_of(fast.columns), fast.message), (*vars_of(slow.columns), slow.message), strict=True
    ):
        assert mine.dtype == other.dtype
    assert set(fast.new_series) <= set(slow.new_series)
    assert len(fast.new_series) == len(set(fast.new_series))
    return fast.new_series


def vars_of(columns):
    return columns.fingerprint, columns.ts, columns.value, columns.flags


def attribute(holder, key, value):
    kind = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    setattr(holder.attributes.add(key=key).value, kind[type(value)], value)


def one_metric(name="cpu", **fields):
    """Make a message with one metric, to fill."""
    data = MetricsData()
    resource_metrics = data.resource_metrics.add()
    attribute(resource_metrics.resource, "host.name", "web-1")
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name = "scope"
    return data, scope_metrics.metrics.add(name=name, **fields)


def gauge(*points):
    """Make a message with these points of a gauge."""
    data, metric = one_metric()
    metric.gauge.data_points.extend(points)
    return data


def point(value=0.5, **fields):
    made = NumberDataPoint(**({"time_unix_nano": TIME_NS, "as_double": value} | fields))
    attribute(made, "cpu", "cpu0")
    return made


def histogram_point(**fields):
    made = HistogramDataPoint(
        **(
            {
                "time_unix_nano": TIME_NS,
                "count": 6,
                "sum": 7.5,
                "bucket_counts": [1, 2, 3],
                "explicit_bounds": [0.5, 1.0],
            }
            | fields
        )
    )
    attribute(made, "path", "/")
    return made


def any_histogram(rng):
    bounds = rng.choice([[], [1.0], [0.5, 1.0], [-1.0, 2.0, 3.5], [1.0, 1.0], [float("inf")]])
    counts = [rng.choice([0, 1, rng.randrange(1000), 2**62]) for _ in range(len(bounds) + 1)]
    made = HistogramDataPoint(
        time_unix_nano=TIME_NS, count=sum(counts) % 2**64, explicit_bounds=bounds
    )
    if rng.random() < 0.9:
        made.sum = rng.choice([0.0, rng.random(), float("nan")])
    if rng.random() < 0.9:
        made.bucket_counts.extend(counts)
    if rng.random() < 0.3:
        made.min, made.max = 0.0, 1.0
    for _ in range(rng.randrange(3)):
        attribute(made, rng.choice(["a", "b", "le"]), rng.choice(["x", 1]))
    if rng.random() < 0.2:
        made.flags = rng.randrange(4)
    if rng.random() < 0.05:
        made.time_unix_nano = rng.choice([0, 2**63])
    return made


def add_points(rng, metric):
    kind = rng.choice(["gauge", "gauge", "sum", "sum", "histogram", "none"])
    if kind == "none":
        return
    if kind == "histogram":
        metric.histogram.aggregation_temporality = rng.choice([1, 2, 2, 2, 2, 0])
        for _ in range(rng.randrange(3)):
            metric.histogram.data_points.append(any_histogram(rng))
        return
    if kind == "sum":
        metric.sum.is_monotonic = rng.random() < 0.5
        metric.sum.aggregation_temporality = rng.choice([1, 2, 2, 2, 2, 0])
    data = metric.gauge if kind == "gauge" else metric.sum
    for _ in range(rng.randrange(5)):
        made = data.data_points.add(time_unix_nano=TIME_NS + rng.randrange(10))
        for _ in range(rng.randrange(4)):
            value = rng.choice(["x", "größe", 1, -7, True, 0.5, "", "y" * rng.randrange(300)])
            attribute(made, rng.choice(["a", "b", "c", "host.name"]), value)
        if rng.random() < 0.5:
            made.start_time_unix_nano = TIME_NS
        if rng.random() < 0.5:
            made.as_int = rng.choice([0, -1, 2**63 - 1, 2**53 + 1, rng.randrange(1000)])
        elif rng.random() < 0.95:
            made.as_double = rng.choice([0.0, -0.0, float("nan"), float("-inf"), rng.random()])
        if rng.random() < 0.1:
            made.flags = rng.randrange(4)
        if rng.random() < 0.02:
            made.time_unix_nano = rng.choice([0, 2**63, 2**64 - 1])
        if rng.random() < 0.02:
            made.exemplars.add(as_double=1.0)


def any_message(rng):
    """Make a message of what producers may write."""
    data = MetricsData()
    for _ in range(rng.randrange(3)):
        resource_metrics = data.resource_metrics.add()
        if rng.random() < 0.9:
            attribute(resource_metrics.resource, "host.name", f"web-{rng.randrange(3)}")
        if rng.random() < 0.3:
            resource_metrics.schema_url = rng.choice(["https://example.org/1", "größe"])
        for _ in range(rng.randrange(3)):
            scope_metrics = resource_metrics.scope_metrics.add()
            if rng.random() < 0.7:
                scope_metrics.scope.name = rng.choice(["s", "größe"])
            for _ in range(rng.randrange(4)):
                name = rng.choice(["m", "n.o", "größe", "m", "n.o", ""])
                metric = scope_metrics.metrics.add(name=name, unit=rng.choice(["", "1", "By"]))
                add_points(rng, metric)
    return data.SerializeToString()
