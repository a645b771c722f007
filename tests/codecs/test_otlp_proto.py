"""The fast codec against the slow reader, on what producers write and on what nobody would."""

import random

import numpy as np
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
)
from otlp_messages import (
    CUMULATIVE,
    DELTA,
    TIME_NS,
    any_message,
    assert_like_twin,
    attribute,
    codec_of,
    gauge,
    histogram_point,
    one_metric,
    point,
)

from engine.codecs.otlp_proto import OtlpProtoCodec
from engine.codecs.samples import Limits, read_all
from engine.series.columns import FLAG_DELTA, FLAG_STALE


@pytest.fixture
def slowly_read(monkeypatch):
    """Collect the messages that `read` is given."""
    read = OtlpProtoCodec.read
    payloads = []

    def recorded(self, payload, index):
        payloads.append(payload)
        return read(self, payload, index)

    monkeypatch.setattr(OtlpProtoCodec, "read", recorded)
    return payloads


@pytest.mark.parametrize("names", ["as_is", "underscore", "prometheus"])
def test_generated_messages_give_the_slow_readers_rows(names):
    rng = random.Random(7)
    codec = codec_of(names=names)
    for _ in range(60):
        assert_like_twin(codec, [any_message(rng) for _ in range(rng.randrange(12))])


def histogram(temporality, *points):
    data, metric = one_metric()
    metric.histogram.aggregation_temporality = temporality
    metric.histogram.data_points.extend(points)
    return data


def usual_messages():
    data, metric = one_metric("network.io", unit="By", description="größe")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = CUMULATIVE, True
    metric.sum.data_points.append(point(as_int=3, start_time_unix_nano=1))
    delta, metric = one_metric()
    metric.sum.aggregation_temporality = DELTA
    metric.sum.data_points.extend([point(), point(flags=1)])
    bare = NumberDataPoint(time_unix_nano=1, as_int=-1)
    no_value = NumberDataPoint(time_unix_nano=TIME_NS, flags=1)
    url = gauge(point())
    url.resource_metrics[0].schema_url = "https://example.org/1"
    url.resource_metrics[0].scope_metrics[0].schema_url = "https://example.org/2"
    return {
        "gauge": gauge(point(), point(float("nan"))),
        "no points": gauge(),
        "bare point": gauge(bare),
        "stale without value": gauge(no_value),
        "sum": data,
        "delta": delta,
        "schema url": url,
        "histogram": histogram(
            CUMULATIVE,
            histogram_point(),
            histogram_point(bucket_counts=[], explicit_bounds=[]),
            histogram_point(bucket_counts=[0, 0, 0], count=0, min=0.0, max=1.0),
        ),
        "delta histogram": histogram(DELTA, histogram_point(), histogram_point(flags=1)),
        "stale histogram": histogram(CUMULATIVE, HistogramDataPoint(time_unix_nano=1, flags=1)),
        "nothing": MetricsData(),
    }


@pytest.mark.parametrize(("name", "data"), usual_messages().items())
def test_what_producers_write_is_read_slowly_only_once(slowly_read, name, data):
    codec = codec_of()
    payload = data.SerializeToString()
    assert_like_twin(codec, [payload, payload])
    slowly_read.clear()
    assert len(codec.decode([payload] * 3).columns) == 3 * len(
        read_all(codec.read, [payload]).message
    ), name
    assert slowly_read == [payload]  # by the comparison itself


def test_flags_and_values_are_as_told():
    columns = codec_of().decode([usual_messages()["delta"].SerializeToString()]).columns
    assert columns.flags.tolist() == [FLAG_DELTA, FLAG_DELTA | FLAG_STALE]
    assert columns.value[0] == 0.5
    assert columns.ts.tolist() == [TIME_NS, TIME_NS]


def unusual_messages():
    unspecified, metric = one_metric()
    metric.sum.data_points.append(point())
    exemplar = point()
    exemplar.exemplars.add(as_int=1)
    unnamed, metric = one_metric("")
    metric.gauge.data_points.append(point())
    long_name, metric = one_metric("x" * 2000)
    metric.gauge.data_points.append(point())
    return {
        "no sum": histogram(CUMULATIVE, HistogramDataPoint(time_unix_nano=1, count=3)),
        "unspecified histogram": histogram(0, histogram_point()),
        "bounds that fall": histogram(CUMULATIVE, histogram_point(explicit_bounds=[2.0, 1.0])),
        "too few buckets": histogram(CUMULATIVE, histogram_point(bucket_counts=[1])),
        "overflow": histogram(CUMULATIVE, histogram_point(bucket_counts=[2**63, 2**63, 1])),
        "unspecified temporality": unspecified,
        "exemplar": gauge(exemplar),
        "no time": gauge(point(time_unix_nano=0)),
        "late time": gauge(point(time_unix_nano=2**63)),
        "no value": gauge(NumberDataPoint(time_unix_nano=1)),
        "no name": unnamed,
        "long name": long_name,
    }


@pytest.mark.parametrize("name", unusual_messages())
def test_the_rest_is_left_to_the_slow_reader(name):
    usual = gauge(point()).SerializeToString()
    unusual = unusual_messages()[name].SerializeToString()
    codec = codec_of()
    for _ in range(2):
        assert_like_twin(codec, [usual, unusual, usual, unusual])


def test_bytes_of_strings_that_are_not_utf8_reject_their_message():
    good = gauge(point()).SerializeToString()
    codec = codec_of()
    assert_like_twin(codec, [good])
    for text in (b"cpu", b"web-1", b"scope", b"cpu0", b"host.name"):
        bad = good.replace(text, b"\xff" * len(text))
        assert codec.decode([good, bad]).rejects[0].reason == "decode_error"
        assert_like_twin(codec, [good, bad, good])
        assert_like_twin(codec, [bad])


def test_a_scope_that_is_not_utf8_rejects_its_message_even_without_points():
    data = gauge()
    del data.resource_metrics[0].scope_metrics[0].metrics[:]
    payload = data.SerializeToString().replace(b"scope", b"\xff" * 5)
    assert codec_of().decode([payload]).rejects[0].reason == "decode_error"


def test_one_bad_point_leaves_the_message_to_the_slow_reader():
    bad = point()
    attribute(bad, "x", "y" * 2000)
    points = [point(), bad, point()]
    attribute(points[2], "other", "1")
    codec = codec_of()
    for _ in range(2):
        decoded = codec.decode([gauge(*points).SerializeToString()])
        assert len(decoded.columns) == 2
        assert [reject.reason for reject in decoded.rejects] == ["limit"]
    assert_like_twin(
        codec, [gauge(*points).SerializeToString(), gauge(points[2]).SerializeToString()]
    )


def test_a_series_is_announced_once_whatever_its_spelling():
    first, second = point(), point()
    attribute(first, "a", "1")
    del second.attributes[:]
    attribute(second, "a", "1")
    attribute(second, "cpu", "cpu0")
    codec = codec_of()
    decoded = codec.decode([gauge(first, second).SerializeToString()])
    assert len(decoded.new_series) == 1
    assert decoded.columns.fingerprint[0] == decoded.columns.fingerprint[1]
    assert codec.decode([gauge(second, first).SerializeToString()]).new_series == []


def test_a_series_of_a_bad_message_is_announced_when_a_good_one_has_it():
    bad = point()
    attribute(bad, "x", "y" * 2000)
    broken = gauge(point(), bad).SerializeToString()[:-1]
    codec = codec_of()
    assert codec.decode([broken]).new_series == []
    assert len(codec.decode([gauge(point()).SerializeToString()]).new_series) == 1


def test_the_same_attributes_of_other_heads_are_other_series():
    payloads = []
    for host in ("web-1", "web-2"):
        for name in ("cpu", "disk"):
            data = gauge(point())
            data.resource_metrics[0].resource.attributes[0].value.string_value = host
            data.resource_metrics[0].scope_metrics[0].metrics[0].name = name
            payloads.append(data.SerializeToString())
    codec = codec_of()
    assert len(assert_like_twin(codec, payloads)) == 4
    assert assert_like_twin(codec, payloads) == []


def test_kind_and_unit_matter_to_translated_names():
    payloads = []
    for is_monotonic in (True, False):
        data, metric = one_metric("network.io", unit="By")
        metric.sum.is_monotonic, metric.sum.aggregation_temporality = is_monotonic, CUMULATIVE
        metric.sum.data_points.append(point())
        payloads.append(data.SerializeToString())
    names = [series.name for series in assert_like_twin(codec_of(names="prometheus"), payloads)]
    assert sorted(names) == ["network_io_bytes", "network_io_bytes_total"]


@pytest.mark.parametrize("entries", [1, 2, 7])
def test_full_tables_begin_anew(entries):
    rng = random.Random(3)
    codec = codec_of(cache_entries=entries)
    for _ in range(20):
        payloads = [any_message(rng) for _ in range(4)]
        slow, fast = read_all(codec.read, payloads), codec.decode(payloads)
        assert fast.columns.fingerprint.tolist() == slow.columns.fingerprint.tolist()
        assert fast.rejects == slow.rejects


def test_deep_nesting_never_raises():
    nested = b""
    for _ in range(2000):
        size = len(nested)
        header = bytearray()
        while size >= 0x80:
            header.append(size & 0x7F | 0x80)
            size >>= 7
        nested = b"\x2a" + bytes([*header, size]) + nested
    data = gauge(point())
    payload = data.SerializeToString() + nested
    assert_like_twin(codec_of(), [payload, nested, b"\x0a" * 500, b"\x0b" * 500])


def test_too_long_messages_are_rejected():
    codec = codec_of(limits=Limits(max_message_bytes=60))
    payload = gauge(point()).SerializeToString()
    assert len(payload) > 60
    assert codec.decode([payload, b""]).rejects[0].reason == "too_large"
    assert_like_twin(codec, [payload, b""])


def test_no_messages_give_no_rows():
    decoded = codec_of().decode([])
    assert len(decoded.columns) == len(decoded.message) == 0
    assert decoded.columns.value.dtype == np.float64


def test_the_parts_of_a_histogram_are_series_of_their_own():
    payload = histogram(CUMULATIVE, histogram_point()).SerializeToString()
    codec = codec_of()
    assert len(assert_like_twin(codec, [payload, payload])) == 5
    columns = codec.decode([payload]).columns
    assert columns.value.tolist() == [1, 3, 6, 7.5, 6]
    assert assert_like_twin(codec, [payload]) == []


def test_points_between_histograms_keep_their_order():
    data = histogram(CUMULATIVE, histogram_point(), histogram_point(explicit_bounds=[1.0, 2.0]))
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    metrics.add(name="g").gauge.data_points.extend([point(), NumberDataPoint(time_unix_nano=1)])
    metrics[-1].gauge.data_points[1].as_int = 3
    metrics.add().CopyFrom(metrics[0])
    metrics[-1].name = "other"
    payload = data.SerializeToString()
    codec = codec_of()
    for _ in range(2):
        assert_like_twin(codec, [payload, gauge(point()).SerializeToString(), payload])
