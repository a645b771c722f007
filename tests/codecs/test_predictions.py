"""Rows of predictions to tables: kinds are learned, what does not fit is refused alone.

Aim: a value that can't be used costs itself and nothing else, and a schema depends on the rows, not
on how they are put into batches. Method: examples by rule, and a naive reading of random rows.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import NAMES, ROWS, key_of, naive_features, rows_of

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_documents import bounded
from engine.codecs.predictions import (
    OTHER,
    Kind,
    LabelRow,
    PredictionLimits,
    PredictionRow,
    keys_of,
)
from engine.codecs.samples import REJECTS_MAX, Limits

SMALL = PredictionLimits(
    message=Limits(max_label_bytes=16),
    models=2,
    features=3,
    tags=2,
    categories=2,
    dimensions=3,
    category_characters=20,
    text_characters=5,
    text_distinct=1,
    refused_values=2,
)


def rows(*features, **fields):
    return [
        PredictionRow(index, 1000 + index, "m", "1", f"id{index}", some, **fields)
        for index, some in enumerate(features)
    ]


def columns_of(*values, limits=None, declared=None):
    tables = PredictionTables(limits, {"m": {"f": declared}} if declared else None)
    batch = tables.build((rows(*({"f": value} for value in values)), [], []))
    return batch.tables[0].features.get("f"), batch, tables.schemas["m"]


def test_a_feature_is_what_its_first_value_is():
    features = {
        "number": 1.5,
        "whole": 3,
        "truth": True,
        "name": "EU",
        "vector": [1, 2.5],
    }
    batch = PredictionTables().build((rows({}, features, dict.fromkeys(features)), [], []))
    (table,) = batch.tables
    assert {name: column.kind for name, column in table.features.items()} == {
        "number": "numeric",
        "whole": "numeric",
        "truth": "boolean",
        "name": "categorical",
        "vector": "embedding",
    }
    np.testing.assert_array_equal(table.features["number"].values, [np.nan, 1.5, np.nan])
    assert table.features["truth"].values.tolist() == [-1, 1, -1]
    assert table.features["name"].values.tolist() == [-1, 0, -1]
    assert table.features["name"].names == ("EU",)
    assert table.features["vector"].rows.tolist() == [1]
    assert table.features["vector"].values.dtype == np.float32
    dense = table.features["vector"].vectors(3)
    np.testing.assert_array_equal(dense, [[np.nan] * 2, [1, 2.5], [np.nan] * 2])
    assert batch.rejects == []


@pytest.mark.parametrize(
    ("first", "others", "reason"),
    [
        (1.5, ["a", True, [1]], "schema_error"),
        (1, [10**400, float("inf")], "bad_value"),
        (True, [1, "true"], "schema_error"),
        ("a", [1, True, ["b"]], "schema_error"),
        ([1, 2], [1, "a", ["a", "b"], [1, None], []], "schema_error"),
        ([1, 2], [[1], [1, 2, 3]], "dimension_mismatch"),
        ([1, 2], [[1, 10**400], [1e300, 0]], "bad_value"),
    ],
)
def test_a_value_of_another_kind_is_null_and_counted_and_the_row_goes_on(first, others, reason):
    column, batch, schema = columns_of(first, *others, first)
    assert len(batch.tables[0]) == len(others) + 2
    assert batch.refused == {("m", "f", reason): len(others)}
    assert [reject.reason for reject in batch.rejects] == [reason] * len(others)
    assert [reject.message for reject in batch.rejects] == list(range(1, len(others) + 1))
    letter = json.loads(batch.rejects[0].row)
    assert (letter["model"], letter["prediction_id"], letter["feature"]) == ("m", "id1", "f")
    held = column.rows.tolist() if column.kind == "embedding" else None
    assert held in (None, [0, len(others) + 1])
    assert schema.version == 1


def test_a_dead_letter_names_both_dimensions():
    _, batch, _ = columns_of([1, 2], [1, 2, 3])
    assert "3 dimensions where there were 2" in batch.rejects[0].detail


def test_what_can_be_no_feature_does_not_decide_the_kind():
    column, batch, schema = columns_of(None, "NaN", {}, [], ["a"], float("nan"), 7)
    assert column.kind == "numeric"
    assert batch.refused == {("m", "f", "schema_error"): 3}
    assert schema.version == 1


def test_nan_as_text_is_null():
    numeric, *_ = columns_of(1.0, "NaN", "nan")
    np.testing.assert_array_equal(numeric.values, [1, np.nan, np.nan])
    categorical, batch, _ = columns_of("a", "NaN")
    assert (categorical.values.tolist(), categorical.names) == ([0, -1], ("a",))
    assert not batch.refused


def test_a_row_with_new_features_makes_a_new_version_of_the_schema():
    tables = PredictionTables()
    versions = []
    for features in ({"a": 1, "b": 2}, {"a": 1}, {"c": None}, {"c": "x", "d": 1}, {"c": 5}):
        batch = tables.build((rows(features), [], []))
        versions.append(batch.tables[0].schema)
    assert versions == [1, 1, 1, 2, 2]
    assert list(tables.schemas["m"].features) == ["a", "b", "c", "d"]


def test_categories_beyond_the_bound_share_one_code():
    column, batch, schema = columns_of("a", "b", "c", "a", "d", limits=SMALL)
    assert column.values.tolist() == [0, 1, 2, 0, 2]
    assert column.names == ("a", "b", OTHER)
    assert not batch.refused
    assert schema.features["f"].codes.size == 2


def test_codes_stay_over_batches():
    tables = PredictionTables()
    for values, codes in ((["b", "a"], [0, 1]), (["c", "a"], [2, 1])):
        batch = tables.build((rows(*({"f": value} for value in values)), [], []))
        assert batch.tables[0].features["f"].values.tolist() == codes


@pytest.mark.parametrize(
    "values",
    [
        ["short", "long text", "other text"],  # two distinct ones are longer than 5 characters
        ["short", "x" * 21],  # no category is so long
    ],
)
def test_many_long_strings_are_text_of_which_the_length_is_kept(values):
    limits = replace(SMALL, categories=9)
    column, batch, schema = columns_of(*values, None, limits=limits)
    assert column.kind == "text"
    np.testing.assert_array_equal(column.values, [*map(len, values), np.nan])
    assert schema.features["f"].codes.size == 0
    assert schema.version == 2
    assert not batch.refused


def test_one_long_string_again_and_again_is_a_category():
    column, *_ = columns_of("long text", "long text", "long text", limits=SMALL)
    assert column.kind == "categorical"


def test_declared_kinds_are_kept():
    column, batch, schema = columns_of(12, 7.0, True, "x", declared=Kind.CATEGORICAL)
    assert [column.names[code] for code in column.values] == ["12", "7", "true", "x"]
    assert schema.version == 1
    column, *_ = columns_of(True, 2, declared=Kind.NUMERIC)
    assert column.values.tolist() == [1, 2]
    column, batch, _ = columns_of(1, 0, True, 2, declared=Kind.BOOLEAN)
    assert column.values.tolist() == [1, 0, 1, -1]
    assert batch.refused == {("m", "f", "schema_error"): 1}
    column, batch, _ = columns_of("x" * 21, "y", declared=Kind.CATEGORICAL, limits=SMALL)
    assert (column.values.tolist(), column.names) == ([-1, 0], ("y",))
    assert batch.refused == {("m", "", "limit"): 1}


def test_every_bound_is_kept():
    tables = PredictionTables(SMALL)
    four = dict.fromkeys("abcd", 1)
    batch = tables.build((rows({"a": 1, "b": 1}, four, {"c": 2}, {"e": 1}), [], []))
    assert [reject.reason for reject in batch.rejects] == ["limit", "limit"]
    assert batch.rejects[0].message == 1
    assert len(batch.tables[0]) == 3
    assert batch.refused == {("m", "", "limit"): 1}
    too_long = PredictionRow(0, 1, "m" * 17, "", "", {})
    assert tables.build(([too_long], [], [])).rejects[0].reason == "limit"
    many_tags = PredictionRow(0, 1, "m", "", "", {}, tags={"a": 1, "b": 2, "c": 3})
    assert tables.build(([many_tags], [], [])).rejects[0].reason == "limit"
    third = [PredictionRow(0, 1, model, "", "", {}) for model in ("n", "o")]
    assert [r.reason for r in tables.build((third, [], [])).rejects] == ["limit"]
    assert set(tables.schemas) == {"m", "n"}
    long_vector = tables.build((rows({"a": 1}), [], []))
    assert not long_vector.rejects
    _, batch, _ = columns_of([1, 2, 3, 4], limits=SMALL)
    assert batch.refused == {("m", "", "limit"): 1}


def test_dead_letters_of_values_are_bounded_and_the_count_is_not():
    _, batch, _ = columns_of(1, *["a"] * 5, limits=SMALL)
    assert len(batch.rejects) == SMALL.refused_values
    assert batch.refused == {("m", "f", "schema_error"): 5}


def test_a_message_of_very_many_bad_rows_is_one_dead_letter():
    assert bounded([None] * REJECTS_MAX, 7) is None
    assert bounded([None] * (REJECTS_MAX + 1), 7).reason == "limit"


def test_predictions_and_labels_have_the_same_codes():
    tables = PredictionTables()
    predictions = [
        PredictionRow(0, 1, "m", "1", "a", {}, prediction="spam"),
        PredictionRow(1, 2, "m", "2", "b", {}, prediction="ham", label="spam", label_ts=9),
        PredictionRow(2, 3, "m", "1", "", {}, prediction=5, label="eggs"),
    ]
    labels = [LabelRow(3, 4, "m", "a", "ham"), LabelRow(4, 5, "m", "b", None)]
    batch = tables.build((predictions, labels, []))
    first, second = batch.tables
    assert (first.version, second.version) == ("1", "2")
    assert [first.prediction.names[code] for code in first.prediction.values] == ["spam", "5"]
    (late,) = batch.labels
    assert late.label.names == ("spam", "ham", "5", "eggs")
    assert first.prediction.names == ("spam", "ham", "5")  # of the time before the labels
    assert [late.label.names[code] for code in late.label.values] == ["ham"]
    assert late.key.tolist() == [key_of("m", "a")]
    inline = second.inline_labels()
    assert (inline.ids, inline.ts.tolist()) == (["b"], [9])
    assert [inline.label.names[code] for code in inline.label.values] == ["spam"]
    assert len(first.inline_labels()) == 0  # a label without an id can't be joined


def test_truth_values_as_predictions_are_one_and_zero():
    batch = PredictionTables().build((rows({}, {}, prediction=True, score=0.5), [], []))
    assert batch.tables[0].prediction.values.tolist() == [1, 1]
    assert batch.tables[0].score.tolist() == [0.5, 0.5]
    assert batch.tables[0].label is None
    assert batch.tables[0].inline_labels() is None


@pytest.mark.parametrize("prediction", [[0.1, 0.9], {"a": 1}])
def test_a_prediction_that_is_no_number_or_text_is_refused(prediction):
    batch = PredictionTables().build((rows({"a": 1}, prediction=prediction), [], []))
    assert np.isnan(batch.tables[0].prediction.values).all()
    assert batch.refused == {("m", "prediction", "schema_error"): 1}


def test_tags_are_categories():
    batch = PredictionTables().build((rows({}, tags={"env": "prod", "zone": 2, "x": [1]}), [], []))
    tags = batch.tables[0].tags
    assert {name: column.names for name, column in tags.items()} == {
        "env": ("prod",),
        "zone": ("2",),
    }
    assert batch.refused == {("m", "x", "schema_error"): 1}
    assert batch.tables[0].schema == 0  # the schema is of features


def test_keys_are_hashes_of_model_and_id():
    assert keys_of("m", ["a", "", "ü"]).tolist() == [key_of("m", x) for x in ("a", "", "ü")]
    assert len(keys_of("m", [])) == 0
    assert keys_of("ma", ["b"]) != keys_of("m", ["ab"])


def test_a_schema_goes_through_json_and_goes_on():
    tables = PredictionTables(SMALL)
    some = [{"f": "a", "v": [1, 2]}, {"f": "b"}, {"f": "c"}]
    tables.build((rows(*some, prediction="yes", tags={"env": "prod"}), [], []))
    restored = PredictionTables(SMALL)
    restored.restore(json.loads(json.dumps(tables.state())))
    assert restored.state() == tables.state()
    more = rows({"f": "b", "v": [1, 2, 3], "w": 1}, {"f": "z"}, prediction="no", tags={"env": "x"})
    first, second = (some.build((more, [], [])) for some in (tables, restored))
    assert rows_of(first.tables) == rows_of(second.tables)
    assert first.refused == second.refused == {("m", "v", "dimension_mismatch"): 1}
    assert first.tables[0].features["f"].names == second.tables[0].features["f"].names
    assert restored.state() == tables.state()


def _prediction(row, index):
    return PredictionRow(
        index, row["ts"], row["model"], row.get("version", ""), "a", row.get("features", {})
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, max_size=12), st.integers(0, 12))
def test_tables_equal_a_naive_reading_in_one_batch_or_two(documents, cut):
    # A category longer than the bound would be text, whose length is kept.
    for row in documents:
        for name, value in row.get("features", {}).items():
            row["features"][name] = value[:200] if isinstance(value, str) else value
    made = [_prediction(row, index) for index, row in enumerate(documents)]
    whole = PredictionTables()
    batch = whole.build((made, [], []))
    expected = dict(enumerate(naive_features(documents)))
    found = {row[2]: row[5] for row in rows_of(batch.tables)}
    assert found.keys() == expected.keys()
    for index, features in expected.items():
        assert found[index] == features, index
    pieces = PredictionTables()
    parts = [pieces.build((part, [], [])) for part in (made[:cut], made[cut:])]
    assert sorted(
        row[2:] for part in parts for row in rows_of(part.tables) if not row[5]
    ) == sorted(row[2:] for row in rows_of(batch.tables) if not row[5])
    assert pieces.state() == whole.state()
    assert sum(map(len, batch.tables)) == len(documents)


@given(st.lists(st.dictionaries(NAMES, st.integers(), max_size=3), min_size=1, max_size=6))
def test_versions_part_the_rows_and_lose_none(features):
    made = rows(*features)
    for index, row in enumerate(made):
        row.version = str(index % 2)
    batch = PredictionTables().build((made, [], []))
    found = rows_of(batch.tables)
    assert sorted(row[2] for row in found) == list(range(len(made)))
    for _, version, message, _, identity, values in found:
        assert version == str(message % 2)
        assert identity == f"id{message}"
        assert values == {name: float(value) for name, value in features[message].items()}
