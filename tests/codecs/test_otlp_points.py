"""The rows that OTLP data points give, read from protobuf."""

import json
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)
from otlp_rows import (
    DELTA,
    TS,
    counter,
    flags,
    gauge,
    histogram,
    is_stale,
    message,
    read,
    reasons,
    text_attribute,
    values,
)

from engine.codecs.otlp_attributes import label_number
from engine.codecs.otlp_points import labels_of, read_proto
from engine.codecs.samples import Limits
from engine.series.columns import FLAG_DELTA, FLAG_STALE


def test_gauge_and_sum_with_labels_of_the_resource():
    point = NumberDataPoint(
        time_unix_nano=TS, as_double=0.5, attributes=[text_attribute("cpu", "0")]
    )
    total = NumberDataPoint(time_unix_nano=TS, as_int=7)
    host = [text_attribute("host.name", "a")]
    assert values(gauge(point), counter(total), resource=host) == {
        'g{cpu="0",host_name="a"}': 0.5,
        'c_total{host_name="a"}': 7.0,
    }
    assert values(gauge(point), counter(total), resource=host, names="as_is") == {
        'g{cpu="0",host.name="a"}': 0.5,
        'c{host.name="a"}': 7.0,
    }


def test_attributes_of_a_point_win_after_translation():
    resource = [text_attribute("host.name", "resource"), text_attribute("zone", "z")]
    point = [text_attribute("host_name", "point")]
    assert labels_of(resource, point, "prometheus") == {"host_name": "point", "zone": "z"}
    assert labels_of(resource, point, "as_is") == {
        "host.name": "resource",
        "host_name": "point",
        "zone": "z",
    }


def test_values_of_equal_names_are_joined_in_the_order_of_the_keys():
    attributes = [text_attribute("a_b", "2"), text_attribute("c", "x"), text_attribute("a.b", "1")]
    assert labels_of([], attributes, "underscore") == {"a_b": "1;2", "c": "x"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AnyValue(string_value="é"), "é"),
        (AnyValue(bool_value=True), "true"),
        (AnyValue(bool_value=False), "false"),
        (AnyValue(int_value=-5), "-5"),
        (AnyValue(double_value=1.0), "1"),
        (AnyValue(double_value=0.1), "0.1"),
        (AnyValue(double_value=1e20), "100000000000000000000"),
        (AnyValue(double_value=1e21), "1e+21"),
        (AnyValue(double_value=-inf), "-Inf"),
        (AnyValue(double_value=nan), "NaN"),
        (AnyValue(bytes_value=b"\x00\xff"), "AP8="),
        (AnyValue(), ""),
        (AnyValue(string_value_strindex=4), ""),
        (
            AnyValue(
                array_value=ArrayValue(
                    values=[AnyValue(string_value="é"), AnyValue(double_value=2.0), AnyValue()]
                )
            ),
            '["é",2,null]',
        ),
        (
            AnyValue(
                kvlist_value=KeyValueList(
                    values=[
                        KeyValue(key="b", value=AnyValue(double_value=inf)),
                        KeyValue(key="a", value=AnyValue(bool_value=True)),
                    ]
                )
            ),
            '{"a":true,"b":"+Inf"}',
        ),
    ],
)
def test_text_of_attribute_values(value, expected):
    assert labels_of([KeyValue(key="k", value=value)], [], "as_is") == {"k": expected}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.005, "0.005"),
        (10.0, "10"),
        (0.0, "0"),
        (-2.5, "-2.5"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (100_000.0, "100000"),
        (1e6, "1e+06"),
        (1_234_567.0, "1.234567e+06"),
        (0.1 + 0.2, "0.30000000000000004"),
        (5e-324, "5e-324"),
        (inf, "+Inf"),
        (-inf, "-Inf"),
    ],
)
def test_numbers_in_labels(value, expected):
    assert label_number(value) == expected


@given(st.floats(allow_nan=False))
def test_numbers_in_labels_are_exact(value):
    assert float(label_number(value)) == value


def test_delta_and_stale_points_are_flagged():
    point = NumberDataPoint(time_unix_nano=TS, as_int=7)
    ended = NumberDataPoint(time_unix_nano=TS, as_int=7, flags=1)
    assert flags(counter(point)) == {0}
    assert flags(counter(point, temporality=DELTA)) == {int(FLAG_DELTA)}
    assert flags(gauge(ended)) == {int(FLAG_STALE)}
    assert flags(counter(ended, temporality=DELTA)) == {int(FLAG_STALE | FLAG_DELTA)}
    assert is_stale(read(gauge(ended, NumberDataPoint(time_unix_nano=TS, flags=1)))[0])


def test_bad_points_are_rejected_alone():
    good = NumberDataPoint(time_unix_nano=TS, as_double=1.0)
    early, late = NumberDataPoint(as_double=1.0), NumberDataPoint(time_unix_nano=2**63, as_int=1)
    empty = NumberDataPoint(time_unix_nano=TS + 1, attributes=[text_attribute("a", "b")])
    samples, rejects = read(gauge(early, good, late, empty))
    assert [sample.value for sample in samples] == [1.0]
    assert [reject.reason for reject in rejects] == ["bad_timestamp"] * 2 + ["bad_value"]
    assert json.loads(rejects[0].row) == {"ts": 0, "name": "g", "labels": {}, "value": 1.0}
    assert b'"ts":1760000000000.000001,' in rejects[2].row
    assert json.loads(rejects[2].row)["labels"] == {"a": "b"}


def test_values_that_json_lacks_are_text_in_rejected_rows():
    points = [NumberDataPoint(as_double=value) for value in (nan, inf, -inf)]
    rows = [json.loads(reject.row)["value"] for reject in read(gauge(*points))[1]]
    assert rows == ["NaN", "+Inf", "-Inf"]


def test_what_cannot_be_a_series_is_rejected():
    point = NumberDataPoint(time_unix_nano=TS, as_double=1.0)
    odd = NumberDataPoint(
        time_unix_nano=TS, as_double=1.0, attributes=[text_attribute("__name__", "x")]
    )
    assert reasons(counter(point, point, temporality=0)) == ["unsupported"] * 2
    assert reasons(counter(point, temporality=9)) == ["unsupported"]
    assert reasons(gauge(point, name="")) == ["schema_error"]
    assert reasons(gauge(point, name="..")) == ["schema_error"]
    assert reasons(gauge(odd)) == ["schema_error"]
    assert reasons(gauge(point, name="x" * 99), limits=Limits(max_label_bytes=98)) == ["limit"]


def test_messages_that_cannot_be_read():
    assert [reject.reason for reject in read_proto(b"\xff", 0, Limits(), "as_is")[1]] == [
        "decode_error"
    ]
    [reject] = read_proto(b"123", 5, Limits(max_message_bytes=2), "as_is")[1]
    assert (reject.message, reject.reason, reject.row) == (5, "too_large", None)
    assert read_proto(b"", 0, Limits(), "as_is") == ([], [])
    assert values(Metric(name="nothing")) == {}


def test_what_points_share_is_not_repeated_in_full_for_each():
    points = [NumberDataPoint(time_unix_nano=TS, as_int=1)] * 5
    resource = [text_attribute(f"{number}" + "k" * 5000, "v" * 5000) for number in range(90)]
    for some in (resource, resource[:1]):
        samples, rejects = read(gauge(*points, name="n" * 5000), resource=some)
        assert samples == []
        assert [reject.reason for reject in rejects] == ["limit"] * 5
        assert max(len(reject.row) for reject in rejects) < 4000


def test_points_may_hide_labels_of_the_resource():
    resource = [text_attribute(key, "v") for key in "abc"]
    point = NumberDataPoint(time_unix_nano=TS, as_int=1, attributes=[text_attribute("b", "")])
    limits = Limits(max_labels=2)
    assert values(gauge(point), resource=resource, limits=limits) == {'g{a="v",c="v"}': 1.0}
    assert reasons(gauge(NumberDataPoint()), resource=resource, limits=limits) == ["limit"]


def test_surrogates_are_no_text():
    payload = message(gauge(NumberDataPoint(time_unix_nano=TS, as_int=1), name="abc"))
    [reject] = read_proto(payload.replace(b"abc", b"\xed\xa0\x80"), 0, Limits(), "as_is")[1]
    assert reject.reason == "decode_error"


@given(st.binary(max_size=200))
def test_no_bytes_raise(payload):
    read_proto(payload, 0, Limits(), "prometheus")


@given(st.data())
def test_damaged_messages_do_not_raise(data):
    point = HistogramDataPoint(
        time_unix_nano=TS, count=3, explicit_bounds=[1.0], bucket_counts=[1, 2]
    )
    number = NumberDataPoint(
        time_unix_nano=TS, as_double=1.0, attributes=[text_attribute("k", "v")]
    )
    payload = bytearray(message(histogram(point), counter(number), gauge(number)))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    samples, _ = read_proto(bytes(payload), 0, Limits(), "prometheus")
    for sample in samples:
        assert sample.series.fingerprint >= 0
