"""What a detector's newest alarm on a series was about, at any tick."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pipeline.score_streams import last_alarms, latest_alarms

SLOTS = 4
ONSETS = st.sampled_from([0.0, 1.0, 1.5, 7.0, np.nan])
SAMPLES = st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 30), ONSETS), max_size=25)


def block(samples):
    """Rows by slot and time: start, slot, ts, onset, and a context that tells them apart."""
    unique = {(slot, ts): onset for slot, ts, onset in samples}
    rows = sorted(unique)
    slot = np.array([slot for slot, _ in rows], np.int32)
    ts = np.array([ts for _, ts in rows], np.int64)
    onset = np.array([unique[row] for row in rows])
    start = np.searchsorted(slot, np.arange(SLOTS + 1))
    return start, slot, ts, onset, np.arange(5.0 * len(rows)).reshape(-1, 5)


def naive_latest(samples, slot, tick, before):
    start, slots, ts, onset, context = block(samples)
    del start
    found = [
        context[row]
        for row in range(len(ts))
        if slots[row] == slot and ts[row] <= tick and onset[row] > 1
    ]
    return found[-1] if found else before.get(slot, np.full(5, np.nan))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(SAMPLES, st.sets(st.integers(0, SLOTS - 1)), st.sets(st.integers(-1, 32), max_size=5))
def test_the_newest_alarm_at_a_tick(samples, remembered, ticks):
    start, _, ts, onset, context = block(samples)
    place = np.full(SLOTS, -1, np.int32)
    before = {}
    for number, slot in enumerate(sorted(remembered, reverse=True)):
        place[slot] = number
        before[slot] = np.full(5, -1.0 - slot)
    alarms = np.array([before[slot] for slot in sorted(before, reverse=True)]).reshape(-1, 5)
    asked = [(slot, tick) for slot in range(SLOTS) for tick in sorted(ticks)]
    slot = np.array([slot for slot, _ in asked], np.int32)
    tick = np.array([tick for _, tick in asked], np.int64)
    out = np.zeros((len(asked), 5))
    latest_alarms(tick, slot, start, ts, context, onset, place, alarms, out)
    expected = [naive_latest(samples, *question, before) for question in asked]
    np.testing.assert_array_equal(out, np.array(expected).reshape(-1, 5))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(SAMPLES)
def test_the_last_alarm_of_each_slot(samples):
    start, slots, _, onset, _ = block(samples)
    last = np.zeros(SLOTS, np.int64)
    last_alarms(start, onset, last)
    for slot in range(SLOTS):
        rows = [row for row in range(len(slots)) if slots[row] == slot and onset[row] > 1]
        assert last[slot] == max(rows, default=-1)
