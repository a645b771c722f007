"""Rings hold what a window can still reach, and no more than their bound."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.memory import NEVER, Newest, Rings
from engine.series.order import ordered

SLOTS = 3
BLOCKS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(1, 12)), max_size=25),
        st.integers(0, 40),  # window
    ),
    max_size=8,
)


def block_of(cells, base):
    """Rows of one block: timestamps of a block are above those of all before."""
    slot = np.array([slot for slot, _ in cells], np.int32)
    ts = np.array([base + step for _, step in cells], np.int64)
    return ordered(slot, ts, ts * 0.5, (ts % 2).astype(np.uint8), SLOTS)


def held(rings, slot):
    place = rings.of_slot[slot]
    order = (rings.head[place] + np.arange(rings.count[place])) % rings.ts.shape[1]
    return list(
        zip(
            rings.ts[place, order].tolist(),
            rings.value[place, order].tolist(),
            rings.flags[place, order].tolist(),
            strict=True,
        )
    )


def run(blocks, samples_max):
    rings = Rings(samples_max)
    rings.grow(SLOTS)
    rings.watch(np.array([2, 0], np.int32))
    twin, lost = {0: [], 2: []}, 0
    for number, (cells, window) in enumerate(blocks):
        base = 12 * number
        rows = block_of(cells, base)
        keep_after = base + 12 - window
        rings.remember(rows, rows.value, keep_after)
        for slot, kept in twin.items():
            new = sorted({base + step for at, step in cells if at == slot})
            reached = [ts for ts in [*kept, *new] if ts > keep_after]
            lost += max(0, len(reached) - samples_max)
            twin[slot] = reached[-samples_max:]
        yield rings, twin, lost


@settings(max_examples=300, deadline=None, derandomize=True)
@given(BLOCKS, st.sampled_from([1, 3, 8, 1000]))
def test_rings_equal_lists(blocks, samples_max):
    for rings, twin, lost in run(blocks, samples_max):
        for slot, kept in twin.items():
            assert held(rings, slot) == [(ts, ts * 0.5, ts % 2) for ts in kept]
        assert rings.of_slot[1] == -1
        assert rings.lost == lost
        assert rings.ts.shape[1] <= samples_max


def test_rings_go_on_from_their_arrays():
    rings = Rings(100)
    rings.grow(SLOTS)
    rings.watch(np.array([1], np.int32))
    rings.remember(*with_values(block_of([(1, 3), (1, 5)], 0)), keep_after=0)
    again = Rings(100)
    again.restore({name: array.copy() for name, array in rings.arrays().items()})
    again.watch(np.array([0, 1], np.int32))
    for ring in (rings, again):
        ring.remember(*with_values(block_of([(1, 1)], 12)), keep_after=3)
    assert held(again, 1) == held(rings, 1) == [(5, 2.5, 1), (13, 6.5, 1)]
    assert held(again, 0) == []


def with_values(rows):
    return rows, rows.value


def test_the_newest_sample_of_each_slot():
    newest = Newest()
    newest.grow(SLOTS)
    newest.remember(*with_values(block_of([(0, 2), (0, 9), (1, 4)], 0)))
    newest.remember(*with_values(block_of([(1, 1)], 12)))
    assert newest.ts.tolist() == [9, 13, NEVER]
    newest.grow(SLOTS + 1)
    again = Newest()
    again.restore({name: array.copy() for name, array in newest.arrays().items()})
    assert again.ts.tolist() == [9, 13, NEVER, NEVER]
    assert again.value.tolist() == [4.5, 6.5, 0.0, 0.0]
    assert again.flags.tolist() == [1, 1, 0, 0]
