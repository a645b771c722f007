"""How quality is counted: one row of integers for each (pane of prediction time, segment).

Everything is a count or an exact sum (`quality_sums`), so a row can be added to, taken from and
merged, and what comes out depends on the pairs only. The layout says which part of the row is
what; `Parts` names the parts of rows as views.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.drift.quality_sums import UNIT_LIMBS, WIDE_LIMBS

Kind = Literal["binary", "classes", "regression", "ranking"]

PREDICTIONS, LABELLED, USABLE, SCORED = range(4)
"""Counts: predictions; those with a label; those that metrics can use; of these, with a score."""

LAG_BINS = 240
LAG_GROWTH = 1.1
LAG_LEAST_NS = 1_000_000
"""Bins of label lags: the first up to a millisecond, each following ends 10 % later (40 d)."""

PROBABILITY_ONE = 1 << 32
"""Estimated probabilities are counted in whole parts of it."""

EXPECTED_OF_ALL, EXPECTED_OF_LABELLED = range(2)

LOG_LOSS, SQUARED_SCORE = range(2)
"""Sums of a binary classifier's scores."""

ABSOLUTE, SQUARED, LABEL, LABEL_SQUARED, PINBALL = range(5)
"""Sums of a regression."""


@dataclass(frozen=True, slots=True)
class QualityParams:
    """What is measured.

    Attributes
    ----------
    kind : str
        ``binary``: labels and predictions 0 or 1, scores the probability of 1. ``classes``: class
        codes from 0. ``regression``: values. ``ranking``: a prediction is the query's number, the
        score its rank, the label its relevance (not negative).
    classes : int
        Number of classes; 2 if the kind is not ``classes``.
    quantile : float
        Of the quantile loss.
    k : int
        Rankings are cut at.
    score_bins : int
        Equal bins over [0, 1], from which ROC-AUC is estimated where scores are kept no more.
    calibration_bins : int
        Equal bins over [0, 1] of the expected calibration error.
    has_estimates : bool
        Whether a binary classifier's quality is also estimated without labels.
    rows_kept_max : int
        Pairs of a pane and segment up to which they are kept, for exact ROC-AUC and for rankings.
    """

    kind: Kind
    classes: int = 2
    quantile: float = 0.5
    k: int = 10
    score_bins: int = 256
    calibration_bins: int = 10
    rows_kept_max: int = 20_000
    has_estimates: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each part."""
        binary = self.kind == "binary"
        has_classes = self.kind in {"binary", "classes"}
        estimates = binary and self.has_estimates
        bins = self.calibration_bins if binary else 0
        return {
            "counts": (4,),
            "lags": (self.classes if has_classes else 1, LAG_BINS),
            "confusion": (self.classes, self.classes) if has_classes else (0, 0),
            "scores": (2, self.score_bins if binary else 0),
            "calibration": (bins, 2),
            "calibration_scores": (bins, UNIT_LIMBS),
            "losses": (2 if binary else 0, UNIT_LIMBS),
            "expected": (2 if estimates else 0, 2, 2),
            "expected_scores": (2 if estimates else 0, self.score_bins, 2),
            "errors": (5 if self.kind == "regression" else 0, WIDE_LIMBS),
        }

    @property
    def width(self) -> int:
        """Integers of a row."""
        return sum(prod(shape) for shape in self.shapes.values())


class Parts(NamedTuple):
    """Views of rows int64[n, width], each [n, ...].

    Attributes
    ----------
    counts : [n, 4]
    lags : [n, classes, LAG_BINS]
        Of labels after predictions, by label.
    confusion : [n, classes, classes]
        By label and prediction.
    scores : [n, 2, score_bins]
        By label.
    calibration : [n, calibration_bins, 2]
        Pairs, and those with label 1.
    calibration_scores : [n, calibration_bins, UNIT_LIMBS]
        Sum of scores.
    losses : [n, 2, UNIT_LIMBS]
    expected : [n, 2, 2, 2]
        Of all predictions with an estimate, and of those with a label; by prediction: how many, and
        the sum of their estimated probabilities of label 1 in units of 1 / `PROBABILITY_ONE`.
    expected_scores : [n, 2, score_bins, 2]
        The same by score.
    errors : [n, 5, WIDE_LIMBS]
    """

    counts: NDArray[np.int64]
    lags: NDArray[np.int64]
    confusion: NDArray[np.int64]
    scores: NDArray[np.int64]
    calibration: NDArray[np.int64]
    calibration_scores: NDArray[np.int64]
    losses: NDArray[np.int64]
    expected: NDArray[np.int64]
    expected_scores: NDArray[np.int64]
    errors: NDArray[np.int64]


def parts(rows: NDArray[np.int64], params: QualityParams) -> Parts:
    """Name the parts of rows int64[n, width]; views."""
    return Parts._make(
        np.lib.stride_tricks.as_strided(
            rows[:, begin:end], (len(rows), *shape), (rows.strides[0], *strides)
        )
        for begin, end, shape, strides in _places(params)
    )


_Place = tuple[int, int, tuple[int, ...], tuple[int, ...]]


@lru_cache(maxsize=256)
def _places(params: QualityParams) -> tuple[_Place, ...]:
    """Begin, end, shape and inner strides of each part in a row."""
    places: list[_Place] = []
    begin = 0
    for shape in params.shapes.values():
        end = begin + prod(shape)
        strides = tuple(8 * prod(shape[place + 1 :]) for place in range(len(shape)))
        places.append((begin, end, shape, strides))
        begin = end
    return tuple(places)
