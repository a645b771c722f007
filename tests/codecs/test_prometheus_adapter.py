"""The JSON of prometheus-kafka-adapter: values as text, the name twice, rejects row by row."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.prometheus_adapter import read_adapter
from engine.codecs.samples import Limits
from engine.series.identity import Series

TYPICAL = {
    "timestamp": "2025-10-09T08:53:20Z",
    "value": "93",
    "name": "cpu_usage_percent",
    "labels": {"__name__": "cpu_usage_percent", "instance": "a"},
}


def read(document, limits=None):
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_adapter(payload, 3, limits or Limits())


def test_a_typical_message():
    [sample], rejects = read(TYPICAL)
    assert sample.series == Series.of("cpu_usage_percent", {"instance": "a"})
    assert (sample.ts, sample.value, sample.flags) == (1760000000 * 10**9, 93.0, 0)
    assert rejects == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.25", 0.25),
        ("-1e-7", -1e-7),
        ("1.5E+3", 1500.0),
        ("+Inf", math.inf),
        ("Inf", math.inf),
        ("-Inf", -math.inf),
    ],
)
def test_values(text, value):
    assert read({**TYPICAL, "value": text})[0][0].value == value


def test_nan_is_a_value():
    assert math.isnan(read({**TYPICAL, "value": "NaN"})[0][0].value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "1_000",
            "0x10",
            "infinity",
            "nan",
            " 1",
            "1\n",
            "+1",
            ".5",
            "1.",
            "01",
            "1e999",
            "٣",
        ),
        *(93, None, True, ["1"]),
    ],
)
def test_other_values_are_rejected(value):
    samples, [reject] = read([{**TYPICAL, "value": value}, TYPICAL])
    assert len(samples) == 1
    assert (reject.message, reject.reason) == (3, "bad_value")
    assert json.loads(reject.row)["value"] == value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": "yesterday"}, "bad_timestamp"),
        ({"timestamp": 1760000000}, "bad_timestamp"),
        ({"timestamp": None}, "bad_timestamp"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "bad_timestamp"),
        ({"name": ""}, "schema_error"),
        ({"name": 1}, "schema_error"),
        ({"labels": []}, "schema_error"),
        ({"labels": {"a": 1}}, "schema_error"),
        ({"labels": {"": "b"}}, "schema_error"),
        ({"labels": {"a": "x" * 2000}}, "limit"),
    ],
)
def test_bad_rows(change, reason):
    samples, [reject] = read({**TYPICAL, **change})
    assert (samples, reject.reason) == ([], reason)
    assert json.loads(reject.row)


def test_rows_that_are_no_objects_are_rejected_alone():
    samples, rejects = read([TYPICAL, 1, None, TYPICAL])
    assert len(samples) == 2
    assert [reject.row for reject in rejects] == [b"1", b"null"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "decode_error"),
        (b"{", "decode_error"),
        (b'{"a":"\xff"}', "decode_error"),
        (b"[" * 100_000, "decode_error"),
        (b"93", "schema_error"),
        (b"null", "schema_error"),
        (b" " * (1 << 20) + b"{}", "too_large"),
    ],
)
def test_messages_that_are_rejected_whole(payload, reason):
    samples, [reject] = read(payload)
    assert (samples, reject.reason, reject.row) == ([], reason, None)


@settings(max_examples=100)
@given(st.data())
def test_no_bytes_raise(data):
    payload = bytearray(json.dumps([TYPICAL]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    samples, rejects = read(bytes(payload))
    assert len(samples) + len(rejects) <= 1
