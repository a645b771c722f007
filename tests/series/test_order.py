"""Rows come out by slot and time, each once, whatever order they came in."""

import math
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_order import ordered as naive_ordered
from naive_order import rank

from engine.series.columns import FLAG_STALE
from engine.series.order import ordered, precedence

SLOTS = 4
VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324]),
    st.floats(),
)
ROWS = st.lists(
    st.tuples(
        st.integers(0, SLOTS - 1), st.integers(-20, 60), VALUES, st.sampled_from([0, 0, 0, 1])
    ),
    max_size=200,
)


def arrays_of(rows):
    slot, ts, value, flags = zip(*rows, strict=True) if rows else ((), (), (), ())
    return (
        np.array(slot, np.int32), np.array(ts, np.int64), np.array(value, np.float64),
        np.array(flags, np.uint8),
    )  # fmt: skip


def shown(rows):
    """Rows that compare as equal when their bits are; stale markers have no value."""
    return [
        (slot, ts, "stale" if flags & 1 else "nan" if math.isnan(value) else value.hex(), flags)
        for slot, ts, value, flags in rows
    ]


def rows_of(rows):
    return list(
        zip(
            *(column.tolist() for column in (rows.slot, rows.ts, rows.value, rows.flags)),
            strict=True,
        )
    )


@settings(max_examples=500, deadline=None, derandomize=True)
@given(ROWS)
def test_equals_the_naive_twin(rows):
    got = ordered(*arrays_of(rows), SLOTS)
    expected, repeats, conflicts = naive_ordered(rows)
    assert shown(rows_of(got)) == shown(expected)
    assert (got.repeats, got.conflicts) == (repeats, conflicts)
    for slot in range(SLOTS):
        assert set(got.slot[got.start[slot] : got.start[slot + 1]].tolist()) <= {slot}
    assert got.start[-1] == len(got)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(ROWS, st.randoms(use_true_random=False))
def test_arrival_order_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, other = ordered(*arrays_of(rows), SLOTS), ordered(*arrays_of(shuffled), SLOTS)
    assert shown(rows_of(one)) == shown(rows_of(other))


def test_long_slices_are_sorted_as_short_ones_are():
    rng = np.random.default_rng(3)
    rows = [(1, int(ts), float(ts), 0) for ts in rng.permutation(500)]
    got = ordered(*arrays_of(rows), SLOTS)
    assert got.ts.tolist() == list(range(500))
    assert got.value.tolist() == [float(ts) for ts in range(500)]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(VALUES, VALUES)
def test_precedence_is_the_total_order(one, other):
    def engine_rank(value):
        bits = np.uint64(struct.unpack("<Q", struct.pack("<d", value))[0])
        return int(precedence(value, 0, bits))

    for left, right in ((one, other), (other, one)):
        assert (engine_rank(left) < engine_rank(right)) == (rank(left, 0) < rank(right, 0))


def test_a_number_beats_nan_and_nan_beats_a_stale_marker():
    stale = int(FLAG_STALE)
    rows = [(0, 1, math.nan, 0), (0, 1, -math.inf, 0), (0, 1, 9.0, stale), (1, 1, 9.0, stale)]
    rows += [(1, 1, math.nan, 0)]
    got = ordered(*arrays_of(rows), SLOTS)
    assert got.value[0] == -math.inf
    assert math.isnan(got.value[1])
    assert got.flags.tolist() == [0, 0]
    assert (got.repeats, got.conflicts) == (0, 3)
