"""Kept windows against their kept reference: Evidently's statistics and verdict, honest p-values.

The first statistic of each feature is the one that Evidently 0.7.23 would choose, and its verdict
on it is the gauge ``evidently_drifted``. Evidently takes the reference for exact in some of its
p-values; those here count both sides as samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.drift.compare import DEFAULT_METHODS, ROWS_MIN, Methods
from engine.drift.compare_detail import TRUTHS, details
from engine.drift.compare_novelty import out_of_range_statistic, unseen_statistic
from engine.drift.compare_shares import share_statistic
from engine.drift.evidently_choice import ColumnKind, DriftOptions
from engine.drift.exact_statistics import METHODS_BY_DISPLAY, asked_statistic, exact_statistic
from engine.drift.exact_window import ExactWindow
from engine.drift.findings import FeatureDrift, Moved, Picture, Statistic
from engine.drift.grid import FeatureGrid, Grid
from engine.drift.report import Column as ReportColumn
from engine.drift.report import ColumnDrift, Reference
from engine.drift.samples import CategoricalSample, Categories, NumericSample, PairedCounts
from engine.drift.statistics import Sample
from engine.drift.summary import Summary

__all__ = ["ExactReference", "ExactWindow", "compare_exact"]

Details = tuple[tuple[Moved, ...], Picture | None]


def compare_exact(
    reference: ExactWindow,
    window: ExactWindow,
    *,
    methods: Methods = DEFAULT_METHODS,
    rows_min: int = ROWS_MIN,
    names: Mapping[str, Sequence[str]] | None = None,
    detail: bool = False,
    options: DriftOptions | None = None,
) -> tuple[FeatureDrift, ...]:
    """Compare one window with a reference; for more of them, see `ExactReference`."""
    prepared = ExactReference(reference, names, options)
    return prepared.compare(window, methods=methods, rows_min=rows_min, names=names, detail=detail)


class ExactReference:
    """A reference whose rows are kept, prepared once for any number of windows.

    Parameters
    ----------
    reference : ExactWindow
        What is added to it later doesn't count.
    names : mapping of str to sequence of str, optional
        Categories by code.
    options : DriftOptions or None
        Evidently's names of tests and thresholds, where its defaults aren't wanted.

    Raises
    ------
    UsageError
        If a method isn't known, or isn't for a column's kind.
    """

    @np.errstate(all="ignore")  # what overflows has no finite score, and is left out
    def __init__(
        self,
        reference: ExactWindow,
        names: Mapping[str, Sequence[str]] | None = None,
        options: DriftOptions | None = None,
    ) -> None:
        self.grid = reference.grid
        grids = reference.grid.features
        columns = {name: _column(reference, grid, names or {}) for name, grid in grids.items()}
        kinds = {name: _kind(grid) for name, grid in grids.items()}
        self._report = Reference(columns, kinds, options)
        self._rows = reference.rows
        self._missing = {name: reference.missing(grid) for name, grid in grids.items()}
        self._samples = {
            name: _sample(column, with_spread=True) for name, column in columns.items()
        }
        self._columns = {name: reference.column(name) for name in grids}

    @np.errstate(all="ignore")
    def compare(
        self,
        window: ExactWindow,
        *,
        methods: Methods = DEFAULT_METHODS,
        rows_min: int = ROWS_MIN,
        names: Mapping[str, Sequence[str]] | None = None,
        detail: bool = False,
    ) -> tuple[FeatureDrift, ...]:
        """Compare a window with the reference, feature by feature.

        Parameters
        ----------
        window : ExactWindow
            Of the same features.
        methods, rows_min, names, detail
            As in `engine.drift.compare.compare`. Evidently's choice comes first, whatever the
            methods are, and its verdict doesn't mind `rows_min`. Distances of numbers that are
            compared bin by bin are on Evidently's bins.

        Returns
        -------
        tuple of FeatureDrift
            In the grid's order. Besides the gauges of sketches there is ``evidently_drifted``, 1 or
            0, where there is a score; and ``exact_ratio``, the share of the window's rows that are
            kept, where not all are.

        Raises
        ------
        ValueError
            If the features differ.
        """
        if not self.grid.same_as(window.grid):
            raise ValueError("windows of different features can't be compared")
        features = self.grid.features
        columns = {name: _column(window, grid, names or {}) for name, grid in features.items()}
        moved = self._details(window, names or {}) if detail else {}
        found = []
        for drift in self._report.report(columns).columns:
            grid = features[drift.column]
            own, other = self._samples[grid.name], _sample(columns[grid.name])
            asked = methods.get(grid.kind, DEFAULT_METHODS[grid.kind])
            statistics = list(self._missing_share(window, grid, asked, rows_min))
            if min(own.rows, other.rows) >= max(rows_min, 1):
                of_values = _value_statistics(own, other, drift, asked)
                statistics = [*(one for one in of_values if isfinite(one.score)), *statistics]
            gauges = _gauges(window, grid, own, other)
            if drift.score is not None:
                gauges["evidently_drifted"] = float(drift.drifted)
                gauges["evidently_score"] = drift.score
            found.append(
                FeatureDrift(
                    *(grid.name, grid.kind, other.rows, own.rows, tuple(statistics), gauges),
                    *moved.get(grid.name, ((), None)),
                )
            )
        return tuple(found)

    def _missing_share(
        self, window: ExactWindow, grid: FeatureGrid, methods: Sequence[str], rows_min: int
    ) -> Iterator[Statistic]:
        if "missing" in methods and min(self._rows, window.rows) >= max(rows_min, 1):
            counts = window.missing(grid), window.rows, self._missing[grid.name], self._rows
            yield share_statistic("missing", *counts)

    def _details(
        self, window: ExactWindow, names: Mapping[str, Sequence[str]]
    ) -> dict[str, Details]:
        own = _summary(self.grid, self._columns)
        other = _summary(self.grid, {name: window.column(name) for name in self._columns})
        return {
            name: details(own.feature(name), other.feature(name), names.get(name, ()))
            for name in self._columns
        }


def _value_statistics(
    own: Sample, other: Sample, drift: ColumnDrift, methods: Sequence[str]
) -> Iterator[Statistic]:
    """Evidently's statistic, and the others that are asked for; neither side is empty."""
    chosen = ""
    if drift.score is not None:
        chosen = METHODS_BY_DISPLAY[drift.method]
        yield exact_statistic(chosen, drift.score, own, other)
    for method in methods:
        if method == "unseen":
            counts = _category_counts(own, other)
            yield unseen_statistic(counts.reference, counts.window)
        elif method == "out_of_range":
            yield out_of_range_statistic(_out_of_range(own, other), other.rows, own.rows)
        elif method not in {chosen, "missing"}:
            found = asked_statistic(method, own, other)
            if found is not None:
                yield found


def _summary(grid: Grid, columns: Mapping[str, NDArray[Any]]) -> Summary:
    summary = Summary(grid)
    kinds = grid.features
    summary.add({name: Column(kinds[name].kind, values) for name, values in columns.items()})
    return summary


def _kind(grid: FeatureGrid) -> ColumnKind:
    return ColumnKind.NUMERICAL if grid.is_numeric else ColumnKind.CATEGORICAL


def _column(
    window: ExactWindow, grid: FeatureGrid, names: Mapping[str, Sequence[str]]
) -> ReportColumn:
    values = window.column(grid.name)
    if grid.is_numeric:
        return values
    if grid.kind is Kind.BOOLEAN:
        return Categories(values.astype(np.int32), TRUTHS)
    known = names.get(grid.name, ())
    size = max(len(known), int(values.max(initial=-1)) + 1)
    later = (f"#{code}" for code in range(len(known), size))
    return Categories(values, (*known, *later) if size > len(known) else known)


def _sample(column: ReportColumn, *, with_spread: bool = False) -> Sample:
    if isinstance(column, Categories):
        return CategoricalSample(column)
    return NumericSample(column, with_spread=with_spread)


def _category_counts(own: Sample, other: Sample) -> PairedCounts:
    if not (isinstance(own, CategoricalSample) and isinstance(other, CategoricalSample)):
        raise TypeError("reference and window are no categories")
    return own.counts_with(other)


def _out_of_range(own: Sample, other: Sample) -> int:
    """Count values below the reference's smallest or above its largest one."""
    if not (isinstance(own, NumericSample) and isinstance(other, NumericSample)):
        return 0
    below = int(np.searchsorted(other.values, own.values[0]))
    return below + other.rows - int(np.searchsorted(other.values, own.values[-1], side="right"))


def _gauges(window: ExactWindow, grid: FeatureGrid, own: Sample, other: Sample) -> dict[str, float]:
    """Give the gauges that sketches have, too, of the rows that are kept."""
    gauges: dict[str, float] = {}
    if window.rows:
        gauges["missing_ratio"] = window.missing(grid) / window.rows
        gauges["changed_ratio"] = window.changed(grid) / window.rows
        if not window.is_exact:
            gauges["exact_ratio"] = window.kept / window.rows
    if not other.rows:
        return gauges
    if grid.kind is Kind.CATEGORICAL and own.rows:
        counts = _category_counts(own, other)
        gauges["unseen_ratio"] = int(counts.window[counts.reference == 0].sum()) / other.rows
    if isinstance(other, CategoricalSample):
        gauges["distinct_values"] = float(np.count_nonzero(other.counts))
        if grid.kind is Kind.BOOLEAN:
            gauges["mean"] = int(other.counts[1]) / other.rows
        return gauges
    values = other.values  # in ascending order, so that sums are always the same
    gauges["distinct_values"] = float(other.distinct_with(other, other.rows + 1))
    mean = float(np.mean(values))
    if isfinite(mean):
        gauges["mean"] = mean
    if own.rows:
        gauges["out_of_range_ratio"] = _out_of_range(own, other) / other.rows
    return gauges
