"""Which test a column gets, at which threshold, by the rules of Evidently 0.7.23."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.samples import CategoricalSample, NumericSample
from engine.drift.statistics import (
    Sample,
    chi_square_p_value,
    hellinger_score,
    js_score,
    kl_score,
    ks_p_value,
    psi_score,
    wasserstein_score,
    z_p_value,
)
from engine.errors import UsageError

SMALL_REFERENCE_ROWS = 1000
"""References up to this size are judged by p-values, larger ones by distances."""

FEW_VALUES = 5
"""Numbers with at most so many distinct values are judged as categories."""

CATEGORICAL_INTEGERS = 10
"""A column of whole numbers with at most so many distinct values is categorical."""


class ColumnKind(StrEnum):
    """Type of a column, by Evidently's short names."""

    NUMERICAL = "num"
    CATEGORICAL = "cat"
    TEXT = "text"


class Drifts(StrEnum):
    """How a score is held against its threshold."""

    AT_MOST = "<="
    BELOW = "<"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class DriftTest:
    """A statistic with its threshold.

    Attributes
    ----------
    name, display_name : str
        As Evidently's options and reports call it.
    threshold : float
        The default.
    drifts : Drifts
        On which side of the threshold a column has drifted.
    kinds : frozenset of ColumnKind
        Columns that may ask for it by name.
    score : callable
        Of the reference's sample and the window's.
    """

    name: str
    display_name: str
    threshold: float
    drifts: Drifts
    kinds: frozenset[ColumnKind]
    score: Callable[[Any, Any], float]

    def is_drift(self, score: float, threshold: float) -> bool:
        """Whether a score means drift; NaN never does."""
        if self.drifts is Drifts.AT_LEAST:
            return score >= threshold
        return score <= threshold if self.drifts is Drifts.AT_MOST else score < threshold


_NUMERICAL = frozenset({ColumnKind.NUMERICAL})
_CATEGORICAL = frozenset({ColumnKind.CATEGORICAL})
_BOTH = _NUMERICAL | _CATEGORICAL

KS = DriftTest("ks", "K-S p_value", 0.05, Drifts.AT_MOST, _NUMERICAL, ks_p_value)
WASSERSTEIN = DriftTest(
    *("wasserstein", "Wasserstein distance (normed)", 0.1, Drifts.AT_LEAST),
    *(_NUMERICAL, wasserstein_score),
)
CHI_SQUARE = DriftTest(
    *("chisquare", "chi-square p_value", 0.05, Drifts.BELOW, _CATEGORICAL, chi_square_p_value),
)
Z = DriftTest("z", "Z-test p_value", 0.05, Drifts.BELOW, _CATEGORICAL, z_p_value)
JENSEN_SHANNON = DriftTest(
    *("jensenshannon", "Jensen-Shannon distance", 0.1, Drifts.AT_LEAST, _BOTH, js_score),
)
KULLBACK_LEIBLER = DriftTest(
    *("kl_div", "Kullback-Leibler divergence", 0.1, Drifts.AT_LEAST, _BOTH, kl_score),
)
PSI = DriftTest("psi", "PSI", 0.1, Drifts.AT_LEAST, _BOTH, psi_score)
HELLINGER = DriftTest(
    *("hellinger", "Hellinger distance", 0.1, Drifts.AT_LEAST, _BOTH, hellinger_score),
)

TESTS: Mapping[str, DriftTest] = {
    test.name: test
    for test in (KS, WASSERSTEIN, CHI_SQUARE, Z, JENSEN_SHANNON, KULLBACK_LEIBLER, PSI, HELLINGER)
}


@dataclass(frozen=True, slots=True)
class DriftOptions:
    """What replaces the defaults: for a column, else for its kind, else for all columns.

    Attributes
    ----------
    method, threshold : str or None, float or None
        For all columns.
    kind_methods, kind_thresholds : mapping of ColumnKind
    column_methods, column_thresholds : mapping of column names
    drift_share : float
        The table has drifted if at least this share of its columns has.
    """

    method: str | None = None
    threshold: float | None = None
    kind_methods: Mapping[ColumnKind, str] = field(default_factory=dict)
    kind_thresholds: Mapping[ColumnKind, float] = field(default_factory=dict)
    column_methods: Mapping[str, str] = field(default_factory=dict)
    column_thresholds: Mapping[str, float] = field(default_factory=dict)
    drift_share: float = 0.5

    def test_of(self, column: str, kind: ColumnKind) -> DriftTest | None:
        """Test that is asked for by name; None: the default for the samples at hand.

        Raises
        ------
        UsageError
            If there is no such test, or it isn't for this kind.
        """
        name = self.column_methods.get(column, self.kind_methods.get(kind, self.method))
        if name is None:
            return None
        test = TESTS.get(name)
        if test is None:
            raise UsageError(
                f"column {column!r}: no drift method {name!r}; there are {', '.join(TESTS)}"
            )
        if kind not in test.kinds:
            raise UsageError(
                f"column {column!r}: drift method {name!r} isn't for {kind.name.lower()} columns"
            )
        return test

    def threshold_of(self, column: str, kind: ColumnKind) -> float | None:
        """Threshold that is asked for; None: the test's own."""
        return self.column_thresholds.get(column, self.kind_thresholds.get(kind, self.threshold))


def default_test(reference: Sample, window: Sample) -> DriftTest:
    """Test by the column's kind, the reference's rows and the distinct values of both samples."""
    small = reference.rows <= SMALL_REFERENCE_ROWS
    if isinstance(reference, NumericSample) and isinstance(window, NumericSample):
        distinct = reference.distinct_with(window, FEW_VALUES + 1)
        if distinct > FEW_VALUES:
            return KS if small else WASSERSTEIN
    elif not small:
        return JENSEN_SHANNON
    elif isinstance(reference, CategoricalSample) and isinstance(window, CategoricalSample):
        distinct = len(reference.counts_with(window).reference)
    else:
        raise TypeError("reference and window are of different types")
    if not small:
        return JENSEN_SHANNON
    return CHI_SQUARE if distinct > 2 else Z


def kind_of(values: NDArray[Any]) -> ColumnKind | None:
    """Kind of a column that isn't declared, by its type and distinct values.

    Returns
    -------
    ColumnKind or None
        None where Evidently wants it declared: unsigned integers, times, mixed objects.
    """
    letter = values.dtype.kind
    if letter == "f":
        return ColumnKind.NUMERICAL
    if letter == "b":
        return ColumnKind.CATEGORICAL
    if letter == "i":
        few = len(np.unique(values)) <= CATEGORICAL_INTEGERS
        return ColumnKind.CATEGORICAL if few else ColumnKind.NUMERICAL
    if letter not in "OUT":
        return None
    present = [value for value in values.tolist() if value is not None and value == value]  # noqa: PLR0124
    if not present or not (isinstance(present[0], str) and isinstance(present[-1], str)):
        return None
    return ColumnKind.TEXT if len(set(present)) > 0.5 * len(present) else ColumnKind.CATEGORICAL
