"""Output records: times, numbers and ids in their contract's form."""

import base64
import math
from datetime import UTC, datetime

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events import (
    AlertEvent,
    DeadLetter,
    Reason,
    RuleReference,
    ScoreEvent,
    event_id,
    json_schemas,
    native_row,
    number,
    rfc3339,
)
from engine.series.identity import Series

TIMES = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(TIMES | st.integers(0, 4 * 10**9).map(lambda seconds: seconds * 10**9))
def test_times_are_rfc_3339_to_the_nanosecond(ts):
    text = rfc3339(ts)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    nanoseconds = int(fraction.ljust(9, "0")) if fraction else 0
    assert round(moment.timestamp()) * 10**9 + nanoseconds == ts
    assert not fraction.endswith("0")


def test_times_read_well():
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_760_000_000_500_000_000) == "2025-10-09T08:53:20.5Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999999Z"


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.5, 1.5), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (-0.0, -0.0)],
)
def test_numbers_that_json_has_no_form_for_are_text(value, said):
    assert number(value) == said


def test_an_id_says_all_parts_and_keeps_them_apart():
    assert event_id("alert", 1, "a") == event_id("alert", "1", "a")
    ids = {event_id(*parts) for parts in [("a", "b"), ("b", "a"), ("ab",), ("a", "b", ""), ()]}
    assert len(ids) == 5
    # Records that were said by an earlier version must keep their id.
    assert event_id("alert", "x", 1) == "4cd90cd2b7fd6a01978b7e7ea374c294"


def letter(value, **changes):
    given = {"source": "metrics", "partition": 2, "offset": 7, "reason": Reason.LATE}
    return DeadLetter(**given | {"detail": "d" * 900, "key": None, "ts": 0} | changes, value=value)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=40))
def test_a_dead_letter_carries_any_bytes(value):
    event = letter(value).event()
    text = msgspec.json.decode(msgspec.json.encode(event), type=type(event))
    back = base64.b64decode(text.value) if text.encoding == "base64" else text.value.encode()
    assert back == value
    assert (text.source, text.partition, text.offset, text.reason) == ("metrics", 2, 7, "late")
    assert len(text.detail) == 500


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 2**62), st.floats())
def test_a_row_is_written_as_a_native_message(ts, value):
    series = Series.of("cpu", {"host": 'w"1'})
    message = msgspec.json.decode(native_row(series, ts, value))
    assert (message["name"], message["labels"]) == ("cpu", {"host": 'w"1'})
    back = float(str(message["value"]).replace("Inf", "inf"))
    assert back == value or (math.isnan(back) and math.isnan(value))
    if isinstance(message["ts"], int):
        assert message["ts"] * 10**6 == ts
    else:
        assert message["ts"] == rfc3339(ts)


def alert(**changes):
    given = {
        "id": "0" * 32, "fingerprint": "f" * 16, "status": "firing", "labels": {"alertname": "A"},
        "annotations": {}, "startsAt": rfc3339(0), "endsAt": rfc3339(1), "generatorURL": "",
        "activeAt": rfc3339(0), "evaluatedAt": rfc3339(0), "value": 1.0,
        "rule": RuleReference("r.yaml", "g", "A"), "seq": 0, "reason": "because",
    }  # fmt: skip
    return AlertEvent(**given | changes)


def score():
    return ScoreEvent(
        ts=rfc3339(0), name="m", labels={}, value="NaN", onset=0.5, state=0.0, expected=1.0,
        lower=0.0, upper="+Inf", detector="default",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("output", "record"),
    [("alerts", alert()), ("alerts", alert(value="NaN", partial_window=True)),
     ("scores", score()), ("dead_letters", letter(b"\xff").event())],
)  # fmt: skip
def test_records_are_what_their_schema_says(output, record):
    jsonschema.validate(msgspec.json.decode(msgspec.json.encode(record)), json_schemas()[output])


def test_a_whole_window_goes_without_saying():
    assert b"partial_window" not in msgspec.json.encode(alert())
    assert b'"partial_window":true' in msgspec.json.encode(alert(partial_window=True))


def test_the_reasons_are_the_contracts():
    assert set(Reason) == {
        "decode_error", "schema_error", "bad_timestamp", "bad_value", "too_large", "late",
        "unsupported", "limit", "orphan_label", "dimension_mismatch", "model_error",
    }  # fmt: skip
