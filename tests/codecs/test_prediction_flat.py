"""Flat rows: which key is what is a matter of roles, and the rest is as with native rows."""

import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import JSON, TS_MS, VALUES, encoded, rows_of

from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_flat import FlatRoles, read_flat
from engine.codecs.samples import Limits
from engine.codecs.timestamps import MILLISECOND_NS

TS = TS_MS * MILLISECOND_NS
ROW = {
    "prediction_id": "a1",
    "prediction_timestamp": TS_MS,
    "model": "credit",
    "model_version": 7,
    "age": 41,
    "region": "EU",
    "prediction": 1,
    "score": 0.83,
}


def decode(*documents, roles=None):
    roles = roles or FlatRoles()
    codec = PredictionCodec(partial(read_flat, limits=Limits(), roles=roles), PredictionTables())
    return codec.decode([encoded(document) for document in documents])


def test_keys_without_a_role_are_features():
    batch = decode(ROW)
    expected = ("credit", "7", 0, TS, "a1", {"age": 41, "region": "EU"})
    assert rows_of(batch.tables) == [expected]
    (table,) = batch.tables
    assert (table.prediction.values.tolist(), table.score.tolist()) == ([1], [0.83])


def test_roles_are_named():
    roles = FlatRoles(
        prediction_id="uuid",
        timestamp="at",
        timestamp_unit="s",
        model_name="m",
        version_name="2",
        prediction="y_pred",
        score="p",
        actual="y",
        tags=("env",),
        ignored=("note",),
    )
    row = {"uuid": 5, "at": 1.5, "y_pred": "a", "p": 1, "y": "b", "env": "x", "note": "z", "f": 3}
    (table,) = decode(row, roles=roles).tables
    assert rows_of([table]) == [("m", "2", 0, 1_500_000_000, "5", {"f": 3})]
    assert table.tags["env"].names == ("x",)
    assert [table.label.names[code] for code in table.label.values] == ["b"]
    assert table.label_ts.tolist() == table.ts.tolist()


def test_features_may_be_named_too():
    roles = FlatRoles(features=("age", "income"))
    assert rows_of(decode(ROW, roles=roles).tables)[0][5] == {"age": 41}


@pytest.mark.parametrize(
    ("given_at", "expected"),
    [
        ({"prediction_timestamp": TS_MS}, TS),
        ({"prediction_timestamp": TS_MS, "actual_timestamp": TS_MS + 1}, TS + MILLISECOND_NS),
        ({"actual_timestamp": "2025-10-09T08:53:20Z"}, TS),
    ],
)
def test_a_row_of_only_an_actual_value_is_a_late_label(given_at, expected):
    batch = decode({"prediction_id": "a1", "model": "credit", "actual": 0, **given_at})
    (labels,) = batch.labels
    assert batch.tables == []
    assert (labels.ids, labels.ts.tolist(), labels.label.values.tolist()) == (
        ["a1"],
        [expected],
        [0],
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": None}, "schema_error"),
        ({"model": []}, "schema_error"),
        ({"prediction_id": 0.5}, "schema_error"),
        ({"prediction_timestamp": None}, "bad_timestamp"),
        ({"actual_timestamp": "soon"}, "bad_timestamp"),
    ],
)
def test_a_bad_row_is_a_dead_letter(change, reason):
    (reject,) = decode([ROW | change, ROW]).rejects
    assert reject.reason == reason
    assert json.loads(reject.row) == ROW | change


def test_a_row_that_says_nothing_is_a_dead_letter():
    batch = decode({"model": "m", "prediction_timestamp": 1}, {"model": "m", "actual": 1})
    assert [reject.reason for reject in batch.rejects] == ["schema_error"] * 2


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            JSON,
            st.dictionaries(st.sampled_from([*ROW, "actual", "actual_timestamp"]), VALUES),
            st.dictionaries(st.sampled_from([*ROW, "actual"]), VALUES).map(lambda row: ROW | row),
        ),
        max_size=3,
    )
)
def test_whatever_arrives_is_read_or_rejected(documents):
    batch = decode(*documents)
    for index, document in enumerate(documents):
        tables = [t for t in (*batch.tables, *batch.labels) if index in t.message]
        assert tables or document == [] or any(r.message == index for r in batch.rejects)
