"""A batch is split by fingerprint; every shard hears how far the partition is."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.columns import Columns
from engine.series.identity import Series
from engine.series.pieces import (
    Batch,
    Definition,
    Progress,
    begun_by_detector,
    order_by_shard,
    split,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=60), st.integers(1, 7))
def test_rows_keep_their_order_within_a_shard(fingerprints, shards):
    order, start = order_by_shard(np.array(fingerprints, np.uint64), shards)
    for shard in range(shards):
        mine = [row for row, item in enumerate(fingerprints) if item % shards == shard]
        assert order[start[shard] : start[shard + 1]].tolist() == mine


def test_every_shard_gets_progress_and_population_and_its_own_definitions():
    series = [Series.of("m", {"i": str(i)}) for i in range(9)]
    definitions = [Definition(item, 10 + i, 1) for i, item in enumerate(series)]
    rows = np.array([item.fingerprint for item in series] * 2, np.uint64)
    count = len(rows)
    columns = Columns(rows, np.arange(count), np.arange(count) / 2, np.zeros(count, np.uint8))
    progress = Progress(3, 7, 12, caught_up=True)
    pieces = split(Batch(progress, columns, definitions, definitions[:2]), 64)
    begun = {0: {item.fingerprint: 10 + i for i, item in enumerate(series[:2])}}
    assert [piece.shard for piece in pieces] == list(range(64))
    assert all(piece.progress is progress for piece in pieces)
    assert all(piece.population == begun for piece in pieces)
    assert sum(len(piece.columns) for piece in pieces) == count
    for piece in pieces:
        assert all(row % 64 == piece.shard for row in piece.columns.fingerprint.tolist())
        assert piece.columns.value.tolist() == [ts / 2 for ts in piece.columns.ts.tolist()]
        assert piece.definitions == [
            item for item in definitions if item.series.fingerprint % 64 == piece.shard
        ]


def test_each_detector_hears_of_the_series_that_it_watches():
    one, two, none = (Series.of("m", {"i": str(i)}) for i in range(3))
    definitions = [Definition(one, 5, 0b101), Definition(two, 7, 0b100), Definition(none, 9, 0)]
    assert begun_by_detector(definitions) == {
        0: {one.fingerprint: 5},
        2: {one.fingerprint: 5, two.fingerprint: 7},
    }
