"""The label join's kernels: which label belongs to which prediction, and what a new row changes.

All rules are functions of the *set* of a key's predictions and labels, so that the order in which
they come can't matter:

- of predictions no further apart than the label delay the first in event time counts, of several
  at one time the largest in IEEE total order; later, the id is another prediction's;
- a label belongs to the prediction at or up to the delay before it, else to the one up to the
  delay after it (labels may be stamped first);
- of a prediction's labels the last in event time counts, of several at one time the largest.

The result of a key is computed before and after a row is added; the difference is what changed.
Places in the table are found by linear probing; keys are hashes, their low bits are the place.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.drift.label_rows import (
    ACCEPTED,
    CHAIN_MAX,
    HOLDS_LABEL,
    HOLDS_PREDICTION,
    LATE,
    LIMIT,
    PAIR,
    PREDICTION,
    REPEATED,
    Changes,
    Labels,
    OpenRows,
    Predictions,
)
from engine.kernels.jit import in_place

CHANGES_PER_ROW = 4 * CHAIN_MAX
"""The most that one row can change: all of a key's predictions and pairs, before and after."""


@in_place
def ranks_above(value: float, other: float) -> bool:
    """Whether a value is larger in IEEE total order; every number is above NaN."""
    if math.isnan(other) or math.isnan(value):
        return not math.isnan(value) and math.isnan(other)
    if value != other:
        return value > other
    return math.copysign(1.0, value) > math.copysign(1.0, other)


@in_place
def is_same(value: float, other: float) -> bool:
    """Whether neither ranks above the other."""
    return not ranks_above(value, other) and not ranks_above(other, value)


@in_place
def precedes(rows: OpenRows, row: int, other: int) -> bool:
    """Whether a row's prediction counts rather than another's, if they are close together."""
    if rows.ts[row] != rows.ts[other]:
        return rows.ts[row] < rows.ts[other]
    if not is_same(rows.score[row], rows.score[other]):
        return ranks_above(rows.score[row], rows.score[other])
    if not is_same(rows.prediction[row], rows.prediction[other]):
        return ranks_above(rows.prediction[row], rows.prediction[other])
    return rows.segment[row] > rows.segment[other]


@in_place
def target(
    rows: OpenRows, counting: NDArray[np.int32], count: int, label_ts: int, delay: int
) -> int:
    """Place among the counting predictions of the one that a label belongs to; -1: none."""
    after = -1
    for place in range(count):
        ts = rows.ts[counting[place]]
        if ts <= label_ts:
            if label_ts - ts <= delay:
                return place
        elif ts - label_ts <= delay and after < 0:
            after = place
    return after


@in_place
def resolve(rows: OpenRows, head: int, delay: int, result: NDArray[np.int32]) -> int:
    """Write the predictions of a key that count, in order of time, and their labels.

    Parameters
    ----------
    result : int32[2, CHAIN_MAX]
        Rows of the predictions and of their labels (-1: none), written.

    Returns
    -------
    int
        How many predictions count.
    """
    counting, labels = result[0], result[1]
    found = 0
    row = head
    while row >= 0:
        if rows.holds[row] & HOLDS_PREDICTION:
            place = found
            while place > 0 and precedes(rows, row, counting[place - 1]):
                counting[place] = counting[place - 1]
                place -= 1
            counting[place] = row
            found += 1
        row = rows.following[row]
    count = 0
    for place in range(found):
        row = counting[place]
        if count == 0 or rows.ts[row] - rows.ts[counting[count - 1]] > delay:
            counting[count] = row
            labels[count] = -1
            count += 1
    row = head
    while row >= 0:
        if rows.holds[row] & HOLDS_LABEL:
            place = target(rows, counting, count, rows.label_ts[row], delay)
            if place >= 0:
                best = labels[place]
                if (
                    best < 0
                    or rows.label_ts[row] > rows.label_ts[best]
                    or (
                        rows.label_ts[row] == rows.label_ts[best]
                        and ranks_above(rows.label[row], rows.label[best])
                    )
                ):
                    labels[place] = row
        row = rows.following[row]
    return count


@in_place
def find(heads: NDArray[np.int32], rows: OpenRows, key: np.uint64) -> np.uint64:
    """Place of a key in the table, or the free one where it goes."""
    mask = np.uint64(len(heads) - 1)
    place = key & mask
    while heads[place] >= 0 and rows.key[heads[place]] != key:
        place = (place + np.uint64(1)) & mask
    return place


@in_place
def _say(
    changes: Changes, at: int, kind: int, sign: int, rows: OpenRows, row: int, label_row: int
) -> int:
    """Write a change; gives the next one's place."""
    changes.kind[at] = kind
    changes.sign[at] = sign
    changes.key[at] = rows.key[row]
    changes.ts[at] = rows.ts[row]
    changes.score[at] = rows.score[row]
    changes.prediction[at] = rows.prediction[row]
    changes.segment[at] = rows.segment[row]
    changes.label_ts[at] = rows.label_ts[label_row] if label_row >= 0 else 0
    changes.label[at] = rows.label[label_row] if label_row >= 0 else np.nan
    return at + 1


@in_place
def _say_what_left(
    changes: Changes,
    at: int,
    rows: OpenRows,
    sign: int,
    result: NDArray[np.int32],
    count: int,
    other: NDArray[np.int32],
    other_count: int,
) -> int:
    """Write what one result holds and the other does not."""
    for place in range(count):
        row, label_row = result[0, place], result[1, place]
        counts, has_label = False, False
        for other_place in range(other_count):
            if other[0, other_place] == row:
                counts = True
                has_label = other[1, other_place] == label_row
        if not counts:
            at = _say(changes, at, PREDICTION, sign, rows, row, -1)
        if label_row >= 0 and not has_label:
            at = _say(changes, at, PAIR, sign, rows, row, label_row)
    return at


@in_place
def _chain(
    rows: OpenRows,
    head: int,
    row: int,
    delay: int,
    scratch: NDArray[np.int32],
    changes: Changes,
    at: int,
) -> int:
    """Add a row to a key that has some, and say what that changes."""
    before = resolve(rows, head, delay, scratch[0])
    rows.following[row] = rows.following[head]
    rows.following[head] = row
    after = resolve(rows, head, delay, scratch[1])
    at = _say_what_left(changes, at, rows, -1, scratch[0], before, scratch[1], after)
    return _say_what_left(changes, at, rows, 1, scratch[1], after, scratch[0], before)


@in_place
def _put_prediction(rows: OpenRows, row: int, batch: Predictions, index: int) -> None:
    rows.key[row] = batch.key[index]
    rows.ts[row] = batch.ts[index]
    rows.score[row] = batch.score[index]
    rows.prediction[row] = batch.prediction[index]
    rows.segment[row] = batch.segment[index]
    rows.holds[row] |= np.uint8(HOLDS_PREDICTION)


@in_place
def _put_label(rows: OpenRows, row: int, batch: Labels, index: int) -> None:
    rows.key[row] = batch.key[index]
    rows.label_ts[row] = batch.ts[index]
    rows.label[row] = batch.label[index]
    rows.holds[row] |= np.uint8(HOLDS_LABEL)


@in_place
def add_predictions(
    rows: OpenRows,
    heads: NDArray[np.int32],
    numbers: NDArray[np.int64],
    batch: Predictions,
    begin: int,
    watermark: int,
    delay: int,
    scratch: NDArray[np.int32],
    changes: Changes,
    verdicts: NDArray[np.uint8],
) -> int:
    """Add predictions from `begin` on, while there is room for what they change.

    Parameters
    ----------
    numbers : int64[2]
        Rows in use and changes written; updated.
    scratch : int32[2, 2, CHAIN_MAX]

    Returns
    -------
    int
        The first that was not added.
    """
    used, at = numbers[0], numbers[1]
    index = begin
    while index < len(batch.ts) and at + CHANGES_PER_ROW <= len(changes.ts):
        verdicts[index] = ACCEPTED
        ts = batch.ts[index]
        if ts <= watermark:
            verdicts[index] = LATE
            index += 1
            continue
        place = find(heads, rows, batch.key[index])
        head = heads[place]
        if head < 0:
            rows.holds[used] = 0
            _put_prediction(rows, used, batch, index)
            rows.following[used] = -1
            heads[place] = used
            at = _say(changes, at, PREDICTION, 1, rows, used, -1)
            used += 1
        elif (
            rows.following[head] < 0
            and rows.holds[head] == HOLDS_LABEL
            and abs(rows.label_ts[head] - ts) <= delay
        ):
            _put_prediction(rows, head, batch, index)
            at = _say(changes, at, PREDICTION, 1, rows, head, -1)
            at = _say(changes, at, PAIR, 1, rows, head, head)
        else:
            rows.holds[used] = 0
            _put_prediction(rows, used, batch, index)
            length = 0
            row = head
            while row >= 0:
                length += 1
                if (
                    rows.holds[row] & HOLDS_PREDICTION
                    and not precedes(rows, row, used)
                    and not precedes(rows, used, row)
                ):
                    verdicts[index] = REPEATED
                row = rows.following[row]
            if verdicts[index] == ACCEPTED and length >= CHAIN_MAX:
                verdicts[index] = LIMIT
            if verdicts[index] == ACCEPTED:
                at = _chain(rows, head, used, delay, scratch, changes, at)
                used += 1
        index += 1
    numbers[0], numbers[1] = used, at
    return index


@in_place
def add_labels(
    rows: OpenRows,
    heads: NDArray[np.int32],
    numbers: NDArray[np.int64],
    batch: Labels,
    begin: int,
    watermark: int,
    delay: int,
    scratch: NDArray[np.int32],
    changes: Changes,
    verdicts: NDArray[np.uint8],
) -> int:
    """Add labels from `begin` on, while there is room; see `add_predictions`."""
    used, at = numbers[0], numbers[1]
    index = begin
    while index < len(batch.ts) and at + CHANGES_PER_ROW <= len(changes.ts):
        verdicts[index] = ACCEPTED
        ts = batch.ts[index]
        if ts <= watermark:
            verdicts[index] = LATE
            index += 1
            continue
        place = find(heads, rows, batch.key[index])
        head = heads[place]
        if head < 0:
            rows.holds[used] = 0
            _put_label(rows, used, batch, index)
            rows.following[used] = -1
            heads[place] = used
            used += 1
        elif (
            rows.following[head] < 0
            and rows.holds[head] == HOLDS_PREDICTION
            and abs(rows.ts[head] - ts) <= delay
        ):
            _put_label(rows, head, batch, index)
            at = _say(changes, at, PAIR, 1, rows, head, head)
        else:
            length = 0
            row = head
            while row >= 0:
                length += 1
                if (
                    rows.holds[row] & HOLDS_LABEL
                    and rows.label_ts[row] == ts
                    and is_same(rows.label[row], batch.label[index])
                ):
                    verdicts[index] = REPEATED
                row = rows.following[row]
            if verdicts[index] == ACCEPTED and length >= CHAIN_MAX:
                verdicts[index] = LIMIT
            if verdicts[index] == ACCEPTED:
                rows.holds[used] = 0
                _put_label(rows, used, batch, index)
                at = _chain(rows, head, used, delay, scratch, changes, at)
                used += 1
        index += 1
    numbers[0], numbers[1] = used, at
    return index
