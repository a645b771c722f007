"""Rows of predictions by number: their order in the log, some of them, one as a message."""

import json
from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from naive_predictions import ROWS, TS_MS, encoded, rows_of

from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_json import read_native
from engine.codecs.prediction_rows import log_order, model_key, moved, row_json, take_rows
from engine.codecs.samples import Limits
from engine.codecs.timestamps import MILLISECOND_NS

LABEL = st.fixed_dictionaries(
    {
        "ts": st.integers(TS_MS, TS_MS + 1000),
        "model": st.sampled_from(["m", "n"]),
        "prediction_id": st.sampled_from(["1", "2", "3"]),
        "label": st.integers(0, 3),
    }
)
MESSAGES = st.lists(st.lists(ROWS | LABEL, min_size=1, max_size=4), max_size=6)


def decoded(messages):
    codec = PredictionCodec(partial(read_native, limits=Limits()), PredictionTables())
    return codec.decode([encoded(rows) for rows in messages])


def naive_rows(batch):
    """List all rows in the order of their numbers: (message, ts, kind, model, version)."""
    found = []
    for kind, tables in enumerate((batch.tables, batch.labels)):
        for table in tables:
            version = "" if kind else table.version
            found += [
                (message, ts, kind, table.model, version)
                for message, ts in zip(table.message.tolist(), table.ts.tolist(), strict=True)
            ]
    return found


@given(MESSAGES)
def test_rows_are_in_the_order_of_the_log(messages):
    batch = decoded(messages)
    rows = log_order(batch)
    naive = naive_rows(batch)
    expected = sorted(range(len(naive)), key=lambda number: (*naive[number], number))
    assert rows.number.tolist() == expected
    assert rows.message.tolist() == [naive[number][0] for number in expected]
    assert rows.ts.tolist() == [naive[number][1] for number in expected]
    assert rows.model.tolist() == [model_key(naive[number][3]) for number in expected]


@given(MESSAGES, st.integers(1, 5))
def test_the_order_does_not_depend_on_how_messages_are_cut(messages, size):
    codec = PredictionCodec(partial(read_native, limits=Limits()), PredictionTables())

    def seen(batch, first):
        rows, naive = log_order(batch), naive_rows(batch)
        return [(naive[n][0] + first, *naive[n][1:]) for n in rows.number.tolist()]

    whole = seen(decoded(messages), 0)
    parts = []
    for first in range(0, len(messages), size):
        some = [encoded(rows) for rows in messages[first : first + size]]
        parts += seen(codec.decode(some), first)
    assert parts == whole


@given(MESSAGES, st.randoms(use_true_random=False))
def test_some_rows_are_those_that_were_asked_for(messages, chance):
    batch = decoded(messages)
    total = len(naive_rows(batch))
    chosen = [number for number in range(total) if chance.random() < 0.5]
    chance.shuffle(chosen)
    part = take_rows(batch, np.array(chosen, np.int64))
    kept = set(chosen)
    sizes = [len(table) for table in batch.tables]
    first_label = sum(sizes)
    expected = [row for number, row in enumerate(rows_of(batch.tables)) if number in kept]
    assert rows_of(part.tables) == expected
    ids = [identity for table in batch.labels for identity in table.ids]
    labels = [identity for n, identity in enumerate(ids, first_label) if n in kept]
    assert [identity for table in part.labels for identity in table.ids] == labels
    assert all(len(table) for table in (*part.tables, *part.labels))
    assert part.refused == batch.refused


def test_messages_are_numbered_anew():
    batch = decoded([[{"ts": TS_MS, "model": "m", "prediction": 1}], "nonsense"])
    again = moved(batch, np.array([4, 9], np.int32))
    assert again.tables[0].message.tolist() == [4]
    assert [reject.message for reject in again.rejects] == [9]


def test_a_row_is_written_as_a_message_that_reads_the_same():
    row = {
        "ts": TS_MS,
        "model": "m",
        "version": "7",
        "prediction_id": "a",
        "features": {"age": 41, "ok": True, "zone": "EU", "x": 0.5, "vector": [1.0, 2.0]},
        "prediction": "yes",
        "score": 0.25,
        "label": "no",
        "label_ts": TS_MS + 5,
        "tags": {"env": "prod"},
    }
    label = {"ts": TS_MS + 9, "model": "m", "prediction_id": "a", "label": "yes"}
    other = {"ts": TS_MS, "model": "m", "prediction_id": "b", "features": {"x": None, "age": 1}}
    batch = decoded([[other, row, label]])
    order = log_order(batch)
    written = [json.loads(row_json(batch, number)) for number in order.number.tolist()]
    assert written == [
        {"ts": TS_MS, "model": "m", "prediction_id": "b", "features": {"age": 1}},
        row,
        label,
    ]
    assert order.ts.tolist()[-1] == (TS_MS + 9) * MILLISECOND_NS
