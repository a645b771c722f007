"""Makes changes of a label join out of labels, predictions and scores."""

import numpy as np

from engine.drift.label_rows import PAIR, PREDICTION, Changes


def pairs(label, prediction, score=None, *, ts=None, segment=None, lag_ns=0, sign=1):
    """One pair for each row."""
    rows = len(label)
    ts = np.zeros(rows, np.int64) if ts is None else ts
    return Changes(
        kind=np.full(rows, PAIR, np.int8),
        sign=np.full(rows, sign, np.int8),
        key=np.arange(rows, dtype=np.uint64),
        ts=ts,
        score=np.full(rows, np.nan) if score is None else np.asarray(score, float),
        prediction=np.asarray(prediction, float),
        segment=np.zeros(rows, np.int32) if segment is None else segment,
        label_ts=ts + lag_ns,
        label=np.asarray(label, float),
    )


def predictions(ts, segment):
    """One prediction for each row."""
    changes = pairs(np.full(len(ts), np.nan), np.zeros(len(ts)), ts=ts, segment=segment)
    return changes._replace(kind=np.full(len(ts), PREDICTION, np.int8))


def some(changes, rows):
    """Some of the changes."""
    return Changes._make(column[rows] for column in changes)
