"""The label join's kernels that take rows out: at the horizon, or to disk.

A row is due when nothing can come any more that would change it: `time` (of the prediction; of a
label that waits alone, its own) is before `cutoff`, one label delay before the watermark. A key's
prediction leaves with those that it stands for and with its labels.
"""

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_kernels import find, resolve, target
from engine.drift.label_rows import HOLDS_LABEL, HOLDS_PREDICTION, OpenRows
from engine.kernels.jit import in_place

EXPIRED, ORPHAN = np.uint8(1), np.uint8(2)
"""What becomes of a row's prediction and label, as bits."""


@in_place
def row_time(rows: OpenRows, row: int) -> int:
    """Event time that decides when a row is due."""
    return rows.ts[row] if rows.holds[row] & HOLDS_PREDICTION else rows.label_ts[row]


@in_place
def _close_single(rows: OpenRows, row: int, cutoff: int, fates: NDArray[np.uint8]) -> None:
    if row_time(rows, row) >= cutoff:
        return
    if rows.holds[row] == HOLDS_PREDICTION:
        fates[row] = EXPIRED
    elif rows.holds[row] == HOLDS_LABEL:
        fates[row] = ORPHAN
    rows.holds[row] = 0


@in_place
def _close_chain(
    rows: OpenRows,
    head: int,
    cutoff: int,
    delay: int,
    scratch: NDArray[np.int32],
    fates: NDArray[np.uint8],
) -> None:
    """Close what is due of a key with several rows."""
    count = resolve(rows, head, delay, scratch)
    for place in range(count):
        if rows.ts[scratch[0, place]] < cutoff and scratch[1, place] < 0:
            fates[scratch[0, place]] |= EXPIRED
    row = head
    while row >= 0:
        # Labels first: what a label belongs to is read off predictions that still stand.
        if rows.holds[row] & HOLDS_LABEL:
            place = target(rows, scratch[0], count, rows.label_ts[row], delay)
            if place < 0 and rows.label_ts[row] < cutoff:
                fates[row] |= ORPHAN
                rows.holds[row] &= ~np.uint8(HOLDS_LABEL)
            elif place >= 0 and rows.ts[scratch[0, place]] < cutoff:
                rows.holds[row] &= ~np.uint8(HOLDS_LABEL)
        row = rows.following[row]
    row = head
    while row >= 0:
        if rows.holds[row] & HOLDS_PREDICTION:
            stands_for = 0
            while stands_for + 1 < count and rows.ts[scratch[0, stands_for + 1]] <= rows.ts[row]:
                stands_for += 1
            if rows.ts[scratch[0, stands_for]] < cutoff:
                rows.holds[row] &= ~np.uint8(HOLDS_PREDICTION)
        row = rows.following[row]


@in_place
def close(
    rows: OpenRows,
    heads: NDArray[np.int32],
    cutoff: int,
    delay: int,
    scratch: NDArray[np.int32],
    fates: NDArray[np.uint8],
) -> None:
    """Take what is due out of its rows (`holds`), and write what became of it.

    Parameters
    ----------
    scratch : int32[2, CHAIN_MAX]
    fates : uint8[rows in use]
        All 0; `EXPIRED` and `ORPHAN` written.
    """
    for place in range(len(heads)):
        head = heads[place]
        if head < 0:
            continue
        if rows.following[head] < 0:
            _close_single(rows, head, cutoff, fates)
        else:
            _close_chain(rows, head, cutoff, delay, scratch, fates)


@in_place
def choose_old(
    rows: OpenRows, heads: NDArray[np.int32], before: int, latest: NDArray[np.int64]
) -> None:
    """Write for each row of keys that are older than a time the latest time of its key's rows.

    Parameters
    ----------
    latest : int64[rows in use]
        Written for the chosen rows, left alone for others.
    """
    for place in range(len(heads)):
        head = heads[place]
        if head < 0:
            continue
        first = last = row_time(rows, head)
        row = rows.following[head]
        while row >= 0:
            first = min(first, row_time(rows, row))
            last = max(last, row_time(rows, row))
            row = rows.following[row]
        row = head
        while row >= 0 and first < before:
            latest[row] = last
            row = rows.following[row]


@in_place
def link(rows: OpenRows, heads: NDArray[np.int32], begin: int, end: int) -> None:
    """Put rows into the table."""
    for row in range(begin, end):
        place = find(heads, rows, rows.key[row])
        head = heads[place]
        if head < 0:
            rows.following[row] = -1
            heads[place] = row
        else:
            rows.following[row] = rows.following[head]
            rows.following[head] = row


@in_place
def move_together(rows: OpenRows, used: int) -> int:
    """Move rows that hold something to the front, in order; gives how many; links are lost."""
    end = 0
    for row in range(used):
        if rows.holds[row] == 0:
            continue
        if end < row:
            rows.key[end] = rows.key[row]
            rows.ts[end] = rows.ts[row]
            rows.score[end] = rows.score[row]
            rows.prediction[end] = rows.prediction[row]
            rows.label_ts[end] = rows.label_ts[row]
            rows.label[end] = rows.label[row]
            rows.segment[end] = rows.segment[row]
            rows.holds[end] = rows.holds[row]
        end += 1
    return end


@in_place
def are_held(
    rows: OpenRows,
    heads: NDArray[np.int32],
    keys: NDArray[np.uint64],
    held: NDArray[np.bool_],
) -> None:
    """Write for each key whether the table has it."""
    for index in range(len(keys)):
        held[index] = heads[find(heads, rows, keys[index])] >= 0
