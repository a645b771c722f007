"""Vector's metric events: names, tags, the kinds of values and what is refused."""

import json
from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.samples import Limits, Sample
from engine.codecs.vector_json import read_vector
from engine.series.columns import FLAG_DELTA
from engine.series.identity import Series

TS = 1_760_000_000 * 10**9
SAMPLE = (
    b'{"name":"cpu_seconds_total","namespace":"host","tags":{"cpu":"0","mode":"idle"},'
    b'"timestamp":"2025-10-09T08:53:20Z","kind":"absolute","counter":{"value":123456.0}}'
)
BASE = {"name": "a", "timestamp": "2025-10-09T08:53:20Z", "kind": "absolute"}
HISTOGRAM = {
    "buckets": [
        {"upper_limit": 0.005, "count": 1},
        {"upper_limit": 10.0, "count": 2},
        {"upper_limit": 1e6, "count": 3},
    ],
    "count": 7,
    "sum": 21.5,
}


def read(payload, **limits):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_vector(raw, 5, Limits(**limits))


def texts(payload):
    """Series and values of a message without rejects."""
    samples, rejects = read(payload)
    assert rejects == []
    return {sample.series.text: sample.value for sample in samples}


def reason_of(payload, **limits):
    samples, [reject] = read(payload, **limits)
    assert samples == []
    assert reject.message == 5
    assert 0 < len(reject.detail) <= 500
    return reject.reason


def test_the_sample_of_the_contract():
    series = Series.of("host_cpu_seconds_total", {"cpu": "0", "mode": "idle"})
    assert read(SAMPLE) == ([Sample(series, TS, 123456.0)], [])


def test_the_event_may_be_wrapped():
    assert texts({"metric": BASE | {"gauge": {"value": 1}}}) == {"a": 1.0}


@pytest.mark.parametrize("join", [b"[%s,%s]", b"%s\n%s", b"%s\r\n%s\n", b" \n%s\n\n%s\n"])
def test_a_message_may_hold_several_events(join):
    samples, rejects = read(join % (SAMPLE, SAMPLE))
    assert rejects == []
    assert len(samples) == 2


def test_names_and_tags_are_sanitised_and_tags_with_several_values_give_the_last():
    tags = {"a-b": "1", "none": None, "many": ["x", "y", None], "bare": [None], "empty": ""}
    event = BASE | {"name": "r.s", "namespace": "n-m", "tags": tags, "gauge": {"value": -1.5}}
    assert texts(event) == {'n_m_r_s{a_b="1",many="y"}': -1.5}


def test_a_histogram_becomes_cumulative_buckets():
    assert texts(BASE | {"tags": {"x": "y"}, "aggregated_histogram": HISTOGRAM}) == {
        'a_bucket{le="0.005",x="y"}': 1.0,
        'a_bucket{le="10",x="y"}': 3.0,
        'a_bucket{le="1e+06",x="y"}': 6.0,
        'a_bucket{le="+Inf",x="y"}': 7.0,
        'a_sum{x="y"}': 21.5,
        'a_count{x="y"}': 7.0,
    }


@pytest.mark.parametrize("limit", [None, "inf", "+Inf"])
def test_a_bucket_without_bound_is_the_one_of_all(limit):
    buckets = [{"upper_limit": limit, "count": 1}, {"upper_limit": 2, "count": 1}]
    event = BASE | {"aggregated_histogram": {"buckets": buckets, "count": 2, "sum": 3}}
    assert texts(event) == {
        'a_bucket{le="2"}': 1.0,
        'a_bucket{le="+Inf"}': 2.0,
        "a_sum": 3.0,
        "a_count": 2.0,
    }


@pytest.mark.parametrize("key", ["quantile", "upper_limit"])
def test_a_summary_gives_its_quantiles(key):
    quantiles = [{key: 0.5, "value": 4.0}, {key: 1.0, "value": 9}]
    event = BASE | {"aggregated_summary": {"quantiles": quantiles, "count": 3, "sum": 14.0}}
    assert texts(event) == {
        'a{quantile="0.5"}': 4.0,
        'a{quantile="1"}': 9.0,
        "a_sum": 14.0,
        "a_count": 3.0,
    }


@pytest.mark.parametrize("value", [{"counter": {"value": 2}}, {"aggregated_histogram": HISTOGRAM}])
def test_increments_are_deltas(value):
    samples, rejects = read(BASE | {"kind": "incremental"} | value)
    assert rejects == []
    assert {sample.flags for sample in samples} == {int(FLAG_DELTA)}


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "incremental", "gauge": {"value": 2}},
        {"kind": "incremental", "aggregated_summary": {"quantiles": [], "count": 0, "sum": 0}},
        {"set": {"values": ["a"]}},
        {"distribution": {"samples": [{"value": 1, "rate": 2}], "statistic": "summary"}},
        {"sketch": {"sketch": {}}},
    ],
)
def test_what_has_no_series_is_unsupported(value):
    assert reason_of(BASE | value) == "unsupported"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": None}, "bad_timestamp"),
        ({"timestamp": "yesterday"}, "bad_timestamp"),
        ({"timestamp": 1760000000}, "bad_timestamp"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "bad_timestamp"),
        ({"name": ""}, "schema_error"),
        ({"name": 1.5}, "schema_error"),
        ({"name": "x" * 1025}, "limit"),
        ({"namespace": 1}, "schema_error"),
        ({"kind": "other"}, "schema_error"),
        ({"kind": ["absolute"]}, "schema_error"),
        ({"tags": ["a"]}, "schema_error"),
        ({"tags": {"a": 1}}, "schema_error"),
        ({"tags": {"__name__": "b"}}, "schema_error"),
        ({"tags": {"a": "x" * 1025}}, "limit"),
        ({"tags": {f"t{i}": "x" for i in range(65)}}, "limit"),
        ({"counter": {"value": 1}}, "schema_error"),
        ({"gauge": 1}, "schema_error"),
        ({"gauge": {"value": None}}, "bad_value"),
        ({"gauge": {"value": True}}, "bad_value"),
        ({"gauge": {"value": "3"}}, "bad_value"),
    ],
)
def test_a_bad_event_is_rejected(change, reason):
    assert reason_of(BASE | {"gauge": {"value": 1}} | change) == reason


@pytest.mark.parametrize("number", [b"1e999", b"1" * 400, b"-" + b"9" * 9000])
def test_a_number_beyond_float64_is_a_bad_value_of_its_row_only(number):
    summary = b'{"quantiles":[{"quantile":0.5,"value":%s}],"count":1,"sum":2.0}' % number
    samples, [reject] = read(SAMPLE[:-29] + b'"aggregated_summary":' + summary + b"}")
    assert reject.reason == "bad_value"
    assert reject.row is not None
    assert json.loads(reject.row)["name"] == "host_cpu_seconds_total"
    assert [sample.value for sample in samples] == [2.0, 1.0]


def test_what_json_has_no_number_for_is_text():
    assert texts(BASE | {"gauge": {"value": "-inf"}}) == {"a": -inf}
    assert isnan(texts(BASE | {"gauge": {"value": "NaN"}})["a"])


@pytest.mark.parametrize(
    "buckets",
    [
        None,
        [1],
        [{"upper_limit": 1, "count": 1}] * 2,
        [{"upper_limit": "NaN", "count": 1}],
    ],
)
def test_buckets_that_are_none(buckets):
    histogram = {"buckets": buckets, "count": 1, "sum": 1}
    assert reason_of(BASE | {"aggregated_histogram": histogram}) == "schema_error"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "decode_error"),
        (b" \n ", "decode_error"),
        (b"{", "decode_error"),
        (SAMPLE + b"\nnothing", "decode_error"),
        (b'{"name":"\xff"}', "decode_error"),
        (b"[" * 100_000, "decode_error"),
        (b"1\n2", "schema_error"),
        (b'"text"', "schema_error"),
        (SAMPLE + b"\n1", "schema_error"),
        (b" " * 2_000_000, "too_large"),
    ],
)
def test_a_message_that_is_none_is_rejected_whole(payload, reason):
    samples, [reject] = read(payload)
    assert (samples, reject.reason, reject.row) == ([], reason, None)


def test_good_events_beside_a_bad_one_are_kept():
    samples, [reject] = read(b"[%s,7,%s]" % (SAMPLE, SAMPLE))
    assert len(samples) == 2
    assert (reject.reason, reject.row) == ("schema_error", b"7")


def test_half_of_a_character_is_refused():
    assert reason_of(SAMPLE.replace(b"idle", b"\\ud800")) == "decode_error"


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.binary(max_size=60))
def test_no_bytes_raise(payload):
    samples, rejects = read(payload)
    assert samples or rejects or b"".join(payload.split()) == b"[]"


@given(
    st.dictionaries(
        st.sampled_from(
            ["name", "tags", "timestamp", "kind", "counter", "aggregated_histogram", "metric"]
        ),
        documents,
    ),
    st.sampled_from(["counter", "gauge", "aggregated_histogram", "aggregated_summary"]),
    documents,
    documents,
)
def test_no_document_raises(changes, kind, inner, items):
    value = {"value": inner, "buckets": items, "quantiles": [items], "sum": inner, "count": inner}
    samples, rejects = read(BASE | {kind: value} | changes)
    assert samples or rejects
