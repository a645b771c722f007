"""Windows whose rows are kept.

Aim: the scores and verdicts are those of Evidently's report on the same rows, p-values are honest,
and kept rows merge, are bounded and come back as summaries do. Method: against the report, SciPy,
and one window of all rows.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from engine.codecs.predictions import Column, Kind
from engine.drift.compare import METHODS, compare
from engine.drift.evidently_choice import ColumnKind, DriftOptions
from engine.drift.exact import ExactReference, ExactWindow, compare_exact
from engine.drift.grid import Grid
from engine.drift.report import Reference
from engine.drift.samples import Categories
from engine.drift.summary import Summary

NAMES = ("red", "blue", "green", "grey")
ALL = {kind: METHODS[kind] for kind in METHODS}


def table(rng, rows, shift=0.0, colours=3):
    values = rng.normal(shift, 1.0, rows)
    values[rng.random(rows) < 0.1] = np.nan
    return {
        "number": Column(Kind.NUMERIC, values),
        "few": Column(Kind.NUMERIC, rng.integers(0, 4, rows).astype(float)),
        "length": Column(Kind.TEXT, rng.integers(0, 90, rows).astype(float)),
        "flag": Column(Kind.BOOLEAN, rng.integers(-1, 2, rows, np.int8)),
        "colour": Column(Kind.CATEGORICAL, rng.integers(-1, colours, rows, np.int32), NAMES),
    }


def window_of(grid, columns, rows_max=100_000):
    window = ExactWindow(grid, rows_max)
    window.add(columns)
    return window


def arrays_of(columns):
    """Columns as a report takes them."""
    found = {}
    for name, column in columns.items():
        found[name] = column.values
        if column.kind is Kind.CATEGORICAL:
            found[name] = Categories(column.values, column.names)
        elif column.kind is Kind.BOOLEAN:
            found[name] = Categories(column.values.astype(np.int32), ("false", "true"))
    return found


def both(reference, window, **options):
    grid = Grid.learn(reference)
    sides = window_of(grid, reference), window_of(grid, window)
    names = {"colour": NAMES}
    found = compare_exact(*sides, names=names, **options)
    return {drift.feature: drift for drift in found}


def same_bits(left, right):
    own, others = left.arrays(), right.arrays()
    assert own.keys() == others.keys()
    return all(own[name].tobytes() == others[name].tobytes() for name in own)


@pytest.mark.parametrize("rows", [900, 1_500])
@pytest.mark.parametrize("seed", range(4))
def test_verdicts_and_distances_are_those_of_the_report(rows, seed):
    rng = np.random.default_rng(seed)
    reference, window = table(rng, rows), table(rng, 500, seed * 0.1, 3 + seed % 2)
    kinds = {"few": ColumnKind.NUMERICAL}
    report = Reference(arrays_of(reference), kinds).report(arrays_of(window))
    found = both(reference, window)
    own_names = {
        "K-S p_value": "ks",
        "chi-square p_value": "chi_square",
        "Z-test p_value": "z",
        "Wasserstein distance (normed)": "wasserstein",
        "Jensen-Shannon distance": "jensen_shannon",
    }
    assert len(report.columns) == len(found) == 5
    for column in report.columns:
        drift = found[column.column]
        first = drift.statistics[0]
        assert first.method == own_names[column.method]
        assert drift.gauges["evidently_drifted"] == column.drifted
        if first.method == "ks":
            assert first.p_value == column.score
        elif first.method in {"wasserstein", "jensen_shannon"}:
            assert first.score == column.score
        assert 0.0 <= first.p_value <= 1.0


def test_p_values_count_both_sides():
    rng = np.random.default_rng(3)
    reference, window = table(rng, 800), table(rng, 500, 0.2)
    found = both(reference, window, methods=ALL)
    number = {one.method: one for one in found["number"].statistics}
    own, other = (
        side["number"].values[~np.isnan(side["number"].values)] for side in (reference, window)
    )
    expected = stats.ks_2samp(own, other)
    assert number["ks"].score == pytest.approx(expected.statistic, abs=1e-12)
    assert number["ks"].p_value == pytest.approx(expected.pvalue, abs=1e-9)
    colour = {one.method: one for one in found["colour"].statistics}
    counts = [np.bincount(side["colour"].values + 1)[1:] for side in (reference, window)]
    expected = stats.chi2_contingency(np.array(counts), correction=False)
    per_row = 1.0 / counts[0].sum() + 1.0 / counts[1].sum()
    assert colour["chi_square"].score == pytest.approx(expected.statistic * per_row, rel=1e-9)
    assert colour["chi_square"].p_value == pytest.approx(expected.pvalue, rel=0.05)
    flags = [np.bincount(side["flag"].values + 1)[1:] for side in (reference, window)]
    flag = {one.method: one for one in found["flag"].statistics}
    shares = [count[1] / count.sum() for count in flags]
    assert flag["z"].score == pytest.approx(shares[1] - shares[0])


def test_sketches_say_the_same_to_a_thousandth():
    rng = np.random.default_rng(4)
    reference, window = table(rng, 12_000), table(rng, 12_000, 0.1, 4)
    exact = both(reference, window, methods=ALL)
    grid = Grid.learn(reference)
    sides = [Summary(grid), Summary(grid)]
    for side, columns in zip(sides, (reference, window), strict=True):
        side.add(columns)
    names = {"colour": NAMES}
    on_bins = {"psi", "kl", "jensen_shannon", "hellinger", "chi_square"}
    for drift in compare(*sides, methods=ALL, names=names, detail=True):
        other = exact[drift.feature]
        assert (drift.rows, drift.reference_rows) == (other.rows, other.reference_rows)
        expected = {one.method: one.score for one in other.statistics}
        own = {one.method: one.score for one in drift.statistics}
        assert own.keys() == expected.keys()
        binned = on_bins if drift.feature in {"number", "length"} else {"hellinger"}
        for method in own.keys() - binned:
            assert own[method] == pytest.approx(expected[method], abs=1e-3), method
        for gauge in drift.gauges.keys() - {"distinct_values"}:
            assert drift.gauges[gauge] == pytest.approx(other.gauges[gauge], abs=1e-6), gauge


def test_details_are_those_of_sketches():
    rng = np.random.default_rng(5)
    reference, window = table(rng, 900), table(rng, 500, 2.0, 4)
    grid = Grid.learn(reference)
    sides = [Summary(grid), Summary(grid)]
    for side, columns in zip(sides, (reference, window), strict=True):
        side.add(columns)
    expected = compare(*sides, names={"colour": NAMES}, detail=True)
    found = both(reference, window, detail=True)
    for drift in expected:
        assert found[drift.feature].moved == drift.moved
        assert found[drift.feature].picture == drift.picture


def test_options_choose_evidentlys_test():
    rng = np.random.default_rng(6)
    sides = table(rng, 900), table(rng, 500)
    options = DriftOptions(method="psi", threshold=1e-9)
    found = both(*sides, options=options)
    for drift in found.values():
        assert drift.statistics[0].method == "psi"
        assert drift.gauges["evidently_drifted"] == 1.0


def test_with_few_values_there_is_evidentlys_verdict_alone():
    rng = np.random.default_rng(7)
    found = both(table(rng, 900), table(rng, 40))
    assert all(drift.statistics == () for drift in found.values())
    assert all("evidently_drifted" in drift.gauges for drift in found.values())
    found = both(table(rng, 900), {"number": Column(Kind.NUMERIC, np.full(60, np.nan))})
    assert [one.method for one in found["number"].statistics] == ["missing"]
    assert "evidently_drifted" not in found["number"].gauges
    assert found["colour"].gauges["missing_ratio"] == 1.0


def test_a_reference_is_prepared_once():
    rng = np.random.default_rng(8)
    reference = table(rng, 900)
    grid = Grid.learn(reference)
    kept = window_of(grid, reference)
    prepared = ExactReference(kept)
    window = window_of(grid, table(rng, 500, 0.5))
    expected = prepared.compare(window, detail=True)
    kept.add(table(rng, 900, 5.0))
    assert prepared.compare(window, detail=True) == expected
    with pytest.raises(ValueError, match="different features"):
        prepared.compare(ExactWindow(Grid.learn({})))


@pytest.mark.parametrize("rows_max", [10_000, 250, 90])
def test_merged_windows_are_the_window_of_all_rows(rows_max):
    rng = np.random.default_rng(rows_max)
    columns = table(rng, 300)
    columns["number"].values[::3] = -0.0
    later = {**table(rng, 100), "length": Column(Kind.BOOLEAN, np.ones(100, np.int8))}
    later["new"] = later["flag"]
    grid = Grid.learn(columns)
    whole = window_of(grid, columns, rows_max)
    whole.add(later)
    cuts = [0, 70, 71, 71, 300]
    merged = ExactWindow(grid, rows_max)
    for start, stop in pairwise(cuts):
        part = ExactWindow(grid, rows_max)
        part.add(columns, slice(start, stop))
        merged.merge(part)
    merged.merge(window_of(grid, later, rows_max))
    assert same_bits(merged, whole)
    assert (merged.rows, merged.kept) == (400, min(400, rows_max))
    assert merged.is_exact == (rows_max > 400)
    assert merged.changed(grid.features["length"]) == 100
    assert merged.strangers == np.count_nonzero(later["flag"].values >= 0)
    with pytest.raises(ValueError, match="different features"):
        merged.merge(ExactWindow(Grid.learn({})))


def test_rows_beyond_the_bound_are_told():
    rng = np.random.default_rng(9)
    reference = table(rng, 500)
    grid = Grid.learn(reference)
    found = compare_exact(window_of(grid, reference), window_of(grid, table(rng, 400), 100))
    assert all(drift.gauges["exact_ratio"] == 0.25 for drift in found)
    assert all(drift.rows <= 100 for drift in found)


def test_a_window_comes_back_from_its_arrays():
    rng = np.random.default_rng(10)
    grid = Grid.learn(table(rng, 100))
    window = window_of(grid, table(rng, 50))
    kept = {name: array.copy() for name, array in window.arrays().items()}
    back = ExactWindow(grid)
    back.restore(kept)
    assert same_bits(back, window)
    for one in (back, window):
        one.add(table(np.random.default_rng(1), 30), np.arange(0, 30, 2))
    assert same_bits(back, window)
    assert back.nbytes == window.nbytes > 0
    assert same_bits(window_of(grid, {}), ExactWindow(grid))


def test_codes_without_a_name_are_categories_all_the_same():
    codes = np.repeat(np.array([0, 1, 5], np.int32), 40)
    grid = Grid.learn({"c": Column(Kind.CATEGORICAL, codes[:80], ("a", "b"))})
    sides = [ExactWindow(grid), ExactWindow(grid)]
    for side, values in zip(sides, (codes[:80], codes), strict=True):
        side.add({"c": Column(Kind.CATEGORICAL, values, ())})
    (found,) = compare_exact(*sides)
    assert found.gauges["unseen_ratio"] == pytest.approx(1 / 3)
    assert not math.isnan(found.statistics[0].score)


def test_values_that_overflow_sums_leave_finite_numbers():
    rng = np.random.default_rng(12)
    reference = {"x": Column(Kind.NUMERIC, rng.normal(size=2_000) * 1e300)}
    window = {"x": Column(Kind.NUMERIC, rng.normal(size=500) * 1e307 + 2e307)}
    (drift,) = both(reference, window, methods=ALL).values()
    assert {"ks", "missing"} <= {one.method for one in drift.statistics}
    assert all(math.isfinite(one.score) for one in drift.statistics)
    assert all(math.isfinite(gauge) for gauge in drift.gauges.values())
