"""Counting changes of the label join into rows of integers (`quality_layout`)."""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import PREDICTION, Changes
from engine.drift.quality_layout import (
    ABSOLUTE,
    EXPECTED_OF_ALL,
    EXPECTED_OF_LABELLED,
    LABEL,
    LABEL_SQUARED,
    LABELLED,
    LAG_BINS,
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
)
from engine.drift.quality_sums import UNIT_LOWEST, WIDE_LOWEST, add_exact, add_square
from engine.kernels.jit import in_place

LARGEST = 1e150
"""Larger values have no finite square; they can't be used."""

_LEAST_PROBABILITY = float(np.finfo(np.float64).eps)
_LAG_STEP = math.log(LAG_GROWTH)


@in_place
def lag_bin(lag_ns: int) -> int:
    """Bin of a label's lag; negative ones count as none."""
    if lag_ns <= LAG_LEAST_NS:
        return 0
    return min(LAG_BINS - 1, 1 + int(math.log(lag_ns / LAG_LEAST_NS) / _LAG_STEP))


@in_place
def _is_class(value: float, classes: int) -> bool:
    return 0 <= value < classes and value == math.floor(value)


@in_place
def _count_score(to: Parts, slot: int, score: float, label: int, sign: int) -> None:
    """Count the probability of a binary classifier."""
    bins = to.scores.shape[2]
    to.counts[slot, SCORED] += sign
    to.scores[slot, label, min(bins - 1, int(score * bins))] += sign
    bins = to.calibration.shape[1]
    place = min(bins - 1, int(score * bins))
    to.calibration[slot, place, 0] += sign
    to.calibration[slot, place, 1] += sign * label
    add_exact(to.calibration_scores[slot, place], UNIT_LOWEST, score, sign)
    probability = score if label else 1.0 - score
    loss = -math.log(min(max(probability, _LEAST_PROBABILITY), 1.0 - _LEAST_PROBABILITY))
    add_exact(to.losses[slot, LOG_LOSS], UNIT_LOWEST, loss, sign)
    error = score - label
    add_exact(to.losses[slot, SQUARED_SCORE], UNIT_LOWEST, error * error, sign)


@in_place
def _expect(
    to: Parts,
    slot: int,
    group: int,
    score: float,
    prediction: float,
    probability: float,
    sign: int,
) -> None:
    """Count a prediction's estimated probability of label 1, if it has one."""
    if not (0.0 <= probability <= 1.0 and 0.0 <= score <= 1.0 and _is_class(prediction, 2)):
        return
    share = sign * np.int64(probability * PROBABILITY_ONE + 0.5)
    to.expected[slot, group, int(prediction), 0] += sign
    to.expected[slot, group, int(prediction), 1] += share
    bins = to.expected_scores.shape[2]
    place = min(bins - 1, int(score * bins))
    to.expected_scores[slot, group, place, 0] += sign
    to.expected_scores[slot, group, place, 1] += share


@in_place
def count_classes(
    to: Parts, slots: NDArray[np.int64], changes: Changes, probabilities: NDArray[np.float64]
) -> None:
    """Count changes of a classifier, each into its slot.

    Parameters
    ----------
    probabilities : float64[n]
        Estimated ones of label 1, NaN where there is none.
    """
    classes = to.confusion.shape[1]
    is_binary, has_estimates = to.losses.shape[1] > 0, to.expected.shape[1] > 0
    for row in range(len(slots)):
        slot, sign = slots[row], changes.sign[row]
        label, prediction, score = changes.label[row], changes.prediction[row], changes.score[row]
        if changes.kind[row] == PREDICTION:
            to.counts[slot, PREDICTIONS] += sign
            if has_estimates:
                group = EXPECTED_OF_ALL
                _expect(to, slot, group, score, prediction, probabilities[row], sign)
            continue
        to.counts[slot, LABELLED] += sign
        if not _is_class(label, classes):
            continue
        to.lags[slot, int(label), lag_bin(changes.label_ts[row] - changes.ts[row])] += sign
        if not _is_class(prediction, classes):
            continue
        to.counts[slot, USABLE] += sign
        to.confusion[slot, int(label), int(prediction)] += sign
        if is_binary and 0.0 <= score <= 1.0:
            _count_score(to, slot, score, int(label), sign)
        if has_estimates:
            group = EXPECTED_OF_LABELLED
            _expect(to, slot, group, score, prediction, probabilities[row], sign)


@in_place
def count_values(to: Parts, slots: NDArray[np.int64], changes: Changes, quantile: float) -> None:
    """Count changes of a regression, each into its slot."""
    for row in range(len(slots)):
        slot, sign = slots[row], changes.sign[row]
        if changes.kind[row] == PREDICTION:
            to.counts[slot, PREDICTIONS] += sign
            continue
        to.counts[slot, LABELLED] += sign
        to.lags[slot, 0, lag_bin(changes.label_ts[row] - changes.ts[row])] += sign
        label, prediction = changes.label[row], changes.prediction[row]
        if not (abs(label) < LARGEST and abs(prediction) < LARGEST):
            continue
        to.counts[slot, USABLE] += sign
        error = label - prediction
        add_exact(to.errors[slot, ABSOLUTE], WIDE_LOWEST, abs(error), sign)
        add_exact(to.errors[slot, SQUARED], WIDE_LOWEST, error * error, sign)
        add_exact(to.errors[slot, LABEL], WIDE_LOWEST, label, sign)
        add_square(to.errors[slot, LABEL_SQUARED], WIDE_LOWEST, label, sign)
        loss = quantile * error if error >= 0.0 else (quantile - 1.0) * error
        add_exact(to.errors[slot, PINBALL], WIDE_LOWEST, loss, sign)


@in_place
def count_ranked(to: Parts, slots: NDArray[np.int64], changes: Changes) -> None:
    """Count changes of a ranking: only how many there are; its metrics need the pairs."""
    for row in range(len(slots)):
        slot, sign = slots[row], changes.sign[row]
        if changes.kind[row] == PREDICTION:
            to.counts[slot, PREDICTIONS] += sign
            continue
        to.counts[slot, LABELLED] += sign
        to.lags[slot, 0, lag_bin(changes.label_ts[row] - changes.ts[row])] += sign
        relevance = changes.label[row]
        to.counts[slot, USABLE] += sign * (
            0.0 <= relevance < LARGEST and not math.isnan(changes.score[row])
        )
