"""The pool holds of each slot what a list of its samples would, and never more than its bound."""

import random

import numpy as np
import pytest

from engine.series.columns import FLAG_STALE, STALE_NAN_BITS
from engine.series.order import ordered
from engine.series.sample_pool import CHUNK, SamplePool, gather
from engine.series.snapshot import Snapshots

SLOTS = 6
MOST = 200
STALE = int(FLAG_STALE)


def held(pool, place):
    """A place's samples as (ts, value), the value None for a stale marker."""
    ts, value = np.empty(MOST, np.int64), np.empty(MOST)
    count = gather(
        place, pool.ts, pool.value, pool.links, pool.first, pool.head, pool.count, ts, value
    )
    is_stale = value.view(np.int64) == int(STALE_NAN_BITS)
    return [
        (at, None if stale else number)
        for at, number, stale in zip(
            ts[:count].tolist(), value[:count].tolist(), is_stale[:count].tolist(), strict=True
        )
    ]


def random_block(generator, base):
    """Rows of all slots after `base`, some of them stale markers; and where they end."""
    rows, ts = [], base
    for slot in range(SLOTS):
        for _ in range(generator.choice((0, 0, 1, 3, 20))):
            ts += 1
            rows.append((slot, ts, generator.random(), STALE * (generator.random() < 0.1)))
    return rows, ts


def rows_of(rows):
    slot, ts, value, flags = zip(*rows, strict=True) if rows else ((), (), (), ())
    return ordered(
        np.array(slot, np.int32), np.array(ts, np.int64), np.array(value, float),
        np.array(flags, np.uint8), SLOTS,
    )  # fmt: skip


def pool_of(samples_max, *slots):
    pool = SamplePool(samples_max)
    pool.grow(SLOTS)
    pool.watch(np.array(slots, np.int32))
    return pool


def restored(pool, samples_max):
    again = SamplePool(samples_max)
    again.restore({name: array.copy() for name, array in pool.arrays().items()})
    return again


def chunks_in_use(pool):
    return len(pool.links) - pool._free_count - pool._freed_count


@pytest.mark.parametrize("samples_max", [1, CHUNK - 1, CHUNK, CHUNK + 1, 50, MOST])
def test_a_pool_equals_lists(samples_max):
    generator = random.Random(samples_max)
    pool, twin, lost, ts = pool_of(samples_max, 1, 3), {1: [], 3: []}, 0, 0
    for step in range(250):
        if step == 100:
            pool.watch(np.array([3, 4, 4], np.int32))
            twin[4] = []
        rows, ts = random_block(generator, ts)
        keep_after = {slot: ts - generator.choice((0, 3, 10, 100)) for slot in twin}
        ordered_rows = rows_of(rows)
        limits = np.array([keep_after[slot] for slot in pool.slots.tolist()], np.int64)
        pool.remember(ordered_rows, ordered_rows.value, limits)
        for slot, kept in twin.items():
            kept += [(at, None if flags else value) for to, at, value, flags in rows if to == slot]
            reached = [sample for sample in kept if sample[0] > keep_after[slot]]
            lost += max(0, len(reached) - samples_max)
            twin[slot] = reached[-samples_max:]
            assert held(pool, pool.of_slot[slot]) == twin[slot]
        assert pool.lost == lost
        if generator.random() < 0.05:
            pool = restored(pool, samples_max)
            pool.lost = lost
    assert pool.of_slot.tolist() == [-1, 0, -1, 1, 2, -1]
    # Half a chunk at both ends of each series is all that is spared.
    assert chunks_in_use(pool) <= sum(len(kept) // CHUNK + 2 for kept in twin.values())


def test_chunks_are_used_again():
    pool = pool_of(MOST, *range(SLOTS))
    generator, ts, most = random.Random(3), 0, 0
    for _ in range(400):
        rows, ts = random_block(generator, ts)
        ordered_rows = rows_of(rows)
        pool.remember(ordered_rows, ordered_rows.value, np.full(SLOTS, ts - 100))
        most = max(most, chunks_in_use(pool))
    assert most <= len(pool.links) <= 64
    nothing = rows_of([])
    pool.remember(nothing, nothing.value, np.full(SLOTS, ts))
    assert chunks_in_use(pool) == 0
    assert pool.count.sum() == 0


def test_a_value_that_is_nan_is_no_stale_marker():
    pool = pool_of(MOST, 0)
    rows = rows_of([(0, 1, float("nan"), 0), (0, 2, float("nan"), STALE)])
    pool.remember(rows, rows.value, np.array([0]))
    (_, first), (_, second) = held(pool, 0)
    assert first != first  # noqa: PLR0124
    assert second is None


def test_slots_that_are_not_watched_cost_nothing():
    pool = pool_of(MOST)
    rows = rows_of([(slot, slot + 1, 1.0, 0) for slot in range(SLOTS)])
    pool.remember(rows, rows.value, np.empty(0, np.int64))
    assert len(pool.links) == 0


@pytest.mark.parametrize("samples_max", [1, CHUNK, 50])
def test_what_is_read_beside_the_stream_is_the_moment(samples_max):
    """Its twin is copied at once; of the two, the one that is read has changed meanwhile."""
    generator, snapshots, readings = random.Random(samples_max), Snapshots(), []
    pool, ts = pool_of(samples_max, 0, 2, 5), 0
    for step in range(300):
        if step == 150:
            pool.watch(np.array([1, 4], np.int32))
        if generator.random() < 0.1:
            twin = restored(pool, samples_max)
            readings.append((twin, snapshots.take({"pool": pool.tables()})))
        rows, ts = random_block(generator, ts)
        ordered_rows = rows_of(rows)
        snapshots.keep(ordered_rows.slot)
        reach = np.array([generator.choice((0, 10, 100)) for _ in pool.slots])
        are_read = snapshots.are_read
        pool.remember(ordered_rows, ordered_rows.value, ts - reach, is_read=are_read)
        assert are_read == bool(readings)
        if readings and generator.random() < 0.2:
            expected, arrays = readings.pop(0)
            again = SamplePool(samples_max)
            again.restore(
                {
                    name.removeprefix("pool|"): np.concatenate(
                        [np.empty((0, *array.shape[1:]), array.dtype), *array.chunks()]
                    )
                    for name, array in arrays.items()
                }
            )
            assert again.of_slot.tolist() == expected.of_slot.tolist()
            for place in range(len(expected.slots)):
                assert held(again, place) == held(expected, place)
    assert (pool.lost > 0) == (samples_max < 50)
