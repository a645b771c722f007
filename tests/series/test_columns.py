"""Columns are taken row by row, together."""

import numpy as np

from engine.series.columns import Columns


def test_rows_are_taken_by_mask_index_and_slice():
    columns = Columns(
        np.array([7, 8, 9], np.uint64), np.array([1, 2, 3]), np.array([0.1, 0.2, 0.3]),
        np.array([0, 1, 0], np.uint8),
    )  # fmt: skip
    for index in (np.array([False, True, True]), np.array([1, 2]), slice(1, 3)):
        part = columns.take(index)
        assert len(part) == 2
        assert part.fingerprint.tolist() == [8, 9]
        assert part.ts.tolist() == [2, 3]
        assert part.value.tolist() == [0.2, 0.3]
        assert part.flags.tolist() == [1, 0]


def test_empty_columns_have_the_right_types():
    empty = Columns.empty()
    assert len(empty) == 0
    types = [column.dtype for column in (empty.fingerprint, empty.ts, empty.value, empty.flags)]
    assert types == [np.uint64, np.int64, np.float64, np.uint8]
