"""Feeds a label join in any order, with cuts and restarts, and adds up what it says."""

from collections import Counter

import numpy as np

from engine.drift.label_join import LabelJoin
from engine.drift.label_rows import PAIR, Labels, Predictions

PREDICTION_TYPES = (np.uint64, np.int64, np.float64, np.float64, np.int32)
LABEL_TYPES = (np.uint64, np.int64, np.float64)


def batch(kind, types, rows):
    columns = zip(*rows, strict=True) if rows else [[] for _ in types]
    return kind(*(np.array(c, t) for c, t in zip(columns, types, strict=True)))


def predictions_of(rows):
    return batch(Predictions, PREDICTION_TYPES, rows)


def labels_of(rows):
    return batch(Labels, LABEL_TYPES, rows)


def tuples(columns):
    return list(zip(*(column.tolist() for column in columns), strict=True))


class Feed:
    """A join, and the sums of its changes."""

    def __init__(self, params, folder):
        self.params, self.folder = params, folder
        self.join = LabelJoin(params, folder)
        self.predictions, self.pairs = Counter(), Counter()
        self.expired, self.orphans = [], []
        self.verdicts = Counter()
        self.most_spilled = 0

    def add(self, items):
        """Add (is_label, row) in order, each run of one kind as a batch."""
        begin = 0
        while begin < len(items):
            end = begin
            while end < len(items) and items[end][0] == items[begin][0]:
                end += 1
            rows = [row for _, row in items[begin:end]]
            if items[begin][0]:
                changes, verdicts = self.join.add_labels(labels_of(rows))
            else:
                changes, verdicts = self.join.add_predictions(predictions_of(rows))
            self.verdicts.update(verdicts.tolist())
            self._count(changes)
            self.most_spilled = max(self.most_spilled, len(self.join.spill))
            begin = end

    def _count(self, changes):
        for kind, sign, *row in tuples(changes):
            if kind == PAIR:
                self.pairs[tuple(row)] += sign
            else:
                self.predictions[tuple(row[:5])] += sign

    def advance(self, watermark):
        closed = self.join.advance(watermark)
        self.expired += tuples(closed.expired)
        self.orphans += tuples(closed.orphans)

    def restart(self):
        arrays, meta = self.join.snapshot()
        self.join = LabelJoin(self.params, self.folder)
        self.join.restore(arrays, meta)

    def standing(self):
        """What holds at the end: predictions and pairs; nothing may hold twice or less than 0."""
        for counter in (self.predictions, self.pairs):
            assert set(counter.values()) <= {0, 1}
        return tuple({row for row, n in c.items() if n} for c in (self.predictions, self.pairs))
