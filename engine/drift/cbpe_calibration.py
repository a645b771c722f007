"""From scores to probabilities: isotonic calibration, and whether it is worth it.

Equal to scikit-learn's `IsotonicRegression(out_of_bounds="clip")`. Whether calibration helps is
decided as NannyML 0.13.1 does: ten stratified shuffle splits (a tenth for testing, seed 42), the
expected calibration error over all test parts together, in bins of equally many scores, with and
without calibration. The splits have to be the same ones, hence NumPy's legacy generator.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.cbpe_kernels import gather, pool_violators
from engine.drift.quality_auc import roc_auc

Floats = NDArray[np.float64]

_NEAREST = 1e-15
"""Scores that are closer count as one."""

_SPLITS = 10
_SEED = 42
_TEST_SHARE = 0.1
_BINS = 10
_PERFECT_AUC = 0.999
"""Scores that separate the classes better than this are left alone."""


@dataclass(frozen=True, slots=True)
class IsotonicCalibrator:
    """A function that never falls: straight between its points, flat outside of them.

    Attributes
    ----------
    scores, probabilities : float64[points]
    """

    scores: Floats
    probabilities: Floats

    @classmethod
    def fit(cls, scores: Floats, labels: Floats) -> "IsotonicCalibrator":
        """Fit it to scores float64[n] and labels 0 or 1 float64[n]; n at least 1, no NaN."""
        order = np.lexsort((labels, scores))
        places, means, weights = (np.empty(len(scores)) for _ in range(3))
        count = gather(scores[order], labels[order], places, means, weights, _NEAREST)
        places, means, weights = places[:count], means[:count], weights[:count]
        pool_violators(means, weights, np.empty(count, np.int64))
        is_kept = np.ones(count, np.bool_)  # the ends of each flat stretch are enough
        is_kept[1:-1] = (means[1:-1] != means[:-2]) | (means[1:-1] != means[2:])
        return cls(places[is_kept], means[is_kept])

    def __call__(self, scores: Floats) -> Floats:
        """Give the probabilities of label 1, float64[n]."""
        return np.interp(scores, self.scores, self.probabilities)


def _drawn(counts: NDArray[np.int64], number: int, rng: Any) -> NDArray[np.int64]:
    """How many rows of each class make a sample: in proportion, what is left to the largest rests.

    Equal rests are chosen from at random.
    """
    exact = counts / counts.sum() * number
    drawn = np.floor(exact)
    rests = exact - drawn
    left = int(number - drawn.sum())
    for rest in np.unique(rests)[::-1]:
        if left <= 0:
            break
        places = np.flatnonzero(rests == rest)
        few = min(left, len(places))
        drawn[rng.choice(places, size=few, replace=False)] += 1
        left -= few
    return drawn.astype(np.int64)


def stratified_splits(
    labels: Floats,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield training and test rows, with the classes' shares in both.

    Nothing is yielded where a split is not possible: a class with one row, or a test part with
    fewer rows than classes.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    counts = np.array([len(rows) for rows in members], np.int64)
    test = int(np.ceil(_TEST_SHARE * len(labels)))
    train = len(labels) - test
    if counts.min() < 2 or min(test, train) < len(counts):
        return
    rng = np.random.RandomState(_SEED)  # NannyML's splits, see above
    for _ in range(_SPLITS):
        of_train = _drawn(counts, train, rng)
        of_test = _drawn(counts - of_train, test, rng)
        parts: tuple[list[NDArray[np.int64]], ...] = ([], [])
        for rows, first, second in zip(members, of_train, of_test, strict=True):
            shuffled = rows[rng.permutation(len(rows))]
            parts[0].append(shuffled[:first])
            parts[1].append(shuffled[first : first + second])
        yield rng.permutation(np.concatenate(parts[0])), rng.permutation(np.concatenate(parts[1]))


def binned_calibration_error(scores: Floats, labels: Floats) -> float:
    """Expected calibration error over bins of equally many scores; 4 or more of them."""
    count = len(scores)
    bins = _BINS if count > 2 * _BINS else count // 2
    order = np.argsort(scores)  # equal scores stand in NumPy's order, as in NannyML
    scores, labels = scores[order], labels[order]
    edges = np.arange(0, count + 1, count // bins)
    edges[-1] = count
    error = 0.0
    for begin, end in pairwise(edges):
        gap = abs(np.mean(scores[begin:end]) - np.mean(labels[begin:end]))
        error += (end - begin) / count * gap
    return float(error)


def needs_calibration(scores: Floats, labels: Floats) -> bool:
    """Whether isotonic calibration lowers the calibration error of held-out rows.

    Parameters
    ----------
    scores, labels : float64[n]
        Labels 0 and 1; no NaN.
    """
    if len(np.unique(labels)) < 2 or roc_auc(scores, labels) > _PERFECT_AUC:
        return False
    raw, calibrated, held_out = [], [], []
    for train, test in stratified_splits(labels):
        calibrator = IsotonicCalibrator.fit(scores[train], labels[train])
        raw.append(scores[test])
        calibrated.append(calibrator(scores[test]))
        held_out.append(labels[test])
    if not held_out:
        return False
    truth = np.concatenate(held_out)
    before = binned_calibration_error(np.concatenate(raw), truth)
    return before > binned_calibration_error(np.concatenate(calibrated), truth)
