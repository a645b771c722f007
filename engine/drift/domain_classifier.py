"""A classifier that is asked to tell the window's rows from the reference's.

If it can, they differ (Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017). A
River learner sees samples of both in a random order, guesses each row before it learns it
(prequential), and is judged by the ROC AUC of its guesses in the second half.
"""

import importlib
import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.findings import Statistic
from engine.drift.multivariate_inputs import MultivariateInputs
from engine.drift.multivariate_null import normal_tail
from engine.drift.row_sample import RowSample
from engine.drift.row_sample_kernels import mix_all

SAMPLE_ROWS = 500
"""Rows of the reference, and of the window, that the classifier sees at most."""

PAIRED = 16
"""Directions whose products it sees beside the inputs: it is linear, drift need not be."""

_REACH = 3.0
_ORDER = np.uint64(0x5851F42D4C957F2D)
_LEARNING_RATE = 0.005
_DECAY = 1e-3


def domain_inputs(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give inputs, float32[n, d], with the products of all pairs of up to `PAIRED` directions.

    These are the inputs themselves, or sums of them with random signs if there are more.
    """
    cut = np.clip(rows.astype(np.float64), -_REACH, _REACH)
    width = cut.shape[1]
    paired = cut
    if width > PAIRED:
        signs = np.random.default_rng(width).choice([-1.0, 1.0], width)
        paired = np.zeros((len(cut), PAIRED))
        for column in range(width):
            paired[:, column % PAIRED] += cut[:, column] * signs[column]
        paired /= math.sqrt(width / PAIRED)
    first, second = np.triu_indices(paired.shape[1])
    return np.hstack((cut, paired[:, first] * paired[:, second] - (first == second)))


def prequential_scores(inputs: NDArray[np.float64], labels: NDArray[np.bool_]) -> list[float]:
    """Guess each row before it is learned: probabilities of True, one per row.

    There is no intercept: of a fixed number of rows of each side, those already seen would tell
    which side is due.
    """
    learner = importlib.import_module("river.linear_model").LogisticRegression(
        optimizer=importlib.import_module("river.optim").Adam(_LEARNING_RATE),
        l2=_DECAY,
        intercept_lr=0.0,
    )
    names = range(inputs.shape[1])
    scores = []
    for row, label in zip(inputs.tolist(), labels.tolist(), strict=True):
        named = dict(zip(names, row, strict=True))
        scores.append(learner.predict_proba_one(named)[True])
        learner.learn_one(named, label)
    return scores


def roc_auc_test(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> tuple[float, float]:
    """ROC AUC and how often chance gives as large a one (Mann and Whitney, 1947).

    The p-value is the normal approximation with ties; NaN both if one side has no rows.
    """
    count, positive = len(labels), int(np.sum(labels))
    negative = count - positive
    if not positive or not negative:
        return math.nan, math.nan
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2.0)[place]
    wins = float(np.sum(ranks[labels])) - positive * (positive + 1) / 2.0
    tied = float(np.sum(ties.astype(np.float64) ** 3 - ties)) / (count * (count - 1.0))
    variance = positive * negative / 12.0 * (count + 1.0 - tied)
    auc = wins / (positive * negative)
    if variance <= 0.0:
        return auc, 1.0
    return auc, normal_tail((wins - positive * negative / 2.0) / math.sqrt(variance))


def compare_samples(
    inputs: MultivariateInputs,
    reference: RowSample,
    window: RowSample,
) -> Statistic:
    """Tell a window's sample from the reference's; the score is the ROC AUC, 0.5 without drift."""
    hashes = np.concatenate((reference.hashes, window.hashes))
    labels = np.arange(len(hashes)) >= reference.rows
    encoded = np.concatenate(
        [
            inputs.encode(sample.columns(), slice(0, sample.rows), sample.rows)
            for sample in (reference, window)
        ]
    )
    # The hashes kept are the least of many or of few rows; mixed again, they tell nothing.
    mix_all(hashes, _ORDER)
    order = np.argsort(hashes, kind="stable")
    labels = labels[order]
    scores = np.array(prequential_scores(domain_inputs(encoded[order]), labels))
    judged = slice(len(labels) // 2, None)
    return Statistic("domain_classifier", *roc_auc_test(scores[judged], labels[judged]))
