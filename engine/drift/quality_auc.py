"""ROC-AUC from counts: whole numbers until the last division, so exact."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def wins_doubled(negative: Sequence[int], positive: Sequence[int]) -> int:
    """Twice the pairs in which the positive one ranks higher, a tie counting as half a pair.

    Parameters
    ----------
    negative, positive : sequence of int
        Weight of each label by score, ascending.
    """
    if sum(negative) * sum(positive) < 1 << 61:
        negatives, positives = np.array(negative, np.int64), np.array(positive, np.int64)
        below = np.cumsum(negatives) - negatives
        return int((positives * (2 * below + negatives)).sum())
    return _wins_doubled_large(negative, positive)


def _wins_doubled_large(negative: Sequence[int], positive: Sequence[int]) -> int:
    """Do so with weights that are too many for int64."""
    below, wins = 0, 0
    for negatives, positives in zip(negative, positive, strict=True):
        wins += positives * (2 * below + negatives)
        below += negatives
    return wins


def by_score(
    scores: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights of rows with label 0 and with label 1, each int64[distinct scores], ascending."""
    order = np.argsort(scores, kind="stable")
    scores, labels, weights = scores[order], labels[order], weights[order]
    is_first = np.ones(len(scores), np.bool_)
    is_first[1:] = scores[1:] != scores[:-1]
    begins = np.flatnonzero(is_first)
    negative, positive = (
        np.add.reduceat(np.where(labels == label, weights, 0), begins) for label in range(2)
    )
    return negative, positive


def roc_auc(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """ROC-AUC of scores float64[n] with labels 0 and 1; NaN if one of them is missing."""
    negative, positive = by_score(scores, labels, np.ones(len(scores), np.int64))
    pairs = int(negative.sum()) * int(positive.sum())
    return (
        wins_doubled(negative.tolist(), positive.tolist()) / (2 * pairs) if pairs else float("nan")
    )
