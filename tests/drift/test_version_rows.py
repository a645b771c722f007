"""Rows that wait, and how they come out.

Aim: rows come out once, in an order that their content alone decides, with one code per category
and one kind per feature. Method: the same rows, shuffled and cut into tables otherwise.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_feed import KINDS, MODEL, tables

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import OTHER, Column, Kind, LabelRow, PredictionRow
from engine.drift.content_hash import add_content
from engine.drift.version_rows import WaitingTables
from engine.drift.vocabulary import Vocabulary

FOREVER = 10**9

values = st.fixed_dictionaries(
    {},
    optional={
        "age": st.sampled_from([0.0, -0.0, 1.0, 2.5]),
        "region": st.sampled_from(["EU", "US", "APAC"]),
        "active": st.booleans(),
        "vector": st.sampled_from([[0.0, 1.0], [0.0, 2.0]]),
    },
)
predictions = st.builds(
    PredictionRow,
    message=st.just(0),
    ts=st.integers(0, 3),
    model=st.just(MODEL),
    version=st.sampled_from(["1", "2"]),
    id=st.sampled_from(["", "a", "b"]),
    features=values,
    prediction=st.sampled_from([0, 1, None]),
    score=st.sampled_from([0.25, None]),
    tags=st.sampled_from([None, {"region": "EU"}, {"env": "prod"}]),
)


def written(column, row):
    if column is None:
        return None
    if column.rows is not None:
        held = np.flatnonzero(column.rows == row)
        return column.values[held[0]].tolist() if len(held) else None
    value = column.values[row].item()
    if column.kind is Kind.CATEGORICAL:
        return column.names[value] if value >= 0 else None
    return None if value != value or value < 0 else value  # noqa: PLR0124 - NaN


def said(waiting, vocabulary, ticks):
    found = []
    for tick in ticks:
        for rows in waiting.take_through(tick)[0]:
            columns = {**rows.columns(), **{f"tag.{n}": c for n, c in rows.tags.items()}}
            found += [
                (
                    rows.version,
                    int(rows.ts[row]),
                    int(rows.key[row]),
                    [(name, written(column, row)) for name, column in sorted(columns.items())],
                )
                for row in range(len(rows))
            ]
            codes = {n: c.values.tolist() for n, c in columns.items() if c.kind is Kind.CATEGORICAL}
            found.append(codes)
    assert not len(waiting)
    return found, vocabulary.state()


@settings(max_examples=80, deadline=None)
@given(st.lists(predictions, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_content_alone_decides(rows, random):
    ticks = (0, 2, 5)
    vocabulary = Vocabulary(100)
    whole = WaitingTables(vocabulary)
    for table in tables().build((rows, [], [])).tables:
        whole.add_predictions(table)
    expected = said(whole, vocabulary, ticks)
    vocabulary = Vocabulary(100)
    cut = WaitingTables(vocabulary)
    shuffled = rows[:]
    random.shuffle(shuffled)
    partitions = [tables(), tables()]
    while shuffled:
        number = random.randint(1, len(shuffled))
        part, shuffled = shuffled[:number], shuffled[number:]
        for table in random.choice(partitions).build((part, [], [])).tables:
            cut.add_predictions(table)
    assert said(cut, vocabulary, ticks) == expected


def test_vectors_stay_with_their_rows():
    rows = [
        PredictionRow(0, ts, MODEL, "1", f"p{ts}", {"vector": [float(ts), 1.0]} if ts % 2 else {})
        for ts in (5, 1, 4, 3, 2)
    ]
    waiting = WaitingTables(Vocabulary(10))
    for table in tables().build((rows, [], [])).tables:
        waiting.add_predictions(table)
    ((found,), _) = waiting.take_through(FOREVER)
    vector = found.features["vector"]
    assert vector.rows.tolist() == [0, 2, 4]
    assert vector.values[:, 0].tolist() == [1.0, 3.0, 5.0]


def test_the_first_kind_in_event_time_stays():
    vocabulary = Vocabulary(10)
    waiting = WaitingTables(vocabulary)
    for ts, value in ((9, "old"), (3, 40.0)):
        row = PredictionRow(0, ts, MODEL, "1", "", {"age": value})
        waiting.add_predictions(PredictionTables().build(([row], [], [])).tables[0])
    ((found,), _) = waiting.take_through(FOREVER)
    assert vocabulary.kind("age") is Kind.NUMERIC
    assert found.features["age"].values[0] == 40.0
    assert np.isnan(found.features["age"].values[1])


def test_categories_beyond_the_bound_are_one():
    vocabulary = Vocabulary(2)
    waiting = WaitingTables(vocabulary)
    names = ["a", "b", "c", "d", "a"]
    rows = [PredictionRow(0, ts, MODEL, "1", "", {"region": name}) for ts, name in enumerate(names)]
    waiting.add_predictions(tables().build((rows, [], [])).tables[0])
    ((found,), _) = waiting.take_through(FOREVER)
    assert found.features["region"].values.tolist() == [0, 1, 2, 2, 0]
    assert list(vocabulary.names("region")) == ["a", "b", OTHER]


def test_a_label_that_came_with_a_prediction_is_not_known_before_it():
    row = PredictionRow(0, 100, MODEL, "1", "p", {"age": 1.0}, prediction=1)
    row.label, row.label_ts = 1, 7
    waiting = WaitingTables(Vocabulary(10))
    waiting.add_predictions(tables().build(([row], [], [])).tables[0])
    assert waiting.first_ns() == 100
    _, (late,) = waiting.take_through(100)
    assert late.labels.ts.tolist() == [100]


def test_no_label_that_came_with_a_prediction_waits_for_ever():
    rows = [
        PredictionRow(0, 10, MODEL, "1", f"p{ts}", {"age": 1}, prediction=1, label=1, label_ts=ts)
        for ts in (30, 10**18)
    ]
    waiting = WaitingTables(Vocabulary(10), 50)
    (table,) = tables().build((rows, [], [])).tables
    waiting.add_predictions(table)
    _, (late,) = waiting.take_through(61)
    assert late.labels.ts.tolist() == [30, 61]  # the other one is too late by then
    assert not len(waiting)


def test_labels_have_the_codes_of_predictions():
    vocabulary = Vocabulary(10)
    waiting = WaitingTables(vocabulary)
    build = PredictionTables(declared={MODEL: KINDS}).build
    rows = [
        PredictionRow(0, ts, MODEL, "1", f"p{ts}", {"age": 1.0}, prediction=name)
        for ts, name in enumerate(["cat", "dog"])
    ]
    waiting.add_predictions(build((rows, [], [])).tables[0])
    other = PredictionTables(declared={MODEL: KINDS})
    labels = [LabelRow(0, 5, MODEL, "p0", "dog"), LabelRow(0, 6, MODEL, "p1", "cat")]
    waiting.add_labels(other.build(([], labels, [])).labels[0])
    _, (late,) = waiting.take_through(FOREVER)
    assert late.labels.label.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "column",
    [
        Column(Kind.NUMERIC, np.array([np.nan])),
        Column(Kind.BOOLEAN, np.array([-1], np.int8)),
        Column(Kind.CATEGORICAL, np.array([-1], np.int32), ("EU",)),
        Column(Kind.EMBEDDING, np.zeros((0, 2), np.float32), (), np.zeros(0, np.int64)),
    ],
)
def test_nulls_add_nothing(column):
    hashes = np.array([7], np.uint64)
    add_content(hashes, "age", column)
    assert hashes.tolist() == [7]


def test_content_tells_kinds_names_and_all_of_a_vector_apart():
    columns = [
        ("age", Column(Kind.NUMERIC, np.array([1.0]))),
        ("age", Column(Kind.NUMERIC, np.array([2.0]))),
        ("size", Column(Kind.NUMERIC, np.array([1.0]))),
        ("age", Column(Kind.BOOLEAN, np.array([1], np.int8))),
        ("age", Column(Kind.CATEGORICAL, np.array([0], np.int32), ("1.0",))),
        *(
            ("age", Column(Kind.EMBEDDING, np.array([v], np.float32), (), np.array([0])))
            for v in ([1.0, 2.0], [2.0, 1.0], [1.0, 3.0])
        ),
    ]
    found = set()
    for name, column in columns:
        hashes = np.zeros(1, np.uint64)
        add_content(hashes, name, column)
        found.add(hashes.item())
    assert len(found) == len(columns)
