"""The label join equals a batch join over the whole sets, whatever the order, cuts and restarts.

Aim: what is known in the end depends on the sets of predictions and labels only. Method: a naive
twin over small key spaces, where everything collides; and Polars' join over streams as they are
(delays of 0-7 d, 5 % never, 1 % duplicated, 0.5 % corrected), in memory and spilled.
"""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_feed import Feed, labels_of, predictions_of, tuples
from naive_label_join import naive_join

from engine.drift.label_join import LabelJoin, LabelJoinParams
from engine.drift.label_rows import (
    ACCEPTED,
    CHAIN_MAX,
    LATE,
    LIMIT,
    REPEATED,
    joined_changes,
    net_changes,
)

DAY_NS = 86_400_000_000_000
DELAY = 5

VALUES = st.sampled_from([0.0, 0.5, 1.0])
PREDICTION_ROWS = st.tuples(
    st.integers(0, 3), st.integers(0, 40), VALUES, VALUES, st.integers(0, 1)
)
LABEL_ROWS = st.tuples(st.integers(0, 3), st.integers(0, 40), VALUES)
ITEMS = st.lists(
    st.tuples(st.just(False), PREDICTION_ROWS) | st.tuples(st.just(True), LABEL_ROWS), max_size=50
)


def text(rows):
    """Rows as text, so that -0.0 and 0.0 differ."""
    return sorted(map(repr, rows))


def item_time(item):
    return item[1][1]


@settings(max_examples=120, deadline=None)
@given(
    items=ITEMS,
    jitter=st.lists(st.integers(0, 12), min_size=50, max_size=50),
    cut=st.integers(1, 9),
    rows_max=st.sampled_from([4, 10_000]),
    restart_every=st.integers(1, 4),
)
def test_join_equals_the_naive_twin(tmp_path_factory, items, jitter, cut, rows_max, restart_every):
    items = [
        items[i]
        for i in np.argsort([item_time(x) + j for x, j in zip(items, jitter, strict=False)])
    ]
    feed = Feed(LabelJoinParams(DELAY, rows_max), tmp_path_factory.mktemp("join"))
    for number, begin in enumerate(range(0, len(items), cut)):
        feed.add(items[begin : begin + cut])
        left = items[begin + cut :]
        # The tightest watermark under which nothing that follows is late.
        feed.advance(min(map(item_time, left)) - 1 if left else 10_000)
        if number % restart_every == 0:
            feed.restart()
    predictions = [row for is_label, row in items if not is_label]
    labels = [row for is_label, row in items if is_label]
    pairs, expired, orphans = naive_join(predictions, labels, DELAY)
    counting, paired = feed.standing()
    assert text(paired) == text(pairs)
    assert text(feed.expired) == text(expired)
    assert text(feed.orphans) == text(orphans)
    assert text(counting) == text({row[:5] for row in pairs} | expired)
    if items:
        assert feed.join.rows_in_memory == len(feed.join.spill) == 0
        assert feed.verdicts[LATE] == feed.verdicts[LIMIT] == 0


def stream(seed, rows):
    """Make predictions over 3 d and their labels as they come in practice."""
    rng = np.random.default_rng(seed)
    key = rng.integers(0, 2**64, rows, dtype=np.uint64)
    ts = rng.integers(10 * DAY_NS, 13 * DAY_NS, rows)
    predictions = pl.DataFrame(
        {
            "key": key,
            "ts": ts,
            "score": rng.random(rows),
            "prediction": rng.integers(0, 2, rows).astype(float),
            "segment": rng.integers(0, 3, rows).astype(np.int32),
        }
    )
    labelled = rng.random(rows) >= 0.05
    labels = pl.DataFrame(
        {
            "key": key[labelled],
            # A few are stamped before their prediction.
            "ts": (ts + rng.integers(-DAY_NS // 24, 7 * DAY_NS, rows))[labelled],
            "label": rng.integers(0, 2, labelled.sum()).astype(float),
        }
    )
    corrected = labels.filter(pl.Series(rng.random(len(labels)) < 0.005))
    corrected = corrected.with_columns(
        ts=pl.col("ts") + rng.integers(1, DAY_NS, len(corrected)), label=1 - pl.col("label")
    )
    labels = pl.concat([labels, corrected])
    twice = [
        frame.filter(pl.Series(rng.random(len(frame)) < 0.01)) for frame in (predictions, labels)
    ]
    return pl.concat([predictions, twice[0]]), pl.concat([labels, twice[1]])


def batch_join(predictions, labels, delay):
    """Polars' join: what the stream must come to."""
    return (
        predictions.unique()
        .join(labels.rename({"ts": "label_ts"}), on="key")
        .filter((pl.col("label_ts") - pl.col("ts")).abs() <= delay)
        .sort("label_ts", "label")
        .unique("key", keep="last")
        .select("key", "ts", "score", "prediction", "segment", "label_ts", "label")
    )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 600),
    lateness=st.sampled_from([0, DAY_NS // 24, 20 * DAY_NS]),
    batches=st.integers(1, 12),
    rows_max=st.sampled_from([50, 10_000]),
    restarts=st.booleans(),
)
def test_join_equals_a_batch_join(
    tmp_path_factory, seed, rows, lateness, batches, rows_max, restarts
):
    predictions, labels = stream(seed, rows)
    delay = 7 * DAY_NS
    items = [(False, row) for row in predictions.rows()] + [(True, row) for row in labels.rows()]
    rng = np.random.default_rng(seed + 1)
    arrival = np.array([item_time(item) for item in items]) + rng.integers(
        0, lateness, len(items), endpoint=True
    )
    order = np.lexsort((rng.random(len(items)), arrival))
    feed = Feed(LabelJoinParams(delay, rows_max), tmp_path_factory.mktemp("join"))
    for part in np.array_split(order, batches):
        feed.add([items[i] for i in part])
        # Not yet past the end: more may come.
        feed.advance(int(arrival[part].max()) - lateness - 1 if len(part) else 0)
        if restarts:
            feed.restart()
    feed.advance(40 * DAY_NS)
    expected = batch_join(predictions, labels, delay)
    counting, paired = feed.standing()
    assert sorted(paired) == sorted(expected.rows())
    assert sorted(counting) == sorted(predictions.unique().rows())
    unlabelled = predictions.unique().join(expected, on="key", how="anti")
    assert sorted(feed.expired) == sorted(unlabelled.rows())
    homes = predictions.select("key", prediction_ts="ts").unique()
    lone = (
        labels.unique()
        .join(homes, on="key", how="left")
        .filter(((pl.col("ts") - pl.col("prediction_ts")).abs() <= delay).fill_null(False).not_())
        .select("key", "ts", "label")
    )
    assert sorted(feed.orphans) == sorted(lone.rows())
    if rows_max < rows / 4:
        assert feed.most_spilled > 0


def test_a_correction_retracts_and_a_duplicate_does_nothing(tmp_path):
    join = LabelJoin(LabelJoinParams(100), tmp_path)
    join.add_predictions(predictions_of([(7, 10, 0.5, 1.0, 2)]))
    label = labels_of([(7, 20, 0.0)])
    changes, _ = join.add_labels(label)
    assert tuples(changes) == [(1, 1, 7, 10, 0.5, 1.0, 2, 20, 0.0)]
    changes, verdicts = join.add_labels(label)
    assert changes.number == 0
    assert verdicts.tolist() == [REPEATED]
    changes, _ = join.add_labels(labels_of([(7, 30, 1.0)]))
    assert tuples(changes) == [
        (1, -1, 7, 10, 0.5, 1.0, 2, 20, 0.0),
        (1, 1, 7, 10, 0.5, 1.0, 2, 30, 1.0),
    ]
    changes, verdicts = join.add_labels(labels_of([(7, 25, 0.0)]))  # before the correction
    assert changes.number == 0
    assert verdicts.tolist() == [ACCEPTED]


@pytest.mark.parametrize("distance", [-DELAY - 1, -DELAY, 0, DELAY, DELAY + 1])
@pytest.mark.parametrize("labels_first", [False, True])
@pytest.mark.parametrize("number", [1, 2])
def test_the_delay_is_inclusive_on_both_sides(tmp_path, distance, labels_first, number):
    feed = Feed(LabelJoinParams(DELAY), tmp_path)
    prediction = (1, 20, 0.5, 1.0, 0)
    labels = [(1, 20 + distance, value) for value in (0.5, 0.25)[:number]]
    items = [(False, prediction), *((True, row) for row in labels)]
    feed.add(items[::-1] if labels_first else items)
    feed.advance(10_000)
    pairs, expired, orphans = naive_join([prediction], labels, DELAY)
    assert feed.standing()[1] == pairs
    assert bool(pairs) == (abs(distance) <= DELAY)
    assert (set(feed.expired), set(feed.orphans)) == (expired, orphans)


@settings(max_examples=60, deadline=None)
@given(items=ITEMS, cut=st.integers(1, 9), data=st.data())
def test_net_changes_hold_nothing_of_the_order(tmp_path_factory, items, cut, data):
    """After the same first part, another order of the rest says the same, net."""

    def net_of(order):
        join = LabelJoin(LabelJoinParams(DELAY), tmp_path_factory.mktemp("join"))
        parts = []
        for is_label, row in order:
            add, kind = (
                (join.add_labels, labels_of) if is_label else (join.add_predictions, predictions_of)
            )
            parts.append(add(kind([row]))[0])
        return sorted(map(repr, tuples(net_changes(joined_changes(parts[cut:])))))

    begin, rest = items[:cut], items[cut:]
    assert net_of(begin + rest) == net_of(begin + data.draw(st.permutations(rest)))


def test_a_label_may_come_first(tmp_path):
    join = LabelJoin(LabelJoinParams(100), tmp_path)
    assert join.add_labels(labels_of([(7, 20, 1.0)]))[0].number == 0
    changes, _ = join.add_predictions(predictions_of([(7, 50, 0.5, 1.0, 0)]))
    assert changes.kind.tolist() == [0, 1]
    assert math.isnan(changes.label[0])
    assert changes.label[1] == 1.0


def test_late_rows_are_refused(tmp_path):
    join = LabelJoin(LabelJoinParams(100), tmp_path)
    join.advance(10)
    _, verdicts = join.add_predictions(predictions_of([(1, 10, 0, 0, 0), (2, 11, 0, 0, 0)]))
    assert verdicts.tolist() == [LATE, ACCEPTED]
    _, verdicts = join.add_labels(labels_of([(2, 9, 0.0), (2, 12, 0.0)]))
    assert verdicts.tolist() == [LATE, ACCEPTED]


def test_a_key_that_never_ends_is_limited(tmp_path):
    join = LabelJoin(LabelJoinParams(10), tmp_path)
    rows = [(1, ts, 0.5, 1.0, 0) for ts in range(2 * CHAIN_MAX)]
    _, verdicts = join.add_predictions(predictions_of(rows))
    assert verdicts.tolist() == [ACCEPTED] * CHAIN_MAX + [LIMIT] * CHAIN_MAX


def test_orphans_and_expired_are_closed_after_the_delay(tmp_path):
    join = LabelJoin(LabelJoinParams(160), tmp_path)
    join.add_labels(labels_of([(1, 1000, 1.0)]))
    join.add_predictions(predictions_of([(2, 1000, 0.5, 0.0, 0)]))
    closed = join.advance(1159)
    assert not len(closed.expired.ts)
    assert not len(closed.orphans.ts)
    closed = join.advance(1170)  # stretches of 10 are closed as a whole
    assert tuples(closed.orphans) == [(1, 1000, 1.0)]
    assert tuples(closed.expired) == [(2, 1000, 0.5, 0.0, 0)]
    assert join.rows_in_memory == 0


@pytest.mark.parametrize("rows_max", [1000, 10**6])
def test_open_predictions_take_at_most_100_bytes(tmp_path, rows_max):
    """Of those in memory, at every moment from a few thousand rows on."""
    join = LabelJoin(LabelJoinParams(7 * DAY_NS, rows_max), tmp_path)
    rng = np.random.default_rng(5)
    for begin in range(0, 60_000, 4000):
        keys = rng.integers(0, 2**64, 4000, dtype=np.uint64)
        ts = DAY_NS + np.arange(begin, begin + 4000)
        zeros = np.zeros(4000)
        join.add_predictions(
            type(predictions_of([]))(keys, ts, zeros, zeros, np.zeros(4000, np.int32))
        )
        assert join.rows_in_memory + len(join.spill) == begin + 4000
        if begin >= 4000:
            assert join.memory_bytes <= 100 * (join.rows_in_memory + len(join.spill))


@pytest.mark.parametrize("rows_max", [8, 10_000])
@pytest.mark.parametrize("later_delay", [95, 100, 101, 1000])
def test_what_waits_goes_on_waiting_by_another_label_delay(tmp_path, rows_max, later_delay):
    rng = np.random.default_rng(later_delay)
    predictions = [(key, 10 * key, 0.5, 1.0, 0) for key in range(200)]
    labels = [
        (key, 10 * key + int(rng.integers(0, 95)), float(key % 2))
        for key in range(200)
        if rng.random() < 0.7
    ]
    items = [(False, row) for row in predictions] + [(True, row) for row in labels]
    items.sort(key=item_time)
    feed = Feed(LabelJoinParams(100, rows_max), tmp_path)
    for begin in range(0, len(items), 5):
        if begin == 150:
            feed.params = LabelJoinParams(later_delay, rows_max)
            feed.restart()
        feed.add(items[begin : begin + 5])
        left = items[begin + 5 :]
        feed.advance(item_time(left[0]) - 1 if left else 10_000)
    pairs, expired, _ = naive_join(predictions, labels, 100)
    counting, paired = feed.standing()
    assert text(paired) == text(pairs)
    assert text(feed.expired) == text(expired)
    assert len(counting) == len(predictions)
    assert (feed.most_spilled > 0) == (rows_max < len(items))
