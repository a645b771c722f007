"""A snapshot gives each row as it was at its moment, whatever changes while it is read."""

import sys
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series import snapshot as snapshot_module
from engine.series.snapshot import Snapshots, Table

SLOTS = 12


class Shard:
    """Arrays by slot, and by the number of those slots that have a place."""

    def __init__(self, seed=1):
        self.random = np.random.default_rng(seed)
        self.snapshots = Snapshots()
        self.wide = np.empty((0, 3))
        self.flags = np.empty(0, np.uint8)
        self.place = np.empty(0, np.int32)
        self.placed = np.empty((0, 2), np.int64)
        self.grow(SLOTS)

    def grow(self, more):
        """Give new slots rows, in arrays that replace the old ones."""
        rng = self.random
        has_place = rng.random(more) < 0.6
        place = np.full(more, -1, np.int32)
        place[has_place] = len(self.placed) + np.arange(has_place.sum())
        self.place = np.concatenate([self.place, place])
        new = rng.integers(0, 1000, (int(has_place.sum()), 2))
        self.placed = np.concatenate([self.placed, new])
        self.wide = np.concatenate([self.wide, rng.normal(size=(more, 3))])
        self.flags = np.concatenate([self.flags, rng.integers(0, 9, more).astype(np.uint8)])

    def change(self, slots):
        """Write the rows of some slots, as a shard does."""
        slots = np.array(sorted(slots), np.int32)
        self.snapshots.keep(slots)
        self.wide[slots] = self.random.normal(size=(len(slots), 3))
        self.flags[slots] += 1
        placed = self.place[slots]
        self.placed[placed[placed >= 0]] += 7
        # Slots that had no place may get one, behind all others.
        homeless = slots[placed < 0][:1]
        self.place[homeless] = len(self.placed) + np.arange(len(homeless))
        self.placed = np.concatenate([self.placed, np.ones((len(homeless), 2), np.int64)])

    def tables(self):
        return {
            "slot": [Table({"wide": self.wide, "flags": self.flags, "place": self.place})],
            "placed": [Table({"numbers": self.placed}, self.place), Table({"none": np.empty(0)})],
        }

    def copies(self):
        """The twin: everything, copied at once."""
        return {
            "slot|wide": self.wide.copy(),
            "slot|flags": self.flags.copy(),
            "slot|place": self.place.copy(),
            "placed|numbers": self.placed.copy(),
            "placed|none": np.empty(0),
        }


class Reading:
    """A snapshot under way, beside the copies of its moment."""

    def __init__(self, shard):
        self.expected = shard.copies()
        self.found = {name: [] for name in self.expected}
        self.chunks = self._chunks(shard.snapshots.take(shard.tables()))

    def _chunks(self, arrays):
        assert arrays.keys() == self.expected.keys()
        for name, array in arrays.items():
            assert (array.dtype, array.shape) == (
                self.expected[name].dtype,
                self.expected[name].shape,
            )
            assert array.nbytes == self.expected[name].nbytes
            for chunk in array.chunks():
                self.found[name].append(chunk)
                yield

    def go_on(self, chunks):
        """Read so many chunks; True if there are more."""
        return all(next(self.chunks, self) is not self for _ in range(chunks))

    def finish(self):
        for _ in self.chunks:
            pass
        for name, expected in self.expected.items():
            found = b"".join(chunk.tobytes() for chunk in self.found[name])
            assert found == expected.tobytes(), name


SLOT_SETS = st.lists(st.integers(0, SLOTS - 1), max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), SLOT_SETS),
        st.tuples(st.just("grow"), st.integers(1, 5)),
        st.tuples(st.just("take"), st.none()),
        st.tuples(st.just("read"), st.integers(1, 6)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(STEPS, st.sampled_from([1, 24, 50, 10**6]))
def test_what_is_read_equals_a_copy_of_the_moment(steps, chunk_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_module, "CHUNK_BYTES", chunk_bytes)
        shard, readings = Shard(), []
        for kind, what in steps:
            if kind == "change":
                shard.change(what)
            elif kind == "grow":
                shard.grow(what)
            elif kind == "take":
                readings.append(Reading(shard))
            elif readings:
                readings[0].go_on(what)
        for reading in readings:
            reading.finish()


class Interrupted(np.ndarray):
    """An array during whose copying something happens, before and after its bytes are read."""

    before = after = staticmethod(lambda: None)

    def copy(self):
        Interrupted.before()
        copied = np.array(self)
        Interrupted.after()
        return copied


@pytest.mark.parametrize("moment", ["before", "after"])
def test_rows_that_change_while_their_chunk_is_copied_are_the_old_ones(moment, monkeypatch):
    monkeypatch.setattr(snapshot_module, "CHUNK_BYTES", 32)
    values = np.arange(16.0).view(Interrupted)
    snapshots = Snapshots()
    array = snapshots.take({"t": [Table({"v": values})]})["t|v"]
    turn = iter(range(100))

    def change():
        # One row of the chunk that is being copied, one of an earlier and one of a later one.
        at = next(turn)
        slots = np.array(sorted({(4 * at + shift) % 16 for shift in (1, 6, 12)}), np.int32)
        snapshots.keep(slots)
        values[slots] += 100

    monkeypatch.setattr(Interrupted, moment, staticmethod(change))
    assert np.concatenate(list(array.chunks())).tolist() == list(range(16))
    assert (np.asarray(values) > 16).sum() > 8


def test_threads_that_read_while_rows_change(monkeypatch):
    monkeypatch.setattr(snapshot_module, "CHUNK_BYTES", 4096)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    rng = np.random.default_rng(5)
    # Wide rows of one number each: a torn row or a mixture of moments shows.
    rows = 3000
    shard, wide = Snapshots(), np.zeros((rows, 64), np.int64)
    failures = []

    def read(array, expected):
        found = np.concatenate(list(array.chunks()))
        if not np.array_equal(found, expected):
            failures.append(np.flatnonzero((found != expected).any(axis=1)))

    try:
        version = 0
        for _ in range(30):
            array = shard.take({"t": [Table({"wide": wide})]})["t|wide"]
            thread = Thread(target=read, args=(array, wide.copy()))
            del array
            thread.start()
            while thread.is_alive():
                version += 1
                slots = np.unique(rng.integers(0, rows, 200)).astype(np.int32)
                shard.keep(slots)
                wide[slots] = version
            thread.join()
        assert version > 100
    finally:
        sys.setswitchinterval(before)
    assert failures == []


def test_a_row_is_kept_once_and_forgotten_when_it_was_read():
    snapshots, values = Snapshots(), np.zeros((10, 2))
    array = snapshots.take({"t": [Table({"v": values})]})["t|v"]
    held = array.snapshot
    assert held.held_bytes == 0
    for slots in ([1, 1, 2], [2, 5], [1]):
        snapshots.keep(np.array(slots, np.int32))
        values[slots] = 1.0
    assert held.held_bytes == 3 * 16
    assert np.concatenate(list(array.chunks())).tolist() == np.zeros((10, 2)).tolist()
    snapshots.keep(np.array([3], np.int32))
    assert held.held_bytes == 0
    assert held.arrays() == {}


def test_one_that_was_released_keeps_nothing():
    snapshots, values = Snapshots(), np.zeros(10)
    arrays = snapshots.take({"t": [Table({"v": values, "w": values + 1})]})
    snapshots.keep(np.array([1], np.int32))
    held = arrays["t|v"].snapshot
    assert held.held_bytes == 16
    held.release()
    snapshots.keep(np.array([2], np.int32))
    assert held.held_bytes == 0


def test_one_that_nobody_has_in_hand_costs_nothing():
    snapshots, values = Snapshots(), np.zeros(10)
    arrays = snapshots.take({"t": [Table({"v": values})]})
    assert len(snapshots) == 1
    del arrays
    snapshots.keep(np.array([1], np.int32))
    assert len(snapshots) == 0
