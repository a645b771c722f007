"""The columns that the label join works on: what waits, and what it says.

A row that waits holds a prediction, a label, or both where they belong together. Most keys have
one row; a key with several (corrections, labels that contradict each other, an id used twice) has
them chained. Two predictions of one key, or two labels, never share a row.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HOLDS_PREDICTION, HOLDS_LABEL = 1, 2
"""Bits of `OpenRows.holds`."""

CHAIN_MAX = 64
"""Rows of one key: what comes beyond is refused as `LIMIT`."""

ACCEPTED, REPEATED, LATE, LIMIT = (np.uint8(verdict) for verdict in range(4))
"""What became of an input row. `REPEATED`: the same stands already."""

PREDICTION, PAIR = range(2)
"""Kinds of a change."""

ROW = np.dtype(
    [
        ("key", "<u8"),
        ("ts", "<i8"),
        ("score", "<f8"),
        ("prediction", "<f8"),
        ("label_ts", "<i8"),
        ("label", "<f8"),
        ("segment", "<i4"),
        ("holds", "<u4"),
    ]
)
"""A waiting row on disk: 56 bytes, none of them padding."""


class OpenRows(NamedTuple):
    """Waiting rows, all arrays [capacity]; 57 bytes each.

    Attributes
    ----------
    key : uint64
        Hash of model and prediction id.
    ts : int64
        Of the prediction, ns since the epoch; so is `label_ts` of the label.
    score, prediction, label : float64
    segment : int32
    following : int32
        The next row of the same key, -1 after the last.
    holds : uint8
        `HOLDS_PREDICTION` and `HOLDS_LABEL`; 0: the row is about to be removed.
    """

    key: NDArray[np.uint64]
    ts: NDArray[np.int64]
    score: NDArray[np.float64]
    prediction: NDArray[np.float64]
    label_ts: NDArray[np.int64]
    label: NDArray[np.float64]
    segment: NDArray[np.int32]
    following: NDArray[np.int32]
    holds: NDArray[np.uint8]


class Predictions(NamedTuple):
    """A batch of predictions, all arrays [n].

    Attributes
    ----------
    key : uint64
        Hash of model and prediction id.
    ts : int64
        Event time, ns since the epoch.
    score : float64
        The probability of the positive class, or the rank score; NaN if there is none.
    prediction : float64
        The predicted value, or the code of the predicted class; of a ranking, the query's number.
    segment : int32
        0 or larger.
    """

    key: NDArray[np.uint64]
    ts: NDArray[np.int64]
    score: NDArray[np.float64]
    prediction: NDArray[np.float64]
    segment: NDArray[np.int32]


class Labels(NamedTuple):
    """A batch of labels: key uint64[n], ts int64[n] (event time, ns), label float64[n]."""

    key: NDArray[np.uint64]
    ts: NDArray[np.int64]
    label: NDArray[np.float64]


class Changes(NamedTuple):
    """What a batch changed, in the order of its rows; all arrays [n].

    Attributes
    ----------
    kind : int8
        `PREDICTION`: a prediction counts from now on, labelled or not. `PAIR`: with this label.
    sign : int8
        1: it holds now; -1: it holds no more (a correction retracts the old one).
    key, ts, score, prediction, segment
        Of the prediction.
    label_ts, label : int64, float64
        Of the label; 0 and NaN where `kind` is `PREDICTION`.
    """

    kind: NDArray[np.int8]
    sign: NDArray[np.int8]
    key: NDArray[np.uint64]
    ts: NDArray[np.int64]
    score: NDArray[np.float64]
    prediction: NDArray[np.float64]
    segment: NDArray[np.int32]
    label_ts: NDArray[np.int64]
    label: NDArray[np.float64]

    @property
    def number(self) -> int:
        """Number of changes."""
        return len(self.ts)


class Closed(NamedTuple):
    """What can't change any more, in order of time and key.

    Attributes
    ----------
    expired : Predictions
        Predictions that never got a label.
    orphans : Labels
        Labels that never had a prediction: dead letters (`orphan_label`).
    """

    expired: Predictions
    orphans: Labels


ROW_TYPES = (
    *(np.uint64, np.int64, np.float64, np.float64),
    *(np.int64, np.float64, np.int32, np.int32, np.uint8),
)
CHANGE_TYPES = (
    *(np.int8, np.int8, np.uint64, np.int64, np.float64),
    *(np.float64, np.int32, np.int64, np.float64),
)


def open_rows(capacity: int) -> OpenRows:
    """Room for waiting rows."""
    return OpenRows._make(np.zeros(capacity, dtype) for dtype in ROW_TYPES)


def change_room(capacity: int) -> Changes:
    """Room for changes."""
    return Changes._make(np.empty(capacity, dtype) for dtype in CHANGE_TYPES)


def joined_changes(parts: Iterable[Changes]) -> Changes:
    """One batch of several."""
    columns: Any = zip(*[change_room(0), *parts], strict=True)
    return Changes._make(np.concatenate(column) for column in columns)


def net_changes(changes: Changes) -> Changes:
    """Leave out what was said and taken back again, so that nothing of the order is left.

    What follows depends only on what held before and what holds after, but for its own order.
    """
    taken_back = changes.sign < 0
    if not taken_back.any():
        return changes
    touched = np.isin(changes.key, changes.key[taken_back])
    some = Changes._make(column[touched] for column in changes)
    # Floats as their bits: NaN is equal to itself.
    columns = [c.view(np.int64) if c.dtype == np.float64 else c for c in some if c is not some.sign]
    order = np.lexsort(columns)
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = np.any([c[order][1:] != c[order][:-1] for c in columns], axis=0)
    begins = np.flatnonzero(is_first)
    signs = np.add.reduceat(some.sign[order].astype(np.int64), begins)
    first = order[begins][signs != 0]
    net = Changes._make(column[first] for column in some)
    net = net._replace(sign=signs[signs != 0].astype(np.int8))
    return joined_changes([Changes._make(column[~touched] for column in changes), net])


def to_disk(rows: OpenRows, which: NDArray[np.int64]) -> NDArray[Any]:
    """Waiting rows as ROW[n]."""
    packed = np.zeros(len(which), ROW)
    for name in ROW.names or ():
        packed[name] = getattr(rows, name)[which]
    return packed
