"""Native messages of predictions and labels: what is read, and what becomes a dead letter.

Aim: the quick reader says the same as the slow one, and nothing that arrives is an exception.
Method: random rows of usual and odd form, and random bytes.
"""

import json
from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import JSON, ODD_ROWS, ROWS, TS_MS, encoded, naive_features, rows_of

from engine.codecs.prediction_codec import PredictionCodec, read_rows
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import documents_of, time_of
from engine.codecs.prediction_json import read_native, read_native_strict
from engine.codecs.samples import Limits, RejectedError
from engine.codecs.timestamps import MILLISECOND_NS

LIMITS = Limits(max_message_bytes=10_000)
TS = TS_MS * MILLISECOND_NS
PREDICTION = {
    "ts": TS_MS,
    "model": "credit",
    "version": "7",
    "prediction_id": "a1",
    "features": {"age": 41, "region": "EU"},
    "prediction": 1,
    "score": 0.83,
    "tags": {"env": "prod"},
}
LABEL = {"ts": TS_MS + 5, "model": "credit", "prediction_id": "a1", "label": 0}


def codec():
    return PredictionCodec(partial(read_native, limits=LIMITS), PredictionTables())


def read(*messages):
    return codec().decode([json.dumps(message).encode() for message in messages])


def test_a_prediction_and_its_late_label():
    batch = read(PREDICTION, LABEL)
    (table,) = batch.tables
    assert rows_of([table]) == [("credit", "7", 0, TS, "a1", {"age": 41, "region": "EU"})]
    assert table.prediction.values.tolist() == [1]
    assert table.score.tolist() == [0.83]
    assert table.tags["env"].names == ("prod",)
    (labels,) = batch.labels
    assert labels.ids == ["a1"]
    assert labels.key == table.key
    assert labels.ts.tolist() == [TS + 5 * MILLISECOND_NS]
    assert labels.label.values.tolist() == [0]
    assert labels.message.tolist() == [1]
    assert batch.rejects == []


@pytest.mark.parametrize("joiner", [b"\n", b"\r\n\n", b",", b" , "])
def test_a_message_may_hold_many_rows(joiner):
    text = joiner.join([encoded(PREDICTION), encoded(LABEL)])
    batch = codec().decode([b"[" + text + b"]" if b"," in joiner else text])
    assert [len(table) for table in (*batch.tables, *batch.labels)] == [1, 1]
    assert batch.rejects == []


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        ("2025-10-09T08:53:20Z", TS),
        ("2025-10-09T10:53:20.5+02:00", TS + 500 * MILLISECOND_NS),
        (TS_MS + 0.25, TS + 250_000),
        (0, 0),
    ],
)
def test_times(ts, expected):
    (table,) = read(PREDICTION | {"ts": ts}).tables
    assert table.ts.tolist() == [expected]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1.5, "s", 1_500_000_000),
        (3, "us", 3000),
        (7, "ns", 7),
        (7.9, "ns", 7),
        (1e18, "ns", 10**18),
        (1.5e-5, "s", 15_000),
    ],
)
def test_times_have_units(value, unit, expected):
    assert time_of(value, "ts", unit) == expected


@pytest.mark.parametrize(
    "value", [-1, 2**63, 1e300, float("inf"), float("nan"), True, None, "now", {}]
)
def test_what_is_no_time(value):
    with pytest.raises(RejectedError, match="not a time") as raised:
        time_of(value, "ts", "ns")
    assert raised.value.reason == "bad_timestamp"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ts": "yesterday"}, "bad_timestamp"),
        ({"ts": None}, "bad_timestamp"),
        ({"ts": -1}, "bad_timestamp"),
        ({"ts": 10**17}, "bad_timestamp"),
        ({"model": None}, "schema_error"),
        ({"model": ""}, "schema_error"),
        ({"model": 1.5}, "schema_error"),
        ({"prediction_id": []}, "schema_error"),
        ({"features": [1]}, "schema_error"),
        ({"tags": "prod"}, "schema_error"),
        ({"label_ts": "soon", "label": 1}, "bad_timestamp"),
        ({"version": True}, "schema_error"),
    ],
)
def test_a_bad_row_is_a_dead_letter_and_the_others_stay(change, reason):
    batch = read([PREDICTION | change, PREDICTION])
    (reject,) = batch.rejects
    assert reject.reason == reason
    assert json.loads(reject.row) == PREDICTION | change
    assert len(batch.tables[0]) == 1


@pytest.mark.parametrize("row", [{}, 5, None, [PREDICTION], LABEL | {"prediction_id": None}])
def test_a_row_that_says_nothing_is_a_dead_letter(row):
    batch = read([LABEL, row])
    assert [reject.reason for reject in batch.rejects] == ["schema_error"]
    assert len(batch.labels[0]) == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "decode_error"),
        (b"{", "decode_error"),
        (b"\xff", "decode_error"),
        (b'{"model":"\xff"}', "decode_error"),
        (b"[" * 5000, "decode_error"),
        (b" " * 10_001, "too_large"),
        (b'{"ts": 1e999, "a": NaN}', "decode_error"),
        (b'{"ts": 1e999, "a": "\\ud800"}', "decode_error"),
    ],
)
def test_a_bad_message_is_a_dead_letter_as_a_whole(payload, reason):
    batch = codec().decode([payload, encoded(PREDICTION)])
    assert [(r.message, r.reason, r.row) for r in batch.rejects] == [(0, reason, None)]
    assert len(batch.tables[0]) == 1


def test_names_may_be_numbers_and_all_but_few_may_be_missing():
    row = {"ts": TS_MS, "model": 3, "version": 7, "prediction_id": 12, "score": 0.5}
    (table,) = read(row, {"ts": TS_MS, "model": "3", "prediction": 1}).tables[:1]
    assert (table.model, table.version, table.ids) == ("3", "7", ["12"])


def test_numbers_beyond_float64_cost_themselves_alone():
    text = b'{"ts": 1, "model": "m", "features": {"a": 1e999, "b": %b, "c": 2}}' % (b"9" * 5000)
    batch = codec().decode([text])
    assert rows_of(batch.tables)[0][5] == {"c": 2}
    assert batch.refused == {("m", "a", "bad_value"): 1, ("m", "b", "bad_value"): 1}


def test_a_large_batch_gives_tables_in_order():
    rows = [PREDICTION | {"prediction_id": f"{n:0200}"} for n in range(3000)]
    batch = read(*rows)
    assert len(batch.tables) > 1
    ids = [identity for table in batch.tables for identity in table.ids]
    assert ids == [row["prediction_id"] for row in rows]
    messages = [message for table in batch.tables for message in table.message.tolist()]
    assert messages == list(range(3000))


def _plain(rows):
    return msgspec.to_builtins([*rows[:2], [(r.reason, r.row) for r in rows[2]]])


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS | ODD_ROWS, max_size=4), st.booleans())
def test_the_quick_reader_equals_the_slow_one(rows, single):
    payload = encoded(rows[0] if single and rows else rows)
    quick, slow = read_native(payload, 3, LIMITS), read_native_strict(payload, 3, LIMITS)
    assert _plain(quick) == _plain(slow)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, max_size=6))
def test_columns_equal_a_naive_reading(rows):
    for row in rows:
        row["features"] = {
            name: value[:200] if isinstance(value, str) else value
            for name, value in row.get("features", {}).items()
        }
        row["score"] = 0.5  # so that all are predictions
    batch = codec().decode([encoded(rows)])
    found = sorted(rows_of(batch.tables), key=repr)
    expected = [
        (
            row["model"],
            row.get("version", ""),
            0,
            row["ts"] * MILLISECOND_NS,
            row["prediction_id"],
            features,
        )
        for row, features in zip(rows, naive_features(rows), strict=True)
    ]
    assert found == sorted(expected, key=repr)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            JSON.map(encoded),
            st.lists(ROWS | ODD_ROWS | JSON, max_size=4).map(encoded),
            st.tuples(ROWS.map(encoded), st.integers(0, 80), st.binary(max_size=2)).map(
                lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + len(cut[2]) :]
            ),
        ),
        max_size=4,
    )
)
def test_whatever_arrives_is_read_or_rejected(payloads):
    batch = codec().decode(payloads)
    for index, payload in enumerate(payloads):
        rows, labels, rejects = read_rows(partial(read_native, limits=LIMITS), [payload], index)
        found = [t for t in (*batch.tables, *batch.labels) if index in t.message]
        assert bool(rows) <= bool(found)
        assert rejects or rows or labels or documents_of(payload, LIMITS) == []
