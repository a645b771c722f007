"""Rows wait until the watermark has passed them, and come out in arrival order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.columns import Columns
from engine.series.pending import Pending

STEPS = st.lists(
    st.one_of(st.lists(st.integers(0, 50), max_size=6), st.integers(0, 50)), max_size=30
)


def piece(first, timestamps):
    count = len(timestamps)
    number = np.arange(first, first + count)
    return number.astype(np.int32), Columns(
        number.astype(np.uint64), np.array(timestamps, np.int64), number.astype(np.float64),
        (number % 2).astype(np.uint8),
    )  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(STEPS)
def test_equals_a_list(steps):
    pending, twin, first = Pending(), [], 0
    for step in steps:
        if isinstance(step, list):
            pending.add(*piece(first, step))
            twin += [(ts, first + place) for place, ts in enumerate(step)]
            first += len(step)
        else:
            slot, columns = pending.take_through(step)
            numbers = [number for ts, number in twin if ts <= step]
            twin = [(ts, number) for ts, number in twin if ts > step]
            assert slot.tolist() == columns.value.tolist() == columns.fingerprint.tolist()
            assert slot.tolist() == numbers
            assert columns.flags.tolist() == [number % 2 for number in numbers]
        assert len(pending) == len(twin)
        held = pending.arrays()
        assert held["ts"].tolist() == [ts for ts, _ in twin]
        assert held["slot"].tolist() == [number for _, number in twin]


def test_arrays_given_out_do_not_change():
    pending = Pending()
    pending.add(*piece(0, [3, 1, 2]))
    before = pending.arrays()
    copies = {name: array.copy() for name, array in before.items()}
    pending.take_through(1)
    pending.add(*piece(3, [9]))
    for name, array in copies.items():
        np.testing.assert_array_equal(before[name], array)
