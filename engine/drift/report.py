"""A table's drift report: one reference, prepared once, and any number of windows against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from engine.drift.evidently_choice import (
    ColumnKind,
    DriftOptions,
    DriftTest,
    default_test,
    kind_of,
)
from engine.drift.samples import CategoricalSample, Categories, NoBinsError, NumericSample
from engine.drift.statistics import Sample
from engine.errors import UsageError

Column = NDArray[Any] | Categories
"""Numbers with NaN for nulls, encoded categories, or an array that is encoded here."""


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """What the report says of a column.

    Attributes
    ----------
    column : str
    kind : ColumnKind
    method : str
        Display name of the test; empty without a score.
    threshold : float or None
    score : float or None
        Distance or p-value; None if there is nothing to compare.
    drifted : bool
        Never without a score.
    no_data : str
        Why there is no score: ``reference`` or ``window`` without values, or ``bins``, a range
        that can't be cut into bins. Empty with a score.
    rows : int
        Values of the window that are no nulls.
    missing_share, reference_missing_share : float
        Nulls by rows, which no score sees; NaN without rows.
    """

    column: str
    kind: ColumnKind
    method: str
    threshold: float | None
    score: float | None
    drifted: bool
    no_data: str
    rows: int
    missing_share: float
    reference_missing_share: float


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What the report says of a table.

    Attributes
    ----------
    columns : tuple of ColumnDrift
        In the reference's order.
    drifted_columns : int
    drifted_share : float
        By columns with a score; 0 without any.
    drifted : bool
        Whether that share reaches the option `drift_share`; never without scores.
    """

    columns: tuple[ColumnDrift, ...]
    drifted_columns: int
    drifted_share: float
    drifted: bool


class Reference:
    """The reference of a table.

    Parameters
    ----------
    columns : mapping of column names
        Arrays of the same length.
    kinds : mapping of column names or None
        Numerical or categorical; what is left out goes by its type (`kind_of`).
    options : DriftOptions

    Raises
    ------
    UsageError
        If a column's kind is unknown or text, its values aren't of that kind, or a method isn't.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        kinds: Mapping[str, ColumnKind] | None = None,
        options: DriftOptions | None = None,
    ) -> None:
        self._options = options or DriftOptions()
        declared = kinds or {}
        self._columns = [
            self._prepared(name, values, declared.get(name) or _undeclared(values))
            for name, values in columns.items()
        ]

    def report(self, window: Mapping[str, Column]) -> DriftReport:
        """Compare a window with the reference; a column that it lacks has no data.

        Raises
        ------
        UsageError
            If a column's values aren't of its kind.
        """
        columns = tuple(column.drift_of(window.get(column.name)) for column in self._columns)
        scored = [column for column in columns if column.score is not None]
        drifted = sum(column.drifted for column in scored)
        share = drifted / len(scored) if scored else 0.0
        return DriftReport(
            columns, drifted, share, bool(scored) and share >= self._options.drift_share
        )

    def _prepared(self, name: str, values: Column, kind: ColumnKind | None) -> "_Column":
        if kind is None or kind is ColumnKind.TEXT:
            what = "text" if kind else "of unknown type"
            raise UsageError(f"column {name!r} is {what}: declare it numerical or categorical")
        return _Column(
            name,
            kind,
            _sample(name, values, kind, with_spread=True),
            self._options.test_of(name, kind),
            self._options.threshold_of(name, kind),
        )


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the reference."""

    name: str
    kind: ColumnKind
    sample: Sample
    test: DriftTest | None
    threshold: float | None

    def drift_of(self, values: Column | None) -> ColumnDrift:
        window = None if values is None else _sample(self.name, values, self.kind)
        if self.sample.rows == 0:
            return self._without_score(window, "reference")
        if window is None or window.rows == 0:
            return self._without_score(window, "window")
        test = self.test or default_test(self.sample, window)
        try:
            score = test.score(self.sample, window)
        except NoBinsError:
            return self._without_score(window, "bins")
        threshold = test.threshold if self.threshold is None else self.threshold
        return ColumnDrift(
            self.name,
            self.kind,
            test.display_name,
            threshold,
            score,
            test.is_drift(score, threshold),
            "",
            window.rows,
            _missing(window),
            _missing(self.sample),
        )

    def _without_score(self, window: Sample | None, reason: str) -> ColumnDrift:
        rows, missing = (window.rows, _missing(window)) if window else (0, float("nan"))
        return ColumnDrift(
            self.name, self.kind, "", None, None, False, reason, rows, missing,
            _missing(self.sample),
        )  # fmt: skip


def _undeclared(values: Column) -> ColumnKind | None:
    return ColumnKind.CATEGORICAL if isinstance(values, Categories) else kind_of(values)


def _sample(name: str, values: Column, kind: ColumnKind, *, with_spread: bool = False) -> Sample:
    if kind is ColumnKind.CATEGORICAL:
        column = values if isinstance(values, Categories) else Categories.of(values)
        return CategoricalSample(column)
    if isinstance(values, Categories) or values.dtype.kind not in "biuf":
        raise UsageError(f"column {name!r} is numerical, but its values are no numbers")
    return NumericSample(values, with_spread=with_spread)


def _missing(sample: Sample) -> float:
    return 1.0 - sample.rows / sample.offered if sample.offered else float("nan")
