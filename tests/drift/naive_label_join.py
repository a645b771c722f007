"""The label join, slow and obvious: all rows of a key at once."""

import math
from collections import defaultdict


def rank(value):
    """IEEE total order with NaN below every number."""
    return (0, 0.0, 0.0) if math.isnan(value) else (1, value, math.copysign(1.0, value))


def counting_predictions(rows, delay):
    """Of rows (ts, score, prediction, segment) closer than the delay only the first counts."""
    rows = sorted(rows, key=lambda row: (row[0], *(tuple(-x for x in rank(v)) for v in row[1:])))
    counting = []
    for row in rows:
        if not counting or row[0] - counting[-1][0] > delay:
            counting.append(row)
    return counting


def naive_join(predictions, labels, delay):
    """Join sets of (key, ts, score, prediction, segment) and (key, ts, label).

    Gives pairs (key, ts, score, prediction, segment, label_ts, label), expired predictions and
    orphan labels, as sets.
    """
    predictions_of, labels_of = defaultdict(set), defaultdict(set)
    for key, *row in predictions:
        predictions_of[key].add(tuple(row))
    for key, *row in labels:
        labels_of[key].add(tuple(row))
    pairs, expired, orphans = set(), set(), set()
    for key in predictions_of.keys() | labels_of.keys():
        counting = counting_predictions(predictions_of[key], delay)
        candidates = defaultdict(list)
        for ts, label in labels_of[key]:
            before = [row for row in counting if 0 <= ts - row[0] <= delay]
            after = [row for row in counting if 0 < row[0] - ts <= delay]
            if not before and not after:
                orphans.add((key, ts, label))
            else:
                candidates[(before or after)[0]].append((ts, label))
        for row in counting:
            if candidates[row]:
                ts, label = max(candidates[row], key=lambda item: (item[0], rank(item[1])))
                pairs.add((key, *row, ts, label))
            else:
                expired.add((key, *row))
    return pairs, expired, orphans
