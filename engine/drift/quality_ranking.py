"""Rankings at k: precision, recall and normalised discounted cumulative gain.

Ties count as their mean over all orders, as in McSherry and Najork, "Computing information
retrieval performance measures efficiently in the presence of tied scores" (ECIR 2008). Gains are
the relevances themselves, discounts 1 / log2(rank + 1). Queries without anything relevant have no
recall and no gain: they count for precision only.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.drift.quality_rows import KeptRows, cancelled


def _ranks(starts: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Rank within its query of each row, from 0."""
    lengths = np.diff(np.append(starts, rows))
    return np.arange(rows) - np.repeat(starts, lengths)


def _starts(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """Rows where any of some sorted columns changes."""
    is_first = np.ones(len(columns[0]), np.bool_)
    is_first[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return np.flatnonzero(is_first)


def _mean_of_ties(values: NDArray[np.float64], ties: NDArray[np.int64]) -> NDArray[np.float64]:
    lengths = np.diff(np.append(ties, len(values)))
    return np.repeat(np.add.reduceat(values, ties) / lengths, lengths)


def ranking_metrics(kept: KeptRows, k: int) -> dict[str, float]:
    """Give `precision_at_k`, `recall_at_k` and `ndcg_at_k`, means over queries; those defined."""
    rows = cancelled(kept)
    rows = rows.chosen(np.repeat(np.arange(len(rows.weight)), np.maximum(rows.weight, 0)))
    if not len(rows.weight):
        return {}
    by_score = rows.chosen(np.lexsort((rows.label, -rows.score, rows.group)))
    queries = _starts(by_score.group)
    ranks = _ranks(queries, len(by_score.group))
    ties = _starts(by_score.group, by_score.score)
    discounts = np.where(ranks < k, 1.0 / np.log2(ranks + 2.0), 0.0)
    is_relevant = (by_score.label > 0).astype(np.float64)
    in_top = _mean_of_ties((ranks < k).astype(np.float64), ties)
    hits = np.add.reduceat(is_relevant * in_top, queries)
    relevant = np.add.reduceat(is_relevant, queries)
    gains = np.add.reduceat(by_score.label * _mean_of_ties(discounts, ties), queries)
    best = rows.chosen(np.lexsort((-rows.label, rows.group)))
    best_gains = np.add.reduceat(best.label * discounts, queries)
    metrics = {"precision_at_k": float(np.mean(hits / k))}
    if (has := relevant > 0).any():
        metrics["recall_at_k"] = float(np.mean(hits[has] / relevant[has]))
        metrics["ndcg_at_k"] = float(np.mean(gains[has] / best_gains[has]))
    return metrics
