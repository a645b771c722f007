"""OTLP as JSON gives the rows of OTLP as protobuf."""

import json
from math import isnan

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    SummaryDataPoint,
)

from engine.codecs.otlp_json import read_json
from engine.codecs.otlp_json_strict import read_json_strict
from engine.codecs.otlp_points import read_proto
from engine.codecs.samples import Limits

TS = 1_760_000_000_000_000_000

COLLECTOR = b"""{"resourceMetrics":[{"resource":{"attributes":[
    {"key":"host.name","value":{"stringValue":"web-1"}}]},
 "scopeMetrics":[{"scope":{"name":"otelcol/hostmetricsreceiver/cpu"},"metrics":[
  {"name":"system.cpu.utilization","unit":"1","gauge":{"dataPoints":[
    {"timeUnixNano":"1760000000000000000","asDouble":0.93,
     "attributes":[{"key":"cpu","value":{"stringValue":"cpu0"}}]}]}},
  {"name":"system.network.io","unit":"By","sum":{"dataPoints":[
    {"startTimeUnixNano":"1759990000000000000","timeUnixNano":"1760000000000000000",
     "asInt":"123456"}],"aggregationTemporality":2,"isMonotonic":true}}]}]}]}"""


def read(document, names="prometheus"):
    """The rows of the strict reader, which the quick one must give too."""
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    strict = read_json_strict(payload, 3, Limits(), names)
    assert comparable(read_json(payload, 3, Limits(), names)) == comparable(strict)
    return strict


def gauge(*points, **settings):
    """A message of one gauge."""
    metric = {"name": "g", "gauge": {"dataPoints": list(points)}} | settings
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def row_of(point):
    """The value of a good point, or the reason of a bad one."""
    samples, rejects = read(gauge({"timeUnixNano": str(TS)} | point))
    [row] = [sample.value for sample in samples] + [reject.reason for reject in rejects]
    return row


def whole(document):
    """The reason why the message as a whole is rejected."""
    samples, [reject] = read(document)
    assert samples == []
    assert (reject.message, reject.row) == (3, None)
    return reject.reason


def comparable(rows):
    samples, rejects = rows
    return [
        (row.series, row.ts, "nan" if isnan(row.value) else row.value, row.flags) for row in samples
    ], rejects


def test_message_of_the_collector():
    samples, rejects = read(COLLECTOR)
    assert rejects == []
    assert [(sample.series.text, sample.ts, sample.value) for sample in samples] == [
        ('system_cpu_utilization_ratio{cpu="cpu0",host_name="web-1"}', TS, 0.93),
        ('system_network_io_bytes_total{host_name="web-1"}', TS, 123456.0),
    ]


def test_messages_of_the_collector_are_read_quickly(monkeypatch):
    monkeypatch.delattr("engine.codecs.otlp_json.read_json_strict")
    samples, rejects = read_json(COLLECTOR, 3, Limits(), "prometheus")
    assert (len(samples), rejects) == (2, [])


@pytest.mark.parametrize("key", ["is_monotonic", "data_points", "unit", "sum", "gauge", "resource"])
@pytest.mark.parametrize("value", ["true", "[]", "{}", "null", '"By"'])
def test_other_spellings_are_read_as_strictly(key, value):
    for place in (b'"resource":', b'"dataPoints":', b'"name":"system', b'"timeUnixNano"'):
        read(COLLECTOR.replace(place, f'"{key}":{value},'.encode() + place))


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"asInt": "7"}, 7.0),
        ({"asInt": 7}, 7.0),
        ({"asInt": 7.0}, 7.0),
        ({"asInt": str(2**63 - 1)}, 2.0**63),
        ({"asInt": str(2**63)}, "bad_value"),
        ({"asInt": 7.5}, "bad_value"),
        ({"asInt": "seven"}, "bad_value"),
        ({"asInt": True}, "bad_value"),
        ({"asDouble": 7}, 7.0),
        ({"asDouble": "0.5"}, 0.5),
        ({"asDouble": "-Infinity"}, float("-inf")),
        ({"asDouble": "1e999"}, "bad_value"),
        ({"asDouble": "x"}, "bad_value"),
        ({"asDouble": None}, "bad_value"),
        ({}, "bad_value"),
        ({"asDouble": 1, "unknown": [{}]}, 1.0),
        ({"asDouble": 1, "exemplars": "unread"}, 1.0),
        ({"as_double": 1.5, "time_unix_nano": TS}, 1.5),
        ({"asDouble": 1, "timeUnixNano": TS}, 1.0),
        ({"asDouble": 1, "timeUnixNano": "x"}, "bad_timestamp"),
        ({"asDouble": 1, "timeUnixNano": -1}, "bad_timestamp"),
        ({"asDouble": 1, "timeUnixNano": "99999999999999999999"}, "bad_timestamp"),
        ({"asDouble": 1, "timeUnixNano": None}, "bad_timestamp"),
        ({"asDouble": 1, "attributes": {}}, "schema_error"),
        ({"asDouble": 1, "attributes": [{"key": 1}]}, "schema_error"),
        ({"asDouble": 1, "attributes": [{"key": "k", "value": "v"}]}, "schema_error"),
        (
            {"asDouble": 1, "attributes": [{"key": "k", "value": {"bytesValue": "="}}]},
            "schema_error",
        ),
    ],
)
def test_forms_of_points(point, expected):
    assert row_of(point) == expected


def test_bad_points_are_rejected_alone():
    good = {"timeUnixNano": TS, "asInt": 1}
    samples, rejects = read(gauge(good, {"timeUnixNano": TS, "asInt": "x"}, 5, good))
    assert len(samples) == 2
    assert [(reject.message, reject.reason) for reject in rejects] == [
        (3, "bad_value"),
        (3, "schema_error"),
    ]
    assert json.loads(rejects[0].row) == {"name": "g", "point": {"timeUnixNano": TS, "asInt": "x"}}
    assert rejects[0].detail == "as_int: not an integer: 'x'"


@pytest.mark.parametrize(
    ("temporality", "reason"),
    [
        ("AGGREGATION_TEMPORALITY_DELTA", None),
        (2, None),
        ("AGGREGATION_TEMPORALITY_UNSPECIFIED", "unsupported"),
        (7, "unsupported"),
    ],
)
def test_temporality_is_a_name_or_a_number(temporality, reason):
    points = [{"timeUnixNano": TS, "asInt": 1}]
    metric = {"name": "c", "sum": {"dataPoints": points, "aggregationTemporality": temporality}}
    _, rejects = read({"resource_metrics": [{"scope_metrics": [{"metrics": [metric]}]}]})
    assert [reject.reason for reject in rejects] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "decode_error"),
        (b"{", "decode_error"),
        (b'{"resourceMetrics":[{"schemaUrl":"\xff"}]}', "decode_error"),
        (b'{"resourceMetrics":[{"schemaUrl":"\\ud800"}]}', "decode_error"),
        (COLLECTOR.replace(b"cpu0", b"\\udc80"), "decode_error"),
        (COLLECTOR.replace(b"cpu0", b"\xff"), "decode_error"),
        (b"[" * 100_000, "decode_error"),
        (b'{"resourceMetrics":' + b"[" * 100_000, "decode_error"),
        (b" " * 2_000_000, "too_large"),
        ([], "schema_error"),
        (5, "schema_error"),
        ({"resourceLogs": []}, "schema_error"),
        ({"resourceMetrics": {}}, "schema_error"),
        ({"resourceMetrics": [None]}, "schema_error"),
        ({"resourceMetrics": [{"scopeMetrics": [{"metrics": [5]}]}]}, "schema_error"),
        (gauge(name=5), "schema_error"),
        (gauge(gauge=5), "schema_error"),
        (gauge(sum={"aggregationTemporality": "never"}), "schema_error"),
    ],
)
def test_messages_that_cannot_be_read(document, reason):
    assert whole(document) == reason


def test_a_long_name_is_not_repeated_for_each_bad_point():
    _, rejects = read(gauge(5, 6, name="n" * 9000))
    assert [len(reject.row) < 2000 for reject in rejects] == [True, True]


def test_many_attributes_are_read_as_strictly():
    attributes = [{"key": "k", "value": {"stringValue": "v" * 500}}] * 20
    assert row_of({"asInt": 1, "attributes": attributes}) == 1.0


def test_an_empty_message_has_no_rows():
    assert read({}) == ([], [])
    assert read({"resourceMetrics": None}) == ([], [])
    assert read(gauge()) == ([], [])


@pytest.mark.parametrize("depth", [10, 49, 50, 300, 3000])
def test_attributes_are_nested_as_deeply_as_in_protobuf(depth):
    value = '{"arrayValue":{"values":[' * depth + '{"intValue":1}' + "]}}" * depth
    point = f'{{"timeUnixNano":{TS},"asInt":1,"attributes":[{{"key":"k","value":{value}}}]}}'
    payload = json.dumps(gauge("point")).replace('"point"', point).encode()
    samples, rejects = read(payload)
    if depth < 45:
        assert samples[0].series.labels == (("k", "[" * depth + "1" + "]" * depth),)
    else:
        assert samples == []
        assert [reject.reason for reject in rejects] == ["decode_error"]


texts = st.sampled_from(["", "a", "a.b", "a_b", "1x", "é", "__name__", "le"])
any_values = st.recursive(
    st.builds(AnyValue, string_value=texts)
    | st.builds(AnyValue, bool_value=st.booleans())
    | st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1))
    | st.builds(AnyValue, double_value=st.floats())
    | st.builds(AnyValue, bytes_value=st.binary(max_size=4))
    | st.just(AnyValue()),
    lambda children: (
        st.builds(
            AnyValue, array_value=st.builds(ArrayValue, values=st.lists(children, max_size=2))
        )
        | st.builds(
            AnyValue,
            kvlist_value=st.builds(
                KeyValueList,
                values=st.lists(st.builds(KeyValue, key=texts, value=children), max_size=2),
            ),
        )
    ),
    max_leaves=4,
)
attributes = st.lists(st.builds(KeyValue, key=texts, value=any_values), max_size=3)
common = {
    "time_unix_nano": st.sampled_from([TS, TS + 1, 0, 2**63, 2**64 - 1]),
    "start_time_unix_nano": st.sampled_from([0, TS - 5]),
    "flags": st.integers(0, 3),
    "attributes": attributes,
}
counts = st.sampled_from([0, 5, 2**64 - 1])
numbers = (
    st.builds(NumberDataPoint, as_double=st.floats(), **common)
    | st.builds(NumberDataPoint, as_int=st.integers(-(2**63), 2**63 - 1), **common)
    | st.builds(NumberDataPoint, **common)
)
histograms = st.builds(
    HistogramDataPoint,
    count=counts,
    sum=st.none() | st.floats(),
    explicit_bounds=st.sampled_from([[], [1.0], [1.0, 2.5]]),
    bucket_counts=st.lists(counts, max_size=3),
    **common,
)
buckets = st.builds(
    ExponentialHistogramDataPoint.Buckets,
    offset=st.integers(-9, 9),
    bucket_counts=st.lists(counts, max_size=4),
)
exponentials = st.builds(
    ExponentialHistogramDataPoint,
    count=counts,
    sum=st.none() | st.floats(),
    scale=st.integers(-3, 3),
    zero_count=counts,
    zero_threshold=st.sampled_from([0.0, 0.5]),
    positive=buckets,
    negative=buckets,
    **common,
)
quantiles = st.builds(
    SummaryDataPoint.ValueAtQuantile, quantile=st.sampled_from([0.0, 0.5, 2.0]), value=st.floats()
)
summaries = st.builds(
    SummaryDataPoint,
    count=counts,
    sum=st.floats(),
    quantile_values=st.lists(quantiles, max_size=2),
    **common,
)


@st.composite
def metrics(draw):
    metric = Metric(name=draw(texts), unit=draw(st.sampled_from(["", "s", "1", "By/s", "{x}"])))
    kind, points = draw(
        st.sampled_from(
            [
                ("gauge", numbers),
                ("sum", numbers),
                ("histogram", histograms),
                ("exponential_histogram", exponentials),
                ("summary", summaries),
            ]
        )
    )
    part = getattr(metric, kind)
    part.SetInParent()
    part.data_points.extend(draw(st.lists(points, max_size=2)))
    if kind not in ("gauge", "summary"):
        part.aggregation_temporality = draw(st.integers(0, 2))
    if kind == "sum":
        part.is_monotonic = draw(st.booleans())
    return metric


@given(
    st.lists(metrics(), max_size=3),
    attributes,
    st.sampled_from(["prometheus", "underscore", "as_is"]),
    st.booleans(),
)
def test_json_gives_the_rows_of_protobuf(listed, resource, names, snake_case):
    data = MetricsData()
    resource_metrics = data.resource_metrics.add()
    resource_metrics.resource.attributes.extend(resource)
    resource_metrics.scope_metrics.add().metrics.extend(listed)
    document = MessageToDict(data, preserving_proto_field_name=snake_case)
    assert comparable(read(document, names)) == comparable(
        read_proto(data.SerializeToString(), 3, Limits(), names)
    )


@given(st.binary(max_size=100))
def test_no_bytes_raise(payload):
    read(payload)


@given(st.data())
def test_damaged_messages_do_not_raise(data):
    payload = bytearray(COLLECTOR)
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(payload))


KEYS = """resourceMetrics scopeMetrics metrics gauge sum dataPoints attributes resource name key
    value asInt asDouble stringValue timeUnixNano"""
keys = st.sampled_from(KEYS.split())
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(keys, children, max_size=3),
    max_leaves=10,
)


@given(documents, documents)
def test_no_document_raises(document, point):
    read({"resourceMetrics": document})
    read(gauge(point, {"timeUnixNano": TS, "asInt": point}))
    read(gauge({"timeUnixNano": TS, "attributes": [{"key": "k", "value": document}]}))
