"""Boundaries that users' verdicts move: per series and signal, bounded, and taken back exactly.

A score of 1.0 is the boundary. A false alarm raises the boundaries of the signals that broke in it,
those that its reason names, until that alarm would have been silent; a miss lowers those of all
signals a little. What each signal contributed to a row's onset is divided by its factor; the row's
state by that of the alarm it belongs to.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.codecs.verdicts import FALSE_ALARM, RETRACT
from engine.detectors.signals import NAMED_PART
from engine.kernels.jit import in_place

STEPS_PER_OCTAVE = 4
STEP_MIN, STEP_MAX = -4, 8
"""A boundary is 2 ** (step / STEPS_PER_OCTAVE) times what it was: half to four times."""

FACTORS = tuple(2.0 ** (step / STEPS_PER_OCTAVE) for step in range(STEP_MIN, STEP_MAX + 1))
PARTS = tuple(1.0 / factor for factor in FACTORS)
"""What is left of a contribution, by step."""

RAISE_MARGIN = 2
"""A false alarm raises boundaries to what it reached and by so many steps beyond (less than one of
them is lost by rounding), so that its like is silent."""

MISS_FALL = 1
"""Steps by which a miss lowers the boundaries of all signals: which of them slept is not known."""

ONSETS = 4
"""So many of a series' alarms are remembered, the newest first."""

VERDICTS_KEPT = 8
"""So many of a series' verdicts can be taken back, the newest first."""

ONSET_REACH_NS = 3_600_000_000_000
"""A false alarm is the newest alarm at or before its time, no longer before than this."""

STATE_EXIT = 0.5
STATE_ROWS = 30
"""An alarm's episode is over when the state is below STATE_EXIT so many rows after its onset: by
then the state, a moving mean, shows what began."""

NEVER_NS = np.iinfo(np.int64).min

ALL_SIGNALS = 0
"""A set of signals is a mask, bit k for the k-th; where none is known, all are meant."""

LOUDEST = np.float32(1e30)
"""A contribution counts for no more, so that sums stay finite."""

# What `numbers` holds for a series that has no row in the other arrays.
UNMET, MET = -2, -1

# What became of a verdict; where several detectors were asked, the largest counts.
UNWATCHED, NOT_MET, NOTHING_SAID, NO_ALARM, REPEATED, APPLIED = range(6)


@in_place
def meet(
    place: NDArray[np.int32], onset: NDArray[np.float64], numbers: NDArray[np.int32]
) -> tuple[bool, bool]:
    """Note which series have been scored; whether any has a row in the state, or alarms."""
    known, alarms = False, False
    for i in range(len(place)):
        number = numbers[place[i]]
        if number >= 0:
            known = True
        elif number == UNMET:
            numbers[place[i]] = MET
        if onset[i] > 1.0:
            alarms = True
    return known, alarms


@in_place
def factor_of(step: int) -> float:
    """What a boundary is multiplied by."""
    return FACTORS[step - STEP_MIN]


@in_place
def loud_signals(signals: NDArray[np.float32], row: int) -> int:
    """The signals that broke in a row: those with at least NAMED_PART of the loudest one's part."""
    most = np.float32(0.0)
    for k in range(len(signals)):
        most = max(most, signals[k, row])
    mask = 0
    for k in range(len(signals)):
        if signals[k, row] > 0.0 and signals[k, row] >= NAMED_PART * most:
            mask |= 1 << k
    return mask


@in_place
def is_in(mask: int, k: int) -> bool:
    """Whether a signal is in a set."""
    return mask == ALL_SIGNALS or (mask >> k) & 1 == 1


@in_place
def least_factor(step: NDArray[np.int8], mask: int) -> float:
    """The lowest factor of some signals."""
    least = STEP_MAX
    for k in range(len(step)):
        if is_in(mask, k):
            least = min(least, step[k])
    return factor_of(least)


@in_place
def onset_factor(step: NDArray[np.int8], signals: NDArray[np.float32], row: int) -> float:
    """What an onset is divided by when each signal's part of it is divided by its factor."""
    whole, scaled = 0.0, 0.0
    for k in range(len(signals)):
        if signals[k, row] > 0.0:
            part = np.float64(min(signals[k, row], LOUDEST))
            whole += part
            scaled += part * PARTS[step[k] - STEP_MIN]
    return whole / scaled if whole > 0.0 else least_factor(step, ALL_SIGNALS)


@in_place
def move(step: NDArray[np.int8], change: NDArray[np.int8], mask: int, by: int) -> None:
    """Move the boundaries of some signals; notes what came of it in `change`."""
    for k in range(len(step)):
        moved = step[k]
        if is_in(mask, k):
            moved = min(max(step[k] + by, STEP_MIN), STEP_MAX)
        change[k] = moved - step[k]
        step[k] = moved


@in_place
def take_back(
    judged: NDArray[np.int64],
    verdict_of: NDArray[np.int8],
    change: NDArray[np.int8],
    step: NDArray[np.int8],
    which: int,
) -> None:
    """Undo a remembered verdict and forget it."""
    for k in range(len(step)):
        step[k] = min(max(step[k] - change[which, k], STEP_MIN), STEP_MAX)
    for later in range(which, VERDICTS_KEPT - 1):
        copy_verdict(judged, verdict_of, change, later + 1, later)
    judged[VERDICTS_KEPT - 1] = NEVER_NS


@in_place
def copy_verdict(
    judged: NDArray[np.int64],
    verdict_of: NDArray[np.int8],
    change: NDArray[np.int8],
    source: int,
    target: int,
) -> None:
    """Write one remembered verdict over another."""
    judged[target] = judged[source]
    verdict_of[target] = verdict_of[source]
    for k in range(change.shape[1]):
        change[target, k] = change[source, k]


@in_place
def raise_for(
    onset_ts: NDArray[np.int64],
    onset_height: NDArray[np.float32],
    onset_signals: NDArray[np.int16],
    ts: int,
) -> tuple[int, int]:
    """The signals whose boundaries a false alarm raises, and by how many steps: 0 for none."""
    for which in range(ONSETS):
        if onset_ts[which] <= ts:
            if onset_ts[which] < ts - ONSET_REACH_NS:
                break
            height = math.log2(max(np.float64(onset_height[which]), 1.0)) * STEPS_PER_OCTAVE
            return onset_signals[which], RAISE_MARGIN + int(min(height, STEP_MAX - STEP_MIN))
    return ALL_SIGNALS, 0


@in_place
def judge(
    onset_ts: NDArray[np.int64],
    onset_height: NDArray[np.float32],
    onset_signals: NDArray[np.int16],
    step: NDArray[np.int8],
    judged: NDArray[np.int64],
    verdict_of: NDArray[np.int8],
    change: NDArray[np.int8],
    ts: int,
    verdict: int,
) -> int:
    """Apply one verdict to one series; gives what became of it.

    Parameters
    ----------
    onset_ts : int64[ONSETS]
        Remembered alarms, the newest first, with `onset_height` (float32, as reported) and
        `onset_signals` (int16, a mask); NEVER_NS where there are fewer.
    step : int8[k]
        The signals' boundaries. Changed, as is what follows.
    judged : int64[VERDICTS_KEPT]
        What has been said, the newest first, with `verdict_of` and `change` (int8[..., k]).
    ts : int
        The judged sample.
    verdict : int
        See `engine.codecs.verdicts`.
    """
    said = -1
    for which in range(VERDICTS_KEPT):
        if judged[which] == ts:
            said = which
    if said >= 0 and verdict_of[said] == verdict:
        return REPEATED
    mask, by = ALL_SIGNALS, -MISS_FALL
    if verdict == FALSE_ALARM:
        mask, by = raise_for(onset_ts, onset_height, onset_signals, ts)
        if by == 0:
            return NO_ALARM
    if said >= 0:
        # Who says something else of the same sample has changed their mind.
        take_back(judged, verdict_of, change, step, said)
    if verdict == RETRACT:
        return APPLIED if said >= 0 else NOTHING_SAID
    for later in range(VERDICTS_KEPT - 1, 0, -1):
        copy_verdict(judged, verdict_of, change, later - 1, later)
    judged[0], verdict_of[0] = ts, verdict
    move(step, change[0], mask, by)
    return APPLIED


@in_place
def is_judged(judged: NDArray[np.int64], step: NDArray[np.int8]) -> bool:
    """Whether a verdict on a series counts, or one that is no longer remembered has moved it."""
    if judged[0] != NEVER_NS:
        return True
    moved = False
    for k in range(len(step)):
        moved = moved or step[k] != 0
    return moved


@in_place
def scale_row(
    row: int,
    onset: NDArray[np.float64],
    state: NDArray[np.float64],
    signals: NDArray[np.float32],
    step: NDArray[np.int8],
    episode: NDArray[np.int16],
) -> float:
    """Divide a row's onset and state by their factors; gives the onset's.

    `episode` (int16[2]) holds the signals of the running alarm, and the rows since it began.
    """
    if onset[row] > 1.0:
        episode[0], episode[1] = loud_signals(signals, row), 0
    elif episode[1] < STATE_ROWS:
        episode[1] += 1
    elif state[row] < STATE_EXIT:
        episode[0] = ALL_SIGNALS
    factor = 1.0
    if onset[row] > 0.0:
        factor = onset_factor(step, signals, row)
        onset[row] /= factor
    if state[row] > 0.0:
        state[row] /= least_factor(step, episode[0])
    return factor


@in_place
def remember(
    onset_ts: NDArray[np.int64],
    onset_height: NDArray[np.float32],
    onset_signals: NDArray[np.int16],
    ts: int,
    height: float,
    mask: int,
) -> None:
    """Note an alarm as the newest one."""
    for later in range(ONSETS - 1, 0, -1):
        onset_ts[later] = onset_ts[later - 1]
        onset_height[later] = onset_height[later - 1]
        onset_signals[later] = onset_signals[later - 1]
    onset_ts[0], onset_height[0], onset_signals[0] = ts, height, mask


@in_place
def apply_rows(
    numbers: NDArray[np.int32],
    onset_ts: NDArray[np.int64],
    onset_height: NDArray[np.float32],
    onset_signals: NDArray[np.int16],
    step: NDArray[np.int8],
    episode: NDArray[np.int16],
    judged: NDArray[np.int64],
    verdict_of: NDArray[np.int8],
    change: NDArray[np.int8],
    place: NDArray[np.int32],
    ts: NDArray[np.int64],
    onset: NDArray[np.float64],
    state: NDArray[np.float64],
    signals: NDArray[np.float32],
    said_place: NDArray[np.int32],
    said_ts: NDArray[np.int64],
    said_judged: NDArray[np.int64],
    said_verdict: NDArray[np.uint8],
    outcome: NDArray[np.uint8],
    factor: NDArray[np.float64],
) -> None:
    """Bring a block's scores to the boundaries that verdicts have moved, and apply new verdicts.

    Parameters
    ----------
    numbers : int32[series]
        Of each series its row in the state, UNMET or MET. Every series that has a verdict, or an
        onset above 1 in the block, has a row.
    onset_ts, onset_height, onset_signals, step, episode, judged, verdict_of, change
        The state: rows of what `judge` and `scale_row` take. Changed.
    place, ts : int32[n], int64[n]
        Series and time of each sample, ascending.
    onset, state : float64[n]
        On the common scale. Changed.
    signals : float32[k, n]
        What contributed to the onset.
    said_place, said_ts, said_judged, said_verdict
        Of each verdict its series, when it takes effect, the judged sample and its number;
        ascending by the first two.
    outcome : uint8[m]
        Out: what became of each verdict.
    factor : float64[n]
        Out where a series is judged: what the boundary of the row's onset was multiplied by.
    """
    said = 0
    for i in range(len(place) + 1):
        # Verdicts that take effect after the last row and before this one.
        while said < len(said_place) and (
            i == len(place)
            or said_place[said] < place[i]
            or (said_place[said] == place[i] and said_ts[said] < ts[i])
        ):
            s = numbers[said_place[said]]
            if not is_judged(judged[s], step[s]):
                episode[s, 0], episode[s, 1] = onset_signals[s, 0], 0
            outcome[said] = judge(
                onset_ts[s], onset_height[s], onset_signals[s], step[s],
                judged[s], verdict_of[s], change[s], said_judged[said], said_verdict[said],
            )  # fmt: skip
            said += 1
        if i == len(place) or numbers[place[i]] < 0:
            continue
        s = numbers[place[i]]
        if is_judged(judged[s], step[s]):
            factor[i] = scale_row(i, onset, state, signals, step[s], episode[s])
        if onset[i] > 1.0:
            mask = loud_signals(signals, i)
            remember(onset_ts[s], onset_height[s], onset_signals[s], ts[i], onset[i], mask)
