"""Arrays grow as lists would, without being copied and without memory for what is empty."""

import errno
import mmap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.reserved import SlotArrays

EMPTY = {
    "row": np.array([np.inf, -0.0, 3.0]),
    "number": np.array(-1, np.int32),
    "zeros": np.zeros(4, np.uint8),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 1500)), max_size=8),
    st.lists(st.floats(), min_size=8, max_size=8),
)
def test_growing_is_appending_empty_rows(steps, values):
    arrays, twin = SlotArrays(EMPTY), {name: [] for name in EMPTY}
    for (rows, limit), value in zip(steps, values, strict=False):
        arrays.grow(rows, limit)
        for name, empty in EMPTY.items():
            twin[name] += [empty.copy() for _ in range(rows - len(twin[name]))]
        assert len(arrays) == len(twin["row"])
        if len(arrays):
            arrays["row"][-1] = value
            twin["row"][-1][:] = value
            arrays["number"][len(arrays) // 2] = 5
            twin["number"][len(arrays) // 2][...] = 5
        for name, array in arrays.arrays().items():
            assert array.dtype == EMPTY[name].dtype
            expected = np.array(twin[name], EMPTY[name].dtype).reshape(-1, *EMPTY[name].shape)
            assert array.tobytes() == expected.tobytes()


def test_within_the_limit_rows_stay_where_they_are():
    arrays = SlotArrays(EMPTY)
    arrays.grow(300, 5000)
    first = arrays["row"]
    for rows in range(400, 5001, 100):
        arrays.grow(rows, 5000)
    assert np.shares_memory(first, arrays["row"])
    arrays.grow(5001, 5000)
    assert not np.shares_memory(first, arrays["row"])


def test_where_room_is_refused_there_is_less(monkeypatch):
    make, refused = mmap.mmap, []

    def strict(handle, size, **options):
        if size > 100_000:
            refused.append(size)
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return make(handle, size, **options)

    monkeypatch.setattr(mmap, "mmap", strict)
    arrays = SlotArrays({"number": np.array(7)})
    for rows in (100, 300, 500, 5000):
        arrays.grow(rows, 10**6)
        assert arrays["number"].tolist() == [7] * rows
    assert refused == [8 * 10**6] * 3


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="only Linux says what is resident"
)
def test_room_takes_no_memory():
    arrays = SlotArrays({"wide": np.zeros(1000)})
    before = resident_bytes()
    arrays.grow(1000, 1_000_000)  # 8 GB of room, 8 MB of empty rows
    assert resident_bytes() - before < 2**20
    arrays["wide"][:500] = 1.0
    assert resident_bytes() - before > 3 * 2**20


def test_a_restored_one_goes_on():
    arrays, again = SlotArrays(EMPTY), SlotArrays(EMPTY)
    arrays.grow(3)
    arrays["number"][:] = [4, 5, 6]
    again.grow(2)
    again.restore(arrays.arrays())
    arrays["number"][:] = 0
    again.grow(5)
    assert again["number"].tolist() == [4, 5, 6, -1, -1]
    assert again["row"][:, 2].tolist() == [3.0] * 5


@pytest.mark.parametrize(
    "change",
    [
        {"row": np.zeros((3, 2))},
        {"row": np.zeros((3, 3), np.float32)},
        {"row": np.zeros((2, 3))},
        {"other": np.zeros(3)},
    ],
)
def test_another_layout_is_refused(change):
    arrays = SlotArrays(EMPTY)
    arrays.grow(3)
    with pytest.raises(ValueError, match=r"row|other"):
        arrays.restore(arrays.arrays() | change)
