"""BentoML's monitoring lines: roles and types come in a line of their own."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import JSON, VALUES, encoded, rows_of

from engine.codecs.prediction_bentoml import BentoMLCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import PredictionLimits
from engine.codecs.samples import RejectedError

SCHEMA = {
    "meta_data": {"bento_name": "iris_classifier", "bento_version": "v3"},
    "columns": [
        {"name": "sepal length", "role": "feature", "type": "numerical"},
        {"name": "zone", "role": "feature", "type": "categorical"},
        {"name": "vector", "role": "feature", "type": "numerical_sequence"},
        {"name": "pred", "role": "prediction", "type": "categorical"},
        {"name": "p", "role": "prediction", "type": "numerical"},
        {"name": "truth", "role": "target", "type": "categorical"},
    ],
}
DATA = {
    "sepal length": 5.1,
    "zone": 12,
    "vector": [1, 2],
    "pred": "setosa",
    "p": 0.9,
    "timestamp": "2025-10-09T08:53:20.250000",
    "request_id": "17",
    "trace_id": "3",
}
TS = 1_760_000_000_250_000_000


def test_data_is_read_as_the_schema_line_says():
    codec = BentoMLCodec(PredictionTables(), score="p")
    batch = codec.decode([encoded(SCHEMA) + b"\n" + encoded(DATA), encoded(DATA | {"truth": "x"})])
    (table,) = batch.tables
    features = {"sepal length": 5.1, "zone": "12", "vector": [1.0, 2.0]}
    expected = [("iris_classifier", "v3", message, TS, "17", features) for message in (0, 1)]
    assert rows_of([table]) == expected
    assert table.prediction.names[:1] == ("setosa",)
    assert table.score.tolist() == [0.9, 0.9]
    assert [table.label.names[code] for code in table.label.values[1:]] == ["x"]
    assert batch.rejects == []


def test_a_second_prediction_is_a_feature_unless_it_is_the_score():
    codec = BentoMLCodec(PredictionTables(), model="m", schema=SCHEMA)
    (table,) = codec.decode([encoded(DATA)]).tables
    assert table.model == "m"
    assert table.features["p"].values.tolist() == [0.9]


def test_data_before_the_schema_line_is_a_dead_letter():
    codec = BentoMLCodec(PredictionTables())
    batch = codec.decode([encoded(DATA), encoded(SCHEMA), encoded(DATA)])
    assert [(r.message, r.reason) for r in batch.rejects] == [(0, "schema_error")]
    assert "no schema line" in batch.rejects[0].detail
    assert len(batch.tables[0]) == 1


def test_the_schema_line_is_kept_with_the_state():
    first = BentoMLCodec(PredictionTables())
    first.decode([encoded(SCHEMA)])
    second = BentoMLCodec(PredictionTables())
    second.restore(json.loads(json.dumps(first.state())))
    assert second.decode([encoded(DATA)]).rejects == []
    third = BentoMLCodec(PredictionTables())
    third.restore(BentoMLCodec(PredictionTables()).state())
    assert len(third.decode([encoded(DATA)]).rejects) == 1


@pytest.mark.parametrize(
    ("timestamp", "ts"),
    [
        ("2025-10-09T08:53:20Z", TS - 250_000_000),
        ("2025-10-09T08:53:20", TS - 250_000_000),
        ("2025-10-09T10:53:20.25+02:00", TS),
        ("2025-10-09T06:53:20.25-02:00", TS),
    ],
)
def test_a_time_without_zone_is_utc(timestamp, ts):
    codec = BentoMLCodec(PredictionTables(), schema=SCHEMA)
    assert codec.decode([encoded(DATA | {"timestamp": timestamp})]).tables[0].ts.tolist() == [ts]


@pytest.mark.parametrize(
    "line",
    [
        SCHEMA | {"meta_data": {}},
        SCHEMA | {"columns": [5]},
        SCHEMA | {"columns": [{"role": "feature"}]},
        SCHEMA | {"columns": [{"name": "a", "role": 5}]},
        SCHEMA | {"meta_data": {"bento_name": ""}},
    ],
)
def test_a_bad_schema_line_is_a_dead_letter_and_refused_in_a_configuration(line):
    codec = BentoMLCodec(PredictionTables())
    assert [r.reason for r in codec.decode([encoded(line)]).rejects] == ["schema_error"]
    with pytest.raises(RejectedError):
        BentoMLCodec(PredictionTables(), schema=line)


def test_rows_outside_of_a_call_have_no_id():
    codec = BentoMLCodec(PredictionTables(), schema=SCHEMA)
    (table,) = codec.decode([encoded(DATA | {"request_id": "None"})]).tables
    assert table.ids == [""]
    assert table.key.tolist() == [0]


def test_a_schema_line_of_too_many_columns_is_refused():
    codec = BentoMLCodec(PredictionTables(PredictionLimits(features=5)))
    assert [r.reason for r in codec.decode([encoded(SCHEMA)]).rejects] == ["limit"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            JSON,
            st.just(SCHEMA),
            st.dictionaries(st.sampled_from(["columns", "meta_data"]), JSON),
            st.lists(JSON, max_size=3).map(lambda columns: SCHEMA | {"columns": columns}),
            st.dictionaries(st.sampled_from([*DATA]), VALUES).map(lambda row: DATA | row),
        ),
        max_size=4,
    )
)
def test_whatever_arrives_is_read_or_rejected(documents):
    batch = BentoMLCodec(PredictionTables(), score="p").decode(
        [encoded(document) for document in documents]
    )
    for index, document in enumerate(documents):
        told = any(index in t.message for t in batch.tables) or any(
            r.message == index for r in batch.rejects
        )
        assert told or document == [] or "columns" in str(document)
