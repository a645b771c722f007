"""Quality metrics, read off a summary.

Definitions are scikit-learn's. A metric that is not defined (no pairs, a class that never came,
0 / 0) is left out: not enough data is a state, not a number.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.drift.cbpe import ExpectedConfusion
from engine.drift.quality_auc import by_score, wins_doubled
from engine.drift.quality_layout import (
    ABSOLUTE,
    EXPECTED_OF_ALL,
    EXPECTED_OF_LABELLED,
    LABEL,
    LABEL_SQUARED,
    LABELLED,
    LAG_GROWTH,
    LAG_LEAST_NS,
    LOG_LOSS,
    PINBALL,
    PREDICTIONS,
    PROBABILITY_ONE,
    SCORED,
    SQUARED,
    SQUARED_SCORE,
    USABLE,
    Parts,
    QualityParams,
    parts,
)
from engine.drift.quality_ranking import ranking_metrics
from engine.drift.quality_rows import KeptRows, together
from engine.drift.quality_sums import UNIT_LOWEST, WIDE_LOWEST, read_exact


@dataclass(frozen=True)
class QualitySummary:
    """All that is known of the quality of some predictions.

    Attributes
    ----------
    params : QualityParams
    row : int64[width]
        Counts and exact sums (`quality_layout`).
    kept : tuple of KeptRows or None
        The pairs, in parts; None if there were too many, or if they are not at hand.
    """

    params: QualityParams
    row: NDArray[np.int64]
    kept: tuple[KeptRows, ...] | None

    def merged(self, other: "QualitySummary") -> "QualitySummary":
        """Give the summary of both: equal, bit by bit, to one over all pairs."""
        kept = None
        if self.kept is not None and other.kept is not None:
            kept = self.kept + other.kept
        return QualitySummary(self.params, self.row + other.row, kept)

    @cached_property
    def _parts(self) -> Parts:
        views = parts(np.ascontiguousarray(self.row)[None], self.params)
        return Parts(*(view[0] for view in views))

    @property
    def predictions(self) -> int:
        """Number of predictions."""
        return int(self._parts.counts[PREDICTIONS])

    @property
    def labelled(self) -> int:
        """Number of predictions with a label."""
        return int(self._parts.counts[LABELLED])

    @property
    def usable(self) -> int:
        """Number of pairs that metrics can use."""
        return int(self._parts.counts[USABLE])

    @property
    def coverage(self) -> float:
        """Share of predictions with a label; NaN if there are none."""
        return self.labelled / self.predictions if self.predictions else math.nan

    def label_lag_ns(self, quantile: float, label: int | None = None) -> float:
        """Quantile of the time from prediction to label, off by at most 5 %; NaN if there is none.

        Parameters
        ----------
        quantile : float
        label : int, optional
            Only of this class: labels that come early are rarely a fair sample.
        """
        lags = self._parts.lags
        counts = lags.sum(axis=0) if label is None else lags[label]
        total = int(counts.sum())
        if total == 0:
            return math.nan
        place = int(np.searchsorted(np.cumsum(counts), max(1.0, quantile * total)))
        return LAG_LEAST_NS * float(LAG_GROWTH ** (place - 0.5)) if place else 0.0

    def metrics(self) -> dict[str, float]:
        """Give the metrics of the kind, by name."""
        if self.params.kind == "regression":
            return self._regression() if self.usable else {}
        if self.params.kind == "ranking":
            if self.kept is None:
                return {}
            return ranking_metrics(together(self.kept), self.params.k)
        if self.params.kind == "classes":
            return class_metrics(self._parts.confusion) if self.usable else {}
        return binary_metrics(self._parts.confusion) | self._probabilities()

    def estimated_metrics(self, *, of_labelled: bool = False) -> dict[str, float]:
        """Give a binary classifier's metrics as estimated without labels (`cbpe`).

        They are NannyML's within 1e-9, ROC-AUC within `roc_auc_error`: it is from binned scores.

        Parameters
        ----------
        of_labelled : bool
            Of the predictions that have a label, all the same as if it were not known: how far
            their realised metrics are off tells of concept drift, whichever labels come early.
        """
        if self.params.kind != "binary" or not self.params.has_estimates:
            return {}
        group = EXPECTED_OF_LABELLED if of_labelled else EXPECTED_OF_ALL
        return _expected_metrics(self._parts.expected[group], self._parts.expected_scores[group])

    def hybrid_metrics(self) -> dict[str, float]:
        """Give the metrics of labels where they are known and of estimates where they are not."""
        if self.params.kind != "binary" or not self.params.has_estimates:
            return {}
        expected, scores = self._parts.expected, self._parts.expected_scores
        unknown = expected[EXPECTED_OF_ALL] - expected[EXPECTED_OF_LABELLED]
        unknown_scores = scores[EXPECTED_OF_ALL] - scores[EXPECTED_OF_LABELLED]
        by_prediction, by_score = self._parts.confusion, self._parts.scores
        for rows, known in ((unknown, by_prediction), (unknown_scores, by_score)):
            rows[:, 0] += known.sum(axis=0)
            rows[:, 1] += known[1] * PROBABILITY_ONE
        return _expected_metrics(unknown, unknown_scores)

    def _probabilities(self) -> dict[str, float]:
        """Metrics of a binary classifier's scores."""
        count = int(self._parts.counts[SCORED])
        if not count:
            return {}
        losses = self._parts.losses
        metrics = {
            "log_loss": _mean(losses[LOG_LOSS], UNIT_LOWEST, count),
            "brier": _mean(losses[SQUARED_SCORE], UNIT_LOWEST, count),
            "calibration_error": self._calibration_error(count),
        }
        negatives, positives = (int(side.sum()) for side in self._parts.scores)
        if negatives and positives:
            auc, error = self._auc(negatives * positives)
            metrics |= {"roc_auc": auc, "roc_auc_error": error}
        return metrics

    def _auc(self, pairs: int) -> tuple[float, float]:
        """ROC-AUC, and how far off it can be: not at all while scores are kept."""
        if self.kept is not None:
            kept = together(self.kept)
            negative, positive = by_score(kept.score, kept.label, kept.weight)
            return wins_doubled(negative.tolist(), positive.tolist()) / (2 * pairs), 0.0
        negatives, positives = self._parts.scores.tolist()
        tied = sum(n * p for n, p in zip(negatives, positives, strict=True))
        return wins_doubled(negatives, positives) / (2 * pairs), tied / (2 * pairs)

    def _calibration_error(self, count: int) -> float:
        """Expected calibration error: mean distance of score and share of label 1, by bin."""
        total = 0
        for limbs, bin_counts in zip(
            self._parts.calibration_scores, self._parts.calibration, strict=True
        ):
            numerator, denominator = read_exact(limbs.tolist(), UNIT_LOWEST)
            total += abs(numerator - int(bin_counts[1]) * denominator)
        return total / (count << -UNIT_LOWEST)

    def _regression(self) -> dict[str, float]:
        errors, count = self._parts.errors, self.usable
        metrics = {
            "mae": _mean(errors[ABSOLUTE], WIDE_LOWEST, count),
            "rmse": math.sqrt(_mean(errors[SQUARED], WIDE_LOWEST, count)),
            "quantile_loss": _mean(errors[PINBALL], WIDE_LOWEST, count),
        }
        residual, one = read_exact(errors[SQUARED].tolist(), WIDE_LOWEST)
        label, _ = read_exact(errors[LABEL].tolist(), WIDE_LOWEST)
        metrics["mean_label"] = label / (one * count)
        squared, _ = read_exact(errors[LABEL_SQUARED].tolist(), WIDE_LOWEST)
        spread = count * one * squared - label * label
        if spread > 0:
            metrics["r2"] = (spread - residual * one * count) / spread
        return metrics


def _expected_metrics(expected: NDArray[np.int64], scores: NDArray[np.int64]) -> dict[str, float]:
    """Metrics of counts and sums of probabilities, by prediction [2, 2] and by score [bins, 2]."""
    (negatives, missed), (positives, hit) = expected.tolist()
    if not negatives + positives:
        return {}
    hits, misses = hit / PROBABILITY_ONE, missed / PROBABILITY_ONE
    confusion = ExpectedConfusion(hits, positives - hits, misses, negatives - misses)
    metrics = confusion.metrics()
    ones = scores[:, 1].tolist()
    zeros = (scores[:, 0] * PROBABILITY_ONE - scores[:, 1]).tolist()
    if pairs := sum(zeros) * sum(ones):
        tied = sum(zero * one for zero, one in zip(zeros, ones, strict=True))
        metrics["roc_auc"] = wins_doubled(zeros, ones) / (2 * pairs)
        metrics["roc_auc_error"] = tied / (2 * pairs)
    return metrics


def _mean(limbs: NDArray[np.int64], lowest: int, count: int) -> float:
    numerator, denominator = read_exact(limbs.tolist(), lowest)
    return numerator / (denominator * count)


def _ratio(metrics: dict[str, float], name: str, part: int, whole: int) -> None:
    if whole:
        metrics[name] = part / whole


def binary_metrics(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Give accuracy, precision, recall, specificity and F1 of class 1, those that are defined.

    Parameters
    ----------
    confusion : int64[2, 2]
        By label and prediction.
    """
    (tn, fp), (fn, tp) = confusion.tolist()
    metrics: dict[str, float] = {}
    _ratio(metrics, "accuracy", tp + tn, tp + tn + fp + fn)
    _ratio(metrics, "precision", tp, tp + fp)
    _ratio(metrics, "recall", tp, tp + fn)
    _ratio(metrics, "specificity", tn, tn + fp)
    _ratio(metrics, "f1", 2 * tp, 2 * tp + fp + fn)
    return metrics


def class_metrics(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Give accuracy and the means over classes that came up of precision, recall and F1.

    Parameters
    ----------
    confusion : int64[classes, classes]
        By label and prediction. A class' 0 / 0 counts as 0, as in scikit-learn.
    """
    right, labelled, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    came_up = labelled + predicted > 0
    right, labelled, predicted = right[came_up], labelled[came_up], predicted[came_up]
    return {
        "accuracy": int(right.sum()) / int(labelled.sum()),
        "precision_macro": float(np.mean(right / np.maximum(predicted, 1))),
        "recall_macro": float(np.mean(right / np.maximum(labelled, 1))),
        "f1_macro": float(np.mean(2 * right / (labelled + predicted))),
    }
