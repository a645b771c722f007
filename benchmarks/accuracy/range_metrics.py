"""Areas under precision and recall: by row (AUC-PR), and with tolerance at the edges (VUS-PR).

Paparrizos et al., "Volume under the surface: a new accuracy evaluation measure for time-series
anomaly detection", VLDB 2022. Written anew; its numbers are those of the package `vus` 0.0.6.
"""

import numpy as np
from numpy.typing import NDArray

WIDENING_MAX_ROWS = 100
"""Lmax: segments are widened by up to half of it on either side."""
THRESHOLDS = 250


def average_precision(label: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Area under the steps of precision over recall; rows of equal score are found together.

    Parameters
    ----------
    label : bool[n]
        True for at least one row.
    score : float64[n]
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    found = np.cumsum(label[order])[last]
    precision = found / (last + 1)
    recall = found / found[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def segments(label: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First and last row of each run of labelled rows, int64[segments, 2], both inclusive."""
    edges = np.flatnonzero(np.diff(label.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2) - np.array([0, 1])


def vus_pr(
    label: NDArray[np.bool_],
    score: NDArray[np.float64],
    widening_max_rows: int = WIDENING_MAX_ROWS,
    thresholds: int = THRESHOLDS,
) -> float:
    """Volume under the surface of precision, recall and widening.

    For each L from 0 to `widening_max_rows` every segment is widened by L // 2 rows on both sides,
    a row at distance d being labelled sqrt(1 - d / L). Thresholds are evenly spaced in rank: with
    many rows and few labelled ones the first of them already marks too many, which is why AUC-PR
    belongs beside it.

    Parameters
    ----------
    label : bool[n]
        True for at least one row.
    score : float64[n]
    widening_max_rows : int
    thresholds : int
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    threshold = falling[np.linspace(0, len(score) - 1, thresholds).astype(np.int64)]
    predicted = np.searchsorted(-falling, -threshold, side="right")
    hard_found = np.cumsum(label[order])[predicted - 1]
    runs = segments(label)
    areas = []
    for widening in range(widening_max_rows + 1):
        soft = soft_labels(runs, len(label), widening)
        soft[label] = 0.0
        soft_found = np.cumsum(soft[order])[predicted - 1]
        found = hard_found + soft_found
        # Of the soft labels only those found count as there to be found, and they count half.
        recall = np.minimum(found / (np.count_nonzero(label) + soft_found / 2), 1.0)
        highest = [
            score[first : last + 1].max()
            for first, last in widened(runs, len(label), widening // 2)
        ]
        hit = np.mean(np.array(highest)[:, None] >= threshold, axis=0)
        areas.append(np.sum(np.diff(recall * hit, prepend=0.0) * found / predicted))
    return float(np.mean(areas))


def soft_labels(runs: NDArray[np.int64], rows: int, widening: int) -> NDArray[np.float64]:
    """Labels that fade on both sides of each segment, added where they meet, at most 1."""
    soft = np.zeros(rows)
    reach = widening // 2
    for first, last in runs:
        soft[first : last + 1] = 1.0
        before = np.arange(max(first - reach, 0), first)
        soft[before] += np.sqrt(1.0 - (first - before) / widening) if reach else 0.0
        behind = np.arange(last + 1, min(last + reach + 1, rows))
        soft[behind] += np.sqrt(1.0 - (behind - last) / widening) if reach else 0.0
    return np.minimum(soft, 1.0)


def widened(runs: NDArray[np.int64], rows: int, reach: int) -> list[tuple[int, int]]:
    """Segments with so many rows more on both sides; those that touch or overlap become one."""
    wide: list[tuple[int, int]] = []
    for first, last in runs:
        begin, end = max(int(first) - reach, 0), min(int(last) + reach, rows - 1)
        if wide and begin <= wide[-1][1]:
            wide[-1] = (wide[-1][0], end)
        else:
            wide.append((begin, end))
    return wide
