"""The newest sample of each slot is that of its last row, whatever the blocks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.memory import NEVER, Newest
from engine.series.order import ordered

SLOTS = 3
BLOCKS = st.lists(
    st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(1, 12)), max_size=9), max_size=6
)


def block_of(cells, base):
    """Rows of one block: timestamps of a block are above those of all before."""
    slot = np.array([slot for slot, _ in cells], np.int32)
    ts = np.array([base + step for _, step in cells], np.int64)
    return ordered(slot, ts, ts * 0.5, (ts % 2).astype(np.uint8), SLOTS)


def held(newest):
    columns = newest.ts.tolist(), newest.value.tolist(), newest.flags.tolist()
    return list(zip(*columns, strict=True))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(BLOCKS)
def test_it_is_the_last_row_of_all_blocks(blocks):
    newest = Newest()
    newest.grow(SLOTS)
    twin = [(NEVER, 0.0, 0)] * SLOTS
    for number, cells in enumerate(blocks):
        base = 12 * number
        rows = block_of(cells, base)
        newest.remember(rows, rows.value)
        for slot, step in sorted(cells):
            ts = base + step
            twin[slot] = ts, ts * 0.5, ts % 2
        assert held(newest) == twin


def test_it_goes_on_from_its_arrays_and_with_more_slots():
    newest = Newest()
    newest.grow(SLOTS)
    rows = block_of([(0, 2), (0, 9), (1, 4)], 0)
    newest.remember(rows, -rows.value)  # a detector's values in place of the rows' own
    again = Newest()
    again.restore({name: array.copy() for name, array in newest.arrays().items()})
    again.grow(SLOTS + 1)
    assert held(again) == [(9, -4.5, 1), (4, -2.0, 0), (NEVER, 0.0, 0), (NEVER, 0.0, 0)]
