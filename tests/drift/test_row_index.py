"""Rows by index: a slice where it gives the same rows, and only there."""

import numpy as np
import pytest

from engine.drift.row_index import as_slice


@pytest.mark.parametrize("index", [[0], [3, 4, 5], [0, 1, 2, 3]])
def test_a_run_of_rows_is_a_slice(index):
    found = as_slice(np.array(index))
    assert isinstance(found, slice)
    assert np.arange(9)[found].tolist() == index


@pytest.mark.parametrize("index", [[], [0, 2], [0, 0, 2], [0, 1, 1, 3], [2, 1, 0], [1, 0]])
def test_other_rows_stay_places(index):
    places = np.array(index, np.int64)
    assert as_slice(places) is places


def test_what_is_no_array_stays_as_it_is():
    assert as_slice(None) is None
    assert as_slice(slice(2, 5)) == slice(2, 5)
