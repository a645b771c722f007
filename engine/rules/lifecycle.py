"""The life of an alert: one pure function, and the loop that applies it to a block of ticks.

States and their order of events are Prometheus' (rules/alerting.go), see `advance`. What a series
said at a tick is one of four conditions, so that an alert can hold on through missing samples or
above a lower level, which Prometheus can't express.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel

MINUTE_NS = 60_000_000_000

INACTIVE, PENDING, FIRING = 0, 1, 2
"""States of an alert. Inactive with a time of resolution: resolved and still remembered."""

NO_CHANGE, BECAME_PENDING, BECAME_FIRING, BECAME_RESOLVED, DROPPED, FORGOTTEN, REFRESH = range(7)
"""Transitions. Dropped: was pending and its condition ended. Forgotten: resolved long enough ago.
Refresh: still firing, to be said again."""

TRUE, HOLDS, FALSE, ENDED, ABSENT = 4, 3, 2, 1, 0
"""Conditions at a tick: the expression gives a result; only what keeps a firing alert does; the
series is there but neither does; its source has ended it (stale marker); it is not there."""

RESOLVE_ON_ABSENT, HOLD_ON_ABSENT, FIRE_ON_ABSENT = 0, 1, 2

ALERT = np.dtype(
    [
        ("used", np.bool_),  # False: the entry is free
        ("state", np.int8),
        ("active_at", np.int64),
        ("fired_at", np.int64),
        ("keep_since", np.int64),  # first tick without a result, while kept firing
        ("resolved_at", np.int64),
        ("last_sent", np.int64),
        ("last_seen", np.int64),  # last tick at which the series was there
        ("missing", np.int64),  # ticks in a row at which it was not
        ("ended", np.bool_),  # its source has ended it since
        ("value", np.float64),  # of the last result
        ("sequence", np.int64),  # records said of this episode
    ]
)
"""One alert of a rule; times are int64 nanoseconds, `NEVER` where they do not apply."""

TIMES = ("active_at", "fired_at", "keep_since", "resolved_at", "last_sent", "last_seen")
"""Fields of `ALERT` that are `NEVER` in a free entry."""

ROW = np.dtype([("tick", np.int64), ("alert", np.int32), ("condition", np.int8), ("value", "f8")])
"""What one alert's expression said at a tick."""

CHANGE = np.dtype(
    [
        ("tick", np.int64),
        ("alert", np.int32),
        ("transition", np.int8),
        ("value", np.float64),
        ("active_at", np.int64),
        ("fired_at", np.int64),
        ("sequence", np.int64),
        ("row", np.int64),  # the row of its last result in this call, -1 if it had none
        ("condition", np.int8),  # at this tick
        ("last_seen", np.int64),
    ]
)
"""A transition to be said."""

NEVER = np.iinfo(np.int64).min
RESOLVED_RETENTION_NS = 15 * MINUTE_NS
RESEND_DELAY_NS = MINUTE_NS


@kernel
def advance(
    state: int,
    active_at: int,
    keep_since: int,
    resolved_at: int,
    present: bool,
    tick: int,
    for_ns: int,
    keep_firing_for_ns: int,
) -> tuple[int, int, int, int, int]:
    """Take one alert over one tick.

    Parameters
    ----------
    state, active_at, keep_since, resolved_at : int
        What the alert is and since when, `NEVER` where it does not apply.
    present : bool
        Whether the rule's expression has a result for it at this tick.
    tick, for_ns, keep_firing_for_ns : int
        Event time of the tick and the rule's two durations, nanoseconds.

    Returns
    -------
    state, active_at, keep_since, resolved_at, transition : int
    """
    transition = NO_CHANGE
    if present:
        keep_since = NEVER
        if state == INACTIVE:
            state, active_at, resolved_at = PENDING, tick, NEVER
            transition = BECAME_PENDING
    else:
        if state == INACTIVE:
            if resolved_at != NEVER and tick - resolved_at > RESOLVED_RETENTION_NS:
                return INACTIVE, NEVER, NEVER, NEVER, FORGOTTEN
            return state, active_at, keep_since, resolved_at, NO_CHANGE
        if state == PENDING:
            return INACTIVE, NEVER, NEVER, NEVER, DROPPED
        if keep_since == NEVER:
            keep_since = tick
        if tick - keep_since >= keep_firing_for_ns:
            return INACTIVE, active_at, NEVER, tick, BECAME_RESOLVED
    if state == PENDING and tick - active_at >= for_ns:
        return FIRING, active_at, keep_since, resolved_at, BECAME_FIRING
    if state == FIRING and tick - active_at < for_ns:
        # Only a rule whose `for` was raised on reload gets here.
        return PENDING, active_at, NEVER, resolved_at, BECAME_PENDING
    return state, active_at, keep_since, resolved_at, transition


@kernel
def is_present(
    condition: int, state: int, missing: int, ended: bool, gap_tolerance: int, on_absent: int
) -> bool:
    """Whether a condition counts as a result for an alert in this state.

    `missing` is the number of ticks in a row, this one included, at which the series was absent.
    A series that its source has ended is tolerated as long as a gap (a failed scrape ends it, too),
    but neither holds an alert nor fires one.
    """
    if condition == TRUE:
        return True
    if condition == HOLDS:
        return state == FIRING
    if condition == FALSE:
        return False
    if state != INACTIVE and missing <= gap_tolerance:
        return True
    if ended:
        return False
    if state == FIRING and on_absent == HOLD_ON_ABSENT:
        return True
    return on_absent == FIRE_ON_ABSENT


@kernel
def _next_tick(
    alerts: NDArray[np.void], on_absent: int, next_row_tick: int, tick: int, interval: int
) -> int:
    """First tick at or after `tick` at which anything can happen; skips stretches of silence."""
    earliest = next_row_tick
    for a in range(len(alerts)):
        alert = alerts[a]
        if not alert.used:
            continue
        if alert.state != INACTIVE or on_absent == FIRE_ON_ABSENT:
            return tick
        if alert.resolved_at == NEVER:
            continue
        # The first tick that is more than the retention after the resolution.
        wait = alert.resolved_at + RESOLVED_RETENTION_NS + 1 - tick
        earliest = min(earliest, tick + max(0, (wait + interval - 1) // interval) * interval)
    return max(earliest, tick)


@kernel
def _mark(
    rows: NDArray[np.void],
    row: int,
    tick: int,
    condition: NDArray[np.int8],
    at_row: NDArray[np.int64],
) -> tuple[int, bool]:
    """Note what each alert's rows say at `tick`; the second result tells of a duplicate."""
    duplicate = False
    condition[:] = ABSENT
    while row < len(rows) and rows[row].tick == tick:
        a = rows[row].alert
        if rows[row].condition == TRUE and condition[a] == TRUE:
            duplicate = True
        if rows[row].condition > condition[a]:
            condition[a] = rows[row].condition
            at_row[a] = row
        row += 1
    return row, duplicate


@kernel
def _step(
    alert: Any,
    condition: int,
    tick: int,
    for_ns: int,
    keep_firing_for_ns: int,
    gap_tolerance: int,
    on_absent: int,
    remember_ns: int,
) -> int:
    """Take one entry of the table over one tick; gives the transition."""
    if condition <= ENDED:
        alert.missing += 1
        alert.ended = alert.ended or condition == ENDED
    else:
        alert.missing = 0
        alert.ended = False
        alert.last_seen = tick
    present = is_present(
        condition, alert.state, alert.missing, alert.ended, gap_tolerance, on_absent
    )
    if condition == ABSENT and on_absent == FIRE_ON_ABSENT and not alert.ended:
        present = alert.last_seen != NEVER and tick - alert.last_seen <= remember_ns
    state, active_at, keep_since, resolved_at, transition = advance(
        alert.state, alert.active_at, alert.keep_since, alert.resolved_at,
        present, tick, for_ns, keep_firing_for_ns,
    )  # fmt: skip
    if alert.state == INACTIVE and state != INACTIVE:
        alert.sequence = 0
    if transition == BECAME_PENDING:
        alert.fired_at = NEVER
    if transition == BECAME_FIRING:
        alert.fired_at = tick
    alert.state = state
    alert.active_at = active_at
    alert.keep_since = keep_since
    alert.resolved_at = resolved_at
    if transition == NO_CHANGE and state == FIRING and alert.last_sent + RESEND_DELAY_NS < tick:
        transition = REFRESH
    if transition != NO_CHANGE:
        alert.last_sent = tick
    return transition


@kernel
def advance_block(
    first_tick: int,
    last_tick: int,
    interval: int,
    rows: NDArray[np.void],
    alerts: NDArray[np.void],
    for_ns: int,
    keep_firing_for_ns: int,
    gap_tolerance: int,
    on_absent: int,
    remember_ns: int,
    changes: NDArray[np.void],
    last_row: NDArray[np.int64],
    failed: NDArray[np.int64],
) -> tuple[int, int]:
    """Take all alerts of a rule over the ticks ``first_tick..last_tick``, both included.

    Parameters
    ----------
    rows : ROW[n]
        What the expression said, sorted by tick.
    alerts : ALERT[m]
        The table; changed. With `FIRE_ON_ABSENT` an alert is remembered for `remember_ns` after
        its series was last seen.
    changes : CHANGE[capacity]
        Written.
    last_row : int64[m]
        Written: the row of each alert's last result in this call, -1 if it had none.
    failed : int64[2]
        A tick at which two results have the same labels fails as a whole, as in Prometheus: it
        changes nothing, is counted in ``failed[0]`` and stands in ``failed[1]`` if it is the last.

    Returns
    -------
    tick : int
        Above `last_tick` when done, else the tick that found `changes` too full: call again there.
    written : int
        Changes written.
    """
    written = 0
    row = 0
    condition = np.empty(len(alerts), np.int8)
    at_row = np.empty(len(alerts), np.int64)
    last_row[:] = -1
    tick = first_tick
    while tick <= last_tick:
        while row < len(rows) and rows[row].tick < tick:
            row += 1
        next_row_tick = rows[row].tick if row < len(rows) else last_tick + interval
        tick = _next_tick(alerts, on_absent, next_row_tick, tick, interval)
        if tick > last_tick:
            break
        if written + len(alerts) > len(changes):
            return tick, written
        row, duplicate = _mark(rows, row, tick, condition, at_row)
        if duplicate:
            failed[0] += 1
            failed[1] = tick
            tick += interval
            continue
        for a in range(len(alerts)):
            alert = alerts[a]
            if not alert.used:
                continue
            if condition[a] == TRUE:
                alert.value = rows[at_row[a]].value
                last_row[a] = at_row[a]
            active_at = alert.active_at
            transition = _step(
                alert, condition[a], tick, for_ns, keep_firing_for_ns,
                gap_tolerance, on_absent, remember_ns,
            )  # fmt: skip
            if transition == NO_CHANGE:
                continue
            change = changes[written]
            change.tick = tick
            change.alert = a
            change.transition = transition
            change.condition = condition[a]
            change.last_seen = alert.last_seen
            change.value = alert.value
            change.active_at = alert.active_at if alert.active_at != NEVER else active_at
            change.fired_at = alert.fired_at
            change.sequence = alert.sequence
            change.row = last_row[a]
            alert.sequence += 1
            written += 1
        tick += interval
    return last_tick + interval, written


def resolve_all(alerts: NDArray[np.void], tick: int) -> NDArray[np.void]:
    """End all alerts at once: what fires is resolved, what is pending is dropped.

    Parameters
    ----------
    alerts : ALERT[m]
        The table; changed.
    tick : int

    Returns
    -------
    CHANGE[n]
        The transitions, in the order of entries.
    """
    active = np.flatnonzero(alerts["state"] != INACTIVE)
    fired = alerts["state"][active] == FIRING
    changes = np.zeros(len(active), CHANGE)
    changes["tick"] = tick
    changes["alert"] = active
    changes["transition"] = np.where(fired, BECAME_RESOLVED, DROPPED)
    changes["row"] = -1
    changes["condition"] = FALSE
    for field in ("value", "active_at", "fired_at", "sequence", "last_seen"):
        changes[field] = alerts[field][active]
    alerts["state"][active] = INACTIVE
    alerts["keep_since"][active] = NEVER
    alerts["resolved_at"][active] = np.where(fired, tick, NEVER)
    alerts["sequence"][active] += 1
    return changes
