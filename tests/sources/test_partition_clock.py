"""What is late follows from the partition's log alone, as the design's sentence says."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sources.partition_clock import NOT_YET, PartitionClock, mark_late

TIMES = st.lists(st.integers(-50, 100) | st.integers(-(2**61), 2**61), max_size=60)


def naive_late(log, lateness):
    """At or below (the largest timestamp at earlier offsets) minus the lateness."""
    return [
        place > 0 and ts <= max(log[:place]) - lateness for place, ts in enumerate(log)
    ]  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TIMES, st.integers(0, 40), st.sets(st.integers(0, 60), max_size=6))
def test_late_rows_at_any_cut(log, lateness, cuts):
    clock = PartitionClock(lateness)
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    late = []
    for begin, end in itertools.pairwise(edges):
        late += clock.late(np.array(log[begin:end], np.int64)).tolist()
        if end:
            # What it promises is that everything at or below is out or late.
            assert clock.newest == max(log[:end])
            assert clock.claim == clock.newest - lateness
    assert late == naive_late(log, lateness)


def test_nothing_is_promised_before_the_first_row():
    clock = PartitionClock(5)
    assert (clock.newest, clock.claim) == (NOT_YET, NOT_YET)
    assert clock.late(np.empty(0, np.int64)).tolist() == []
    assert clock.claim == NOT_YET
    assert clock.late(np.array([-(2**61)])).tolist() == [False]


def test_goes_on_from_a_snapshot():
    clock = PartitionClock(10)
    clock.late(np.array([100]))
    again = PartitionClock(10, clock.newest)
    assert again.late(np.array([90, 91])).tolist() == [True, False]
    assert PartitionClock(10, NOT_YET).claim == NOT_YET


def test_an_idle_advance_counts_as_a_promise_and_never_goes_back():
    clock = PartitionClock(10)
    clock.late(np.array([100]))
    clock.advance_to(150)
    assert (clock.claim, clock.newest) == (150, 160)
    clock.advance_to(120)
    assert clock.claim == 150
    assert clock.late(np.array([150, 151])).tolist() == [True, False]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TIMES, st.integers(-60, 120), st.integers(0, 40))
def test_the_kernel_goes_on_from_the_newest(log, newest, lateness):
    late = np.empty(len(log), np.bool_)
    end = mark_late(np.array(log, np.int64), newest, lateness, late)
    assert late.tolist() == naive_late([newest, *log], lateness)[1:]
    assert end == max([newest, *log])
