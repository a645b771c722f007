"""Recordings of predictions become the same tables as live messages."""

import datetime as dt
import json
import math
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import NAMES, TS_MS, encoded, rows_of

from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_frames import FrameColumnsError, batches_of
from engine.codecs.prediction_json import read_native
from engine.codecs.predictions import PredictionLimits
from engine.codecs.samples import Limits
from engine.codecs.timestamps import MILLISECOND_NS

TS = TS_MS * MILLISECOND_NS


def frame_of(**columns):
    return pl.DataFrame({"ts": [TS, TS + 1], "model": ["m", "m"], **columns})


def tables_of(frame, **options):
    return [t for batch in batches_of(frame, PredictionTables(), **options) for t in batch.tables]


def test_columns_of_every_type_become_features():
    frame = frame_of(
        **{
            "version": [7, None],
            "prediction_id": ["a", "b"],
            "prediction": [0.5, None],
            "score": [0.1, None],
            "label": [1.0, None],
            "label_ts": [TS + 9, None],
            "tag.env": ["prod", None],
            "feature.age": [41, None],
            "feature.ok": [True, False],
            "feature.zone": pl.Series(["EU", "US"], dtype=pl.Categorical),
            "feature.vector": [[1.0, 2.0], None],
            "feature.array": pl.Series([[1.0, 2.0], [3.0, 4.0]], dtype=pl.Array(pl.Float32, 2)),
            "feature.day": [dt.date(2026, 1, 2), None],
            "feature.price": pl.Series(["1.5", None]).cast(pl.Decimal(10, 2)),
            "other": [1, 2],
        }
    )
    first, second = tables_of(frame)
    assert rows_of([first, second]) == [
        (
            "m",
            "7",
            0,
            TS,
            "a",
            {
                "age": 41,
                "ok": True,
                "zone": "EU",
                "vector": [1, 2],
                "array": [1, 2],
                "day": "2026-01-02",
                "price": 1.5,
            },
        ),
        ("m", "", 1, TS + 1, "b", {"ok": False, "zone": "US", "array": [3, 4]}),
    ]
    assert (first.label.values.tolist(), first.label_ts.tolist()) == ([1], [TS + 9])
    assert first.inline_labels().ids == ["a"]
    assert first.tags["env"].names == ("prod",)
    assert len(second.inline_labels()) == 0


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_times_are_of_any_unit_and_zone(unit, zone):
    moment = dt.datetime(2025, 10, 9, 8, 53, 20, tzinfo=dt.UTC)
    column = pl.Series([moment, moment]).dt.cast_time_unit(unit)
    column = column.dt.convert_time_zone(zone) if zone else column.dt.replace_time_zone(None)
    (table,) = tables_of(frame_of(**{"ts": column, "feature.a": [1, 2]}))
    assert table.ts.tolist() == [TS, TS]


def test_rows_of_only_a_label_are_late_labels():
    frame = frame_of(prediction_id=["a", "b"], label=["x", "y"], label_ts=[None, TS + 5])
    (batch,) = batches_of(frame, PredictionTables())
    (labels,) = batch.labels
    assert (labels.ids, labels.ts.tolist()) == (["a", "b"], [TS, TS + 5])
    assert labels.label.names == ("x", "y")
    assert batch.tables == []


def test_bad_rows_are_dead_letters_with_their_number():
    frame = pl.DataFrame(
        {
            "ts": [TS, None, -5, TS, TS],
            "model": ["m", "m", "m", None, "m"],
            "feature.a": [1, 1, 1, 1, None],
        }
    )
    batches = list(batches_of(frame, PredictionTables(), rows=2))
    rejects = [(r.message, r.reason) for batch in batches for r in batch.rejects]
    assert rejects == [
        (1, "bad_timestamp"),
        (2, "bad_timestamp"),
        (3, "schema_error"),
        (4, "schema_error"),
    ]


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (pl.DataFrame({"model": ["m"]}), "ts"),
        (pl.DataFrame({"ts": [1]}), "model"),
        (frame_of(ts=["now", "then"]), "ts is String"),
        (frame_of(label_ts=[0.5, 1.5]), "label_ts is Float64"),
        (frame_of(**{"feature.s": [{"a": 1}, {"a": 2}]}), "feature.s is Struct"),
    ],
)
def test_other_columns_are_refused_by_name(frame, named):
    with pytest.raises(FrameColumnsError, match=named):
        list(batches_of(frame, PredictionTables()))


def test_a_time_beyond_64_bits_with_sign_is_a_bad_one():
    frame = frame_of(ts=pl.Series([2**63, TS], dtype=pl.UInt64), score=[0.5, 0.5])
    (batch,) = batches_of(frame, PredictionTables())
    assert [(r.message, r.reason) for r in batch.rejects] == [(0, "bad_timestamp")]


def test_an_empty_frame_gives_nothing():
    assert tables_of(frame_of().clear()) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "version": st.sampled_from(["1", "2"]),
                "features": st.fixed_dictionaries(
                    {},
                    optional={
                        "a": st.floats(-5, 5),
                        "b": NAMES,
                        "c": st.booleans(),
                        "d": st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=2),
                    },
                ),
                "score": st.floats(0, 1),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_recording_equals_the_messages(rows):
    for number, row in enumerate(rows):
        row |= {"ts": TS_MS + number, "model": "m", "prediction_id": f"{number}"}
    kinds = {"a": pl.Float64, "b": pl.String, "c": pl.Boolean, "d": pl.List(pl.Float64)}
    frame = pl.DataFrame(
        {
            "ts": [row["ts"] * MILLISECOND_NS for row in rows],
            "model": ["m"] * len(rows),
            **{key: [row[key] for row in rows] for key in ("version", "prediction_id", "score")},
        }
        | {
            f"feature.{name}": pl.Series([row["features"].get(name) for row in rows], dtype=kind)
            for name, kind in kinds.items()
        }
    )
    codec = PredictionCodec(partial(read_native, limits=Limits()), PredictionTables())
    live = codec.decode([encoded(row) for row in rows])
    recorded = tables_of(frame)
    assert rows_of(recorded) == rows_of(live.tables)
    for one, other in zip(recorded, live.tables, strict=True):
        np.testing.assert_array_equal(one.key, other.key)
        np.testing.assert_array_equal(one.score, other.score)
        assert json.dumps(one.ids) == json.dumps(other.ids)


COLUMNS = {
    "a": st.none() | st.floats(-5, 5) | st.sampled_from([math.nan, math.inf]),
    "b": st.none() | NAMES | st.sampled_from(["NaN", "x" * 300]),
    "c": st.none() | st.booleans(),
    "e": st.none() | st.integers(-5, 5),
}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "model": st.sampled_from(["m", "n", "n" * 20]),
                "version": st.sampled_from(["1", "2"]),
                "label": st.none() | st.integers(0, 1),
                **COLUMNS,
            }
        ),
        max_size=9,
    ),
    st.integers(1, 9),
    st.sampled_from([2, 9]),
)
def test_columns_of_one_type_are_read_as_rows_are(rows, piece, features):
    kinds = {"a": pl.Float64, "b": pl.String, "c": pl.Boolean, "e": pl.Int8}
    limits = PredictionLimits(features=features, message=Limits(max_label_bytes=10))
    frame = pl.DataFrame(
        {
            "ts": pl.Series(range(len(rows)), dtype=pl.Int64),
            "model": pl.Series([row["model"] for row in rows], dtype=pl.String),
            "version": pl.Series([row["version"] for row in rows], dtype=pl.String),
            "prediction_id": pl.Series(map(str, range(len(rows))), dtype=pl.String),
            "label": pl.Series([row["label"] for row in rows], dtype=pl.Int64),
        }
        | {
            f"feature.{name}": pl.Series([row[name] for row in rows], dtype=kind)
            for name, kind in list(kinds.items())[:features]
        }
    )
    # A column of arrays, even without any, makes all features be read by row.
    by_row = frame.with_columns(pl.lit(None, pl.List(pl.Float64)).alias("feature.z"))
    tables = [PredictionTables(limits), PredictionTables(limits)]
    quick, slow = (
        list(batches_of(some, known, piece))
        for some, known in zip((frame, by_row), tables, strict=True)
    )
    for one, other in zip(quick, slow, strict=True):
        assert rows_of(one.tables) == rows_of(other.tables)
        assert (one.rejects, one.refused) == (other.rejects, other.refused)
        assert [t.schema for t in one.tables] == [t.schema for t in other.tables]
    assert tables[0].state() == tables[1].state()
