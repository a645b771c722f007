"""Quality of a binary classifier estimated without labels: CBPE, as NannyML 0.13.1 defines it.

Scores are calibrated on a reference with labels; a calibrated score is the probability that the
label will be 1, so each prediction adds its expected share to the confusion matrix. This holds as
long as the label depends on the features as it did in the reference: concept drift does not show
in the estimate, but in its distance from the realised value.

An estimate is out of bounds beyond the mean plus or minus three standard deviations (of all, not
of a sample) of the reference chunks' realised values. What is not defined is NaN. Deviation from
NannyML: rows without a score or prediction are left out of everything; there they stop the run
where scores have to be calibrated.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.drift.cbpe_calibration import IsotonicCalibrator, needs_calibration
from engine.drift.quality_auc import roc_auc
from engine.errors import UsageError

Floats = NDArray[np.float64]

METRICS = ("roc_auc", "f1", "precision", "recall", "specificity", "accuracy")
CHUNKS = 10
"""A reference of no stated chunk size is cut into about so many."""

_DEVIATIONS = 3.0
_AUC_DECIMALS = 5


@dataclass(frozen=True, slots=True)
class ExpectedConfusion:
    """The confusion matrix to be expected, in predictions.

    Attributes
    ----------
    true_positive, false_positive, false_negative, true_negative : float
    """

    true_positive: float
    false_positive: float
    false_negative: float
    true_negative: float

    def metrics(self) -> dict[str, float]:
        """Give the metrics; 0 / 0 is 0, of no predictions NaN."""
        tp, fp = self.true_positive, self.false_positive
        fn, tn = self.false_negative, self.true_negative
        everything = tp + fp + fn + tn
        if not everything:
            return dict.fromkeys(METRICS[1:], math.nan)
        return {
            "f1": _ratio(tp, tp + 0.5 * (fp + fn)),
            "precision": _ratio(tp, tp + fp),
            "recall": _ratio(tp, tp + fn),
            "specificity": _ratio(tn, tn + fp),
            "accuracy": _ratio(tp + tn, everything),
        }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def expected_confusion(probabilities: Floats, predictions: Floats) -> ExpectedConfusion:
    """Sum expected shares over probabilities of label 1 and predictions 0 or 1, float64[n]."""
    positive, negative = predictions == 1, predictions == 0
    return ExpectedConfusion(
        *(
            float(np.sum(np.where(side, share, 0.0)))
            for side, share in (
                (positive, probabilities),
                (positive, 1 - probabilities),
                (negative, probabilities),
                (negative, 1 - probabilities),
            )
        )
    )


def expected_roc_auc(probabilities: Floats, scores: Floats) -> float:
    """ROC-AUC to be expected of scores with these probabilities of label 1, float64[n].

    The curve's counts are rounded to five decimals, as NannyML's are.
    """
    if not len(scores):
        return math.nan
    shares = probabilities[np.argsort(scores)[::-1]]
    hits = np.cumsum(shares)
    misses = np.arange(1, len(shares) + 1) - hits
    hits = np.round(np.append(0.0, hits), _AUC_DECIMALS)
    misses = np.round(np.append(0.0, misses), _AUC_DECIMALS)
    if not hits[-1] or not misses[-1]:
        return math.nan
    return float(np.trapezoid(hits / hits[-1], misses / misses[-1]))


def realised(scores: Floats, predictions: Floats, labels: Floats) -> dict[str, float]:
    """Give the metrics of a reference chunk, float64[n] each; NaN where NannyML gives none."""
    tp, fp, fn, tn = (
        int(np.sum((labels == label) & (predictions == prediction)))
        for label, prediction in ((1, 1), (0, 1), (1, 0), (0, 0))
    )
    varies = len(np.unique(labels)) > 1 and len(np.unique(predictions)) > 1
    metrics = {
        "roc_auc": roc_auc(scores, labels),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "specificity": tn / (tn + fp) if tn + fp else math.nan,
        "accuracy": (tp + tn) / len(labels) if len(labels) else math.nan,
    }
    return metrics if varies else metrics | dict.fromkeys(("f1", "precision", "recall"), math.nan)


def chunk_bounds(rows: int, chunk_size: int | None) -> Iterator[tuple[int, int]]:
    """Yield begin and end of chunks; the last one may be shorter."""
    size = chunk_size or max(1, rows // CHUNKS)
    for begin in range(0, rows, size):
        yield begin, min(begin + size, rows)


def _limits(values: list[float]) -> tuple[float, float]:
    """Mean plus or minus three standard deviations, within 0 and 1; NaN of nothing."""
    known = np.array([value for value in values if not math.isnan(value)])
    if not len(known):
        return math.nan, math.nan
    mean, reach = float(np.mean(known)), _DEVIATIONS * float(np.std(known))
    return max(0.0, mean - reach), min(1.0, mean + reach)


@dataclass(frozen=True, slots=True)
class CbpeEstimate:
    """Estimated quality of a chunk.

    Attributes
    ----------
    predictions : int
        Rows with score and prediction.
    metrics : dict of str to float
        By name of `METRICS`.
    confusion : ExpectedConfusion
    out_of_bounds : frozenset of str
        Metrics below or above the reference's bounds.
    """

    predictions: int
    metrics: dict[str, float]
    confusion: ExpectedConfusion
    out_of_bounds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cbpe:
    """An estimator that was fitted to a reference.

    Attributes
    ----------
    calibrator : IsotonicCalibrator or None
        None: the scores are taken as they are.
    bounds : dict of str to (float, float)
        Lower and upper one by metric.
    """

    calibrator: IsotonicCalibrator | None
    bounds: dict[str, tuple[float, float]]

    @classmethod
    def fit(
        cls,
        scores: Floats,
        predictions: Floats,
        labels: Floats,
        chunk_size: int | None = None,
    ) -> "Cbpe":
        """Fit it to a reference in order of time, float64[n] each.

        Raises
        ------
        UsageError
            A label is neither 0 nor 1, or there are no complete rows.
        """
        complete = ~np.isnan(scores) & ~np.isnan(predictions)
        scores, predictions, labels = scores[complete], predictions[complete], labels[complete]
        if not len(scores) or not np.isin(labels, (0, 1)).all():
            raise UsageError(
                "a reference for estimated quality needs rows with score and prediction, "
                "all of them with a label 0 or 1"
            )
        chunks = [
            realised(scores[begin:end], predictions[begin:end], labels[begin:end])
            for begin, end in chunk_bounds(len(scores), chunk_size)
        ]
        wanted = needs_calibration(scores, labels)
        return cls(
            IsotonicCalibrator.fit(scores, labels) if wanted else None,
            {name: _limits([chunk[name] for chunk in chunks]) for name in METRICS},
        )

    def estimate(self, scores: Floats, predictions: Floats) -> CbpeEstimate:
        """Estimate the quality of a chunk of scores and predictions, float64[n] each."""
        complete = ~np.isnan(scores) & ~np.isnan(predictions)
        scores, predictions = scores[complete], predictions[complete]
        probabilities = self.probabilities(scores)
        confusion = expected_confusion(probabilities, predictions)
        metrics = {"roc_auc": expected_roc_auc(probabilities, scores), **confusion.metrics()}
        return CbpeEstimate(len(scores), metrics, confusion, self.out_of_bounds(metrics))

    def probabilities(self, scores: Floats) -> Floats:
        """Give the calibrated probabilities of label 1 of scores, float64[n]."""
        return scores if self.calibrator is None else self.calibrator(scores)

    def out_of_bounds(self, metrics: Mapping[str, float]) -> frozenset[str]:
        """Name the metrics that are below or above their bounds."""
        return frozenset(
            name
            for name, (lower, upper) in self.bounds.items()
            if name in metrics and (metrics[name] < lower or metrics[name] > upper)
        )

    def arrays(self) -> dict[str, Floats]:
        """Give all that was fitted, to be kept with the state; no points: scores as they are."""
        points = self.calibrator or IsotonicCalibrator(np.zeros(0), np.zeros(0))
        return {
            "scores": points.scores,
            "probabilities": points.probabilities,
            "bounds": np.array([self.bounds[name] for name in METRICS]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Floats]) -> "Cbpe":
        """Make the estimator again that gave these arrays."""
        calibrator = IsotonicCalibrator(arrays["scores"], arrays["probabilities"])
        bounds = arrays["bounds"].tolist()
        return cls(
            calibrator if len(calibrator.scores) else None,
            {name: (low, high) for name, (low, high) in zip(METRICS, bounds, strict=True)},
        )
