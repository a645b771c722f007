"""A reference is prepared once; columns that can't be compared have a state, not a verdict."""

import math

import numpy as np
import pytest

from engine.drift.evidently_choice import ColumnKind, DriftOptions
from engine.drift.report import Reference
from engine.drift.samples import Categories
from engine.errors import UsageError

ROWS = np.arange(2000.0)


def only(report):
    (column,) = report.columns
    return column


def test_a_moved_column_has_drifted_and_says_by_what():
    reference = Reference({"a": ROWS})
    column = only(reference.report({"a": ROWS + 1000.0}))
    assert (column.column, column.kind, column.no_data) == ("a", ColumnKind.NUMERICAL, "")
    assert (column.method, column.threshold) == ("Wasserstein distance (normed)", 0.1)
    assert column.score == pytest.approx(1000.0 / np.std(ROWS))
    assert column.drifted
    assert not only(reference.report({"a": ROWS[::2]})).drifted


def test_windows_leave_the_reference_as_it_is():
    reference = Reference({"a": ROWS, "b": Categories(np.zeros(2000, np.int32), ("x",))})
    window = {"a": ROWS[:50], "b": np.array(["x", "y", None], object)}
    first = reference.report(window)
    reference.report({"a": ROWS * 3.0, "b": np.array(["z"], object)})
    assert reference.report(window) == first


def test_nulls_are_no_drift_but_are_told():
    window = np.concatenate([ROWS, np.full(6000, np.nan)])
    column = only(Reference({"a": np.append(ROWS, np.inf)}).report({"a": window}))
    assert column.score == 0.0
    assert (column.rows, column.missing_share) == (2000, 0.75)
    assert column.reference_missing_share == pytest.approx(1 / 2001)


@pytest.mark.parametrize(
    ("reference", "window", "state"),
    [
        (ROWS, np.full(3, np.nan), "window"),
        (ROWS, ROWS[:0], "window"),
        (ROWS, None, "window"),
        (np.full(3, np.inf), ROWS, "reference"),
        (ROWS[:0], None, "reference"),
    ],
)
def test_nothing_to_compare_is_a_state(reference, window, state):
    report = Reference({"a": reference}).report({} if window is None else {"a": window})
    column = only(report)
    assert (column.no_data, column.score, column.threshold) == (state, None, None)
    assert not column.drifted
    assert (report.drifted_columns, report.drifted_share, report.drifted) == (0, 0.0, False)


def test_a_missing_column_has_no_missing_share():
    column = only(Reference({"a": ROWS}).report({}))
    assert column.rows == 0
    assert math.isnan(column.missing_share)


def test_a_range_that_has_no_bins_is_a_state():
    values = 1e17 + 16.0 * (np.arange(2000) % 30)
    reference = Reference({"a": values}, options=DriftOptions(method="psi"))
    assert only(reference.report({"a": values})).no_data == ""
    far = np.array([1e17, 1.7e308, -1.7e308])
    assert only(reference.report({"a": far})).no_data == "bins"


@pytest.mark.parametrize(("share", "drifted"), [(0.5, True), (0.51, False)])
def test_a_table_has_drifted_from_its_share_on(share, drifted):
    columns = {"a": ROWS, "b": ROWS, "nothing": np.full(3, np.nan)}
    reference = Reference(columns, options=DriftOptions(drift_share=share))
    report = reference.report({"a": ROWS + 1e3, "b": ROWS, "nothing": ROWS})
    assert (report.drifted_columns, report.drifted_share) == (1, 0.5)
    assert report.drifted is drifted


def test_declared_kinds_go_before_types():
    kinds = {"a": ColumnKind.CATEGORICAL}
    column = only(Reference({"a": ROWS}, kinds).report({"a": ROWS}))
    assert column.method == "Jensen-Shannon distance"


@pytest.mark.parametrize(
    ("columns", "kinds", "message"),
    [
        ({"a": np.array(["x", "y"])}, None, "column 'a' is text"),
        ({"a": np.zeros(2, np.uint8)}, None, "column 'a' is of unknown type"),
        ({"a": np.array(["x"])}, {"a": ColumnKind.NUMERICAL}, "column 'a' is numerical, but"),
    ],
)
def test_columns_that_have_no_test_are_refused(columns, kinds, message):
    with pytest.raises(UsageError, match=message):
        Reference(columns, kinds)
