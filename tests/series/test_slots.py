"""Fingerprints find their slots; beyond the limit the newest series are refused."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.identity import Series
from engine.series.slots import (
    PackedSeries,
    SlotTable,
    find_fingerprints,
    insert_fingerprints,
)


def made(*names):
    return [Series.of(name, {}) for name in names]


def slots_of(table, series):
    fingerprint = np.array([item.fingerprint for item in series], np.uint64)
    return table.find(fingerprint).tolist()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    # A few low bits only, so that probing runs over neighbours and around the end.
    st.lists(st.integers(0, 7), max_size=6),
    st.sets(st.integers(0, 2**64 - 1), max_size=8),
    st.sets(st.integers(0, 15), max_size=8),
)
def test_the_kernels_equal_a_dictionary(asked, wide, narrow):
    known = sorted(wide | narrow)
    keys, slots = np.zeros(32, np.uint64), np.full(32, -1, np.int32)
    insert_fingerprints(keys, slots, np.array(known, np.uint64), 5)
    twin = {fingerprint: 5 + place for place, fingerprint in enumerate(known)}
    wanted = [*known, *asked, 2**64 - 1, 31]
    found = np.empty(len(wanted), np.int32)
    find_fingerprints(keys, slots, np.array(wanted, np.uint64), found)
    assert found.tolist() == [twin.get(fingerprint, -1) for fingerprint in wanted]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 300), max_size=60), max_size=8), st.integers(1, 250))
def test_slots_are_given_in_order_of_first_sight(calls, limit):
    table, twin = SlotTable(limit), {}
    for call in calls:
        definitions = made(*(f"m{number}" for number in call))
        before = len(twin)
        refused = []
        for series in definitions:
            if series in twin or series in refused:
                continue
            if len(twin) < limit:
                twin[series] = len(twin)
            else:
                refused.append(series)
        assert table.add(definitions) == (before, refused)
        assert len(table) == len(twin)
    everything = made(*(f"m{number}" for number in range(301)))
    assert slots_of(table, everything) == [twin.get(series, -1) for series in everything]
    assert list(table.series) == list(twin)


def test_a_refused_series_does_not_push_out_a_watched_one():
    table = SlotTable(2)
    table.add(made("a", "b"))
    assert table.add(made("c", "a", "d")) == (2, made("c", "d"))
    assert slots_of(table, made("a", "b", "c")) == [0, 1, -1]


def test_the_table_grows():
    table = SlotTable(10_000)
    series = made(*(f"m{number}" for number in range(5000)))
    for begin in range(0, 5000, 7):
        table.add(series[begin : begin + 7])
    assert slots_of(table, series) == list(range(5000))


LABELS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=40), max_size=5)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.builds(Series.of, st.text(max_size=8), LABELS), max_size=4), max_size=6)
)
def test_packed_series_come_back_as_they_were(calls):
    packed, twin = PackedSeries(), []
    for call in calls:
        packed.extend(call)
        twin += call
        assert packed[len(twin) - len(call) :] == call
    assert list(packed) == twin
    assert [packed[place] for place in reversed(range(len(twin)))] == twin[::-1]
    assert PackedSeries.unpacked(packed.packed(), len(packed)) == twin


def test_packed_series_are_more_than_are_kept_at_hand():
    series = made(*(f"m{number}" for number in range(3000)))
    packed = PackedSeries()
    packed.extend(series)
    assert list(packed) == series
    assert list(packed) == series


def test_what_was_packed_does_not_change_with_what_follows():
    packed = PackedSeries()
    packed.extend(made("a", "b"))
    early = packed.packed()
    before = early.tobytes()
    packed.extend(made(*(f"m{number}" for number in range(3000))))
    assert early.tobytes() == before
    assert PackedSeries.unpacked(early, 2) == made("a", "b")
