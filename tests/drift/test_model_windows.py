"""Windows of a version.

Aim: a window holds the rows that it should, each of its panes once, and so does its reference;
silence costs nothing. Method: rows of all cuts and ticks against windows that were found slowly; a
stand-in for counts keeps the rows themselves.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_feed import config_of
from naive_windows import naive_row_windows, naive_windows

from engine.codecs.predictions import Column, Kind
from engine.config.durations import DAY_NS, MINUTE_NS
from engine.config.scalars import ReferencePlace, WindowSize
from engine.drift import panes, version_windows
from engine.drift.model_segments import ALL, Segments
from engine.drift.together import Together
from engine.drift.version_rows import VersionRows
from engine.drift.version_windows import VersionWindows

SECONDS = 10**9


class Kept:
    """Rows, where others count them."""

    def __init__(self):
        self.places = []

    @property
    def rows(self):
        return len(self.places)

    def add(self, columns, index=None, *, rows=None):
        self.places += columns["place"].values[index].astype(int).tolist()

    def merge(self, other):
        self.places += other.places


class Watching:
    """A comparison that only notes what it is given."""

    def __init__(self):
        self.compared = []

    def learn(self, columns, keys):
        return dict(columns)

    def make(self):
        return Kept()

    def make_together(self):
        return Together(None)

    def compare(self, reference, window):
        self.compared.append((sorted(reference.places), sorted(window.places)))
        return ()

    def compare_together(self, window, reference):
        return ()


def one_segment():
    segments = Segments((), 1)
    segments.restore([("1", ALL)])
    return segments


def rows_at(ts, begin):
    ts = np.array(ts, np.int64)
    place = Column(Kind.NUMERIC, np.arange(begin, begin + len(ts)).astype(float))
    score = np.full(len(ts), np.nan)
    return VersionRows("1", ts, np.zeros(len(ts), np.uint64), None, score, {}, {"place": place})


def windows_of(config, ts, cuts, *, end_ns):
    """Play rows, cut at some places; give (begin, end, rows, reference rows)."""
    comparison = Watching()
    windows = VersionWindows(config, "1", comparison, one_segment())
    closed = []
    edges = [0, *sorted(cuts), len(ts)]
    for begin, end in pairwise(edges):
        part = rows_at(ts[begin:end], begin)
        closed += windows.add(part, np.zeros(len(part), np.int32))
        if end < len(ts):
            closed += windows.advance_to(ts[end] - 1)
    closed += windows.advance_to(end_ns)
    assert windows.next_end_ns() is None
    return [
        (window.begin_ns, window.end_ns, rows, reference)
        for window, (reference, rows) in zip(closed, comparison.compared, strict=True)
    ]


times = st.lists(st.integers(0, 3600), min_size=30, max_size=120).map(
    lambda seconds: sorted(second * SECONDS for second in seconds)
)
cuts = st.sets(st.integers(1, 29))


@settings(max_examples=60, deadline=None)
@given(ts=times, cuts=cuts, panes=st.integers(1, 4))
def test_windows_of_time(ts, cuts, panes):
    slide = 5 * MINUTE_NS
    config = config_of(
        reference=ReferencePlace("rows", rows=20),
        window=WindowSize(panes * slide, 0),
        slide=WindowSize(slide, 0),
    )
    found = windows_of(config, ts, cuts, end_ns=2 * 3600 * SECONDS)
    expected = naive_windows(ts, 20, window_ns=panes * slide, slide_ns=slide)
    assert [window[:3] for window in found] == expected
    assert all(reference == list(range(20)) for *_, reference in found)


@settings(max_examples=60, deadline=None)
@given(ts=times, cuts=cuts, slide=st.integers(1, 7), panes=st.integers(1, 4))
def test_windows_of_rows(ts, cuts, slide, panes):
    config = config_of(
        reference=ReferencePlace("rows", rows=20),
        window=WindowSize(0, panes * slide),
        slide=WindowSize(0, slide),
    )
    comparison = Watching()
    windows = VersionWindows(config, "1", comparison, one_segment())
    closed = []
    edges = [0, *sorted(cuts), len(ts)]
    for begin, end in pairwise(edges):
        part = rows_at(ts[begin:end], begin)
        closed += windows.add(part, np.zeros(len(part), np.int32))
    expected = naive_row_windows(ts, 20, window=panes * slide, slide=slide)
    assert [(window.begin_ns, window.end_ns) for window in closed] == [e[:2] for e in expected]
    assert [rows for _, rows in comparison.compared] == [rows for *_, rows in expected]
    assert all(window.every_ns >= 1 for window in closed)


@settings(max_examples=40, deadline=None)
@given(ts=times, cuts=cuts)
def test_a_trailing_reference_is_what_came_before(ts, cuts):
    slide, length = 5 * MINUTE_NS, 20 * MINUTE_NS
    part = length // version_windows.HISTORY_PARTS
    config = config_of(
        reference=ReferencePlace("trailing", ns=length),
        window=WindowSize(2 * slide, 0),
        slide=WindowSize(slide, 0),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(version_windows, "GRID_ROWS", 20)
        found = windows_of(config, ts, cuts, end_ns=2 * 3600 * SECONDS)
    for begin_ns, end_ns, rows, reference in found:
        is_young = ts[0] > begin_ns - length
        assert rows == [p for p in range(20, len(ts)) if begin_ns <= ts[p] < end_ns]
        before = [p for p in range(20, len(ts)) if ts[p] < begin_ns]
        first = set(range(20)) if is_young else set()
        surely = {p for p in before if ts[p] >= begin_ns - length} | first
        perhaps = {p for p in before if ts[p] >= begin_ns - length - slide - part} | first
        assert surely <= set(reference) <= perhaps


def test_days_of_silence_are_one_step():
    config = config_of(reference=ReferencePlace("rows", rows=2))
    ts = [0, 1, 2, 3, 400 * DAY_NS, 400 * DAY_NS + 1]
    found = windows_of(config, ts, {5}, end_ns=401 * DAY_NS)
    assert [rows for _, _, rows, _ in found] == [[2, 3], [4, 5]]


def test_the_first_window_of_rows_begins_after_the_reference():
    config = config_of(
        reference=ReferencePlace("rows", rows=3), window=WindowSize(0, 2), slide=WindowSize(0, 2)
    )
    windows = VersionWindows(config, "1", Watching(), one_segment())
    closed = list(windows.add(rows_at([1, 2, 3, 1000, 1010, 1020, 1030], 0), np.zeros(7, np.int32)))
    assert [(w.begin_ns, w.end_ns, w.every_ns) for w in closed] == [
        (1000, 1010, 10),
        (1020, 1030, 20),
    ]


def test_more_rows_than_counts_can_hold_are_left_out(monkeypatch):
    monkeypatch.setattr(panes, "ROWS_MAX", 30)
    config = config_of(
        reference=ReferencePlace("rows", rows=20),
        window=WindowSize(20 * MINUTE_NS, 0),
        slide=WindowSize(10 * MINUTE_NS, 0),
    )
    ts = np.sort(np.arange(120, dtype=np.int64) % 60) * MINUTE_NS
    found = windows_of(config, ts, [], end_ns=DAY_NS)
    assert found
