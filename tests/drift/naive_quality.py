"""Quality metrics, slow and obvious, where scikit-learn has none; and label lags."""

import math
from itertools import pairwise, permutations


def naive_calibration_error(score, label, bins):
    """Expected calibration error over equal bins."""
    total = 0.0
    for place in range(bins):
        rows = [i for i, s in enumerate(score) if min(bins - 1, int(s * bins)) == place]
        total += abs(math.fsum(score[i] for i in rows) - sum(label[i] for i in rows))
    return total / len(score)


def naive_auc(score, label):
    """Share of pairs in which the positive one ranks higher; a tie is half a pair."""
    positive = [s for s, y in zip(score, label, strict=True) if y]
    negative = [s for s, y in zip(score, label, strict=True) if not y]
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def naive_ranking(score, relevance, k):
    """Precision, recall and NDCG at k of one query: the mean over all orders of tied items."""
    order = sorted(range(len(score)), key=lambda i: -score[i])
    seen = [
        list(perm)
        for perm in permutations(order)
        if all(score[a] >= score[b] for a, b in pairwise(perm))
    ]

    def gain(items):
        return math.fsum(relevance[i] / math.log2(rank + 2) for rank, i in enumerate(items[:k]))

    hits = sum(sum(relevance[i] > 0 for i in perm[:k]) for perm in seen) / len(seen)
    best = gain(sorted(order, key=lambda i: -relevance[i]))
    relevant = sum(r > 0 for r in relevance)
    gains = math.fsum(gain(perm) for perm in seen) / len(seen)
    return hits / k, hits / relevant, gains / best
