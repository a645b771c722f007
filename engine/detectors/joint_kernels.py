"""The metrics of an entity together: is their mix of deviations unusual, and is it sustained.

The deviations of an entity's metrics at one instant form a vector. Its norm is measured against the
metrics' own second moments (a whitened or Mahalanobis norm): metrics that always move together
count once, and one that leaves its companions stands out. How rare the norm is for this entity
gives onset and state.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.detectors.moment_kernels import (
    DEVIATION,
    PART,
    SOLVED,
    WEIGHT,
    learn_moments,
    pair,
    refresh,
)
from engine.detectors.protocol import NOT_JUDGED
from engine.detectors.surprise_kernels import QUIET_SURPRISE, follow
from engine.kernels.jit import in_place

REFRESH_ROWS = 64
"""The moments are inverted anew after every so many instants."""

DEVIATION_MAX = 8.0
"""No metric counts for more usual deviations than this."""

SWEEPS = 3
"""Rounds in which missing metrics get their likeliest values."""

ONSET_MAX = 8.0
"""No metric's own onset counts for more than this."""

MEMBER_STATE_MAX = 1e4
"""No metric's own state counts for more than this."""

# Entries of an entity's tallies.
WIDTH = 0  # of the metrics weighed together, one beyond the last
INSTANTS = 1  # since the moments were inverted
TALLIES = 2


@in_place
def impute(precision: NDArray[np.float32], room: NDArray[np.float64], width: int) -> None:
    """Give metrics that are missing at this instant about the values that make it least unusual."""
    deviation = room[DEVIATION]
    for _ in range(SWEEPS):
        for i in range(width):
            own = precision[pair(i, i)]
            if room[WEIGHT, i] > 0.0 or own == 0.0:
                continue
            pull = 0.0
            for j in range(width):
                if j != i:
                    pull += precision[pair(i, j)] * deviation[j]
            deviation[i] = -pull / own


@in_place
def whiten(precision: NDArray[np.float32], room: NDArray[np.float64], width: int) -> float:
    """Norm of an instant, 1 on average; -1 if no metric can be weighed yet.

    Parameters
    ----------
    precision : float32[PAIRS]
        Inverse of the moments.
    room : float64[ROOM_ROWS, MEMBERS_MAX]
        With what was seen; filled in where a metric is missing. Its row PART is filled with the
        squared distance of each metric from what the others say of it, in units of what usually
        remains of it then.
    width : int
        Metrics to look at.
    """
    deviation, solved, part = room[DEVIATION], room[SOLVED], room[PART]
    used = 0
    for i in range(width):
        solved[i] = part[i] = 0.0
        if room[WEIGHT, i] > 0.0 and precision[pair(i, i)] > 0.0:
            used += 1
    if used == 0:
        return -1.0
    if used < width:
        impute(precision, room, width)
    for i in range(width):
        base = i * (i + 1) // 2
        total = precision[base + i] * deviation[i]
        for j in range(i):
            total += precision[base + j] * deviation[j]
            solved[j] += precision[base + j] * deviation[i]
        solved[i] += total
    square = 0.0
    for i in range(width):
        square += solved[i] * deviation[i]
        own = precision[pair(i, i)]
        if own > 0.0 and room[WEIGHT, i] > 0.0:
            part[i] = solved[i] * solved[i] / own
    return math.sqrt(max(square, 0.0) / used)


@in_place
def gather(
    member: NDArray[np.int32],
    residual: NDArray[np.float64],
    begin: int,
    end: int,
    learned: NDArray[np.int16],
    tallies: NDArray[np.int32],
    room: NDArray[np.float64],
) -> int:
    """Lay the rows of an instant out by metric; give the entity's width."""
    if end > begin:
        tallies[WIDTH] = max(tallies[WIDTH], member[end - 1] + 1)
    width = int(tallies[WIDTH])
    for i in range(width):
        room[DEVIATION, i] = room[WEIGHT, i] = 0.0
    for row in range(begin, end):
        i = member[row]
        if math.isfinite(residual[row]):
            room[DEVIATION, i] = min(max(residual[row], -DEVIATION_MAX), DEVIATION_MAX)
            room[WEIGHT, i] = 1.0 / (learned[i] + 1.0)
    return width


@in_place
def members_scores(
    onset: NDArray[np.float64], state: NDArray[np.float64], begin: int, end: int
) -> tuple[float, float]:
    """Sum of the onsets and mean of the states of an instant's rows."""
    onsets, states = 0.0, 0.0
    for row in range(begin, end):
        # Comparisons with NaN are false.
        onsets += min(onset[row], ONSET_MAX) if onset[row] > 0.0 else 0.0
        states += min(state[row], MEMBER_STATE_MAX) if state[row] > 0.0 else 0.0
    return onsets, states / max(end - begin, 1)


@in_place
def share_out(
    member: NDArray[np.int32],
    state: NDArray[np.float64],
    part: NDArray[np.float64],
    begin: int,
    end: int,
    level: float,
    contribution: NDArray[np.float64],
) -> None:
    """Split a score among an instant's rows: `level` by `part`, the rest by their own states."""
    parts, total = 0.0, 0.0
    for row in range(begin, end):
        parts += part[member[row]]
    for row in range(begin, end):
        own = min(state[row], MEMBER_STATE_MAX) / (end - begin) if state[row] > 0.0 else 0.0
        if parts > 0.0:
            own += level * part[member[row]] / parts
        contribution[row] = own
        total += own
    for row in range(begin, end):
        contribution[row] = contribution[row] / total if total > 0.0 else 0.0


@in_place
def score_instants(
    moments: NDArray[np.float32],
    precision: NDArray[np.float32],
    learned: NDArray[np.int16],
    tail: NDArray[np.uint16],
    followed: NDArray[np.int16],
    level: NDArray[np.float64],
    tallies: NDArray[np.int32],
    entity: NDArray[np.int32],
    start: NDArray[np.int64],
    member: NDArray[np.int32],
    residual: NDArray[np.float64],
    onset: NDArray[np.float64],
    state: NDArray[np.float64],
    scores: NDArray[np.float64],
    contribution: NDArray[np.float64],
    room: NDArray[np.float64],
    packed: NDArray[np.float64],
) -> None:
    """Score instants in order by what was known before each, and learn them.

    Parameters
    ----------
    moments, precision : float32[entities, PAIRS]
        State, as are `learned` (int16[entities, MEMBERS_MAX]), `tail`, `followed` and `level` (see
        `follow`) and `tallies` (int32[entities, TALLIES]).
    entity, start : int32[n], int64[n + 1]
        The entity of each instant, and where its rows begin.
    member, residual, onset, state : int32[rows], float64[rows], float64[rows], float64[rows]
        See `JointScorer.score`.
    scores : float64[2, n]
        Filled: raw onset (NOT_JUDGED while warming up) and raw state.
    contribution : float64[rows]
        Filled: part of each row in its instant's score.
    room, packed : float64[ROOM_ROWS, MEMBERS_MAX], float64[PAIRS]
        Room to work in.
    """
    for i in range(len(entity)):
        e = entity[i]
        begin, end = start[i], start[i + 1]
        width = gather(member, residual, begin, end, learned[e], tallies[e], room)
        norm = whiten(precision[e], room, width)
        rarity = follow(tail[e], followed[e], level, e, norm) if norm >= 0.0 else NOT_JUDGED
        scores[0, i], scores[1, i] = NOT_JUDGED, 0.0
        if rarity >= 0.0:
            onsets, states = members_scores(onset, state, begin, end)
            scores[0, i] = onsets + max(rarity - QUIET_SURPRISE, 0.0)
            scores[1, i] = level[e] + states
        share_out(member, state, room[PART], begin, end, level[e], contribution)
        learn_moments(moments[e], learned[e], room, width, norm)
        tallies[e, INSTANTS] = (tallies[e, INSTANTS] + 1) % REFRESH_ROWS
        if tallies[e, INSTANTS] == 0:
            refresh(moments[e], learned[e], precision[e], packed, width)


@in_place
def rank_rows(
    start: NDArray[np.int64], contribution: NDArray[np.float64], rows: NDArray[np.int64]
) -> None:
    """Fill in the rows of each instant's largest contributions (see `JointScores.ranked`)."""
    most = rows.shape[1]
    for i in range(len(start) - 1):
        held = 0
        for row in range(start[i], start[i + 1]):
            place = held
            while place > 0 and contribution[rows[i, place - 1]] < contribution[row]:
                place -= 1
            if contribution[row] <= 0.0 or place >= most:
                continue
            held = min(held + 1, most)
            for later in range(held - 1, place, -1):
                rows[i, later] = rows[i, later - 1]
            rows[i, place] = row
