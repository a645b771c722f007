"""The life of an alert is Prometheus', at any cut of the ticks into blocks."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_lifecycle import NaiveRule

from engine.rules.lifecycle import (
    ABSENT,
    ALERT,
    BECAME_FIRING,
    BECAME_PENDING,
    BECAME_RESOLVED,
    CHANGE,
    DROPPED,
    ENDED,
    FALSE,
    FIRE_ON_ABSENT,
    FORGOTTEN,
    HOLD_ON_ABSENT,
    HOLDS,
    NEVER,
    REFRESH,
    RESOLVE_ON_ABSENT,
    ROW,
    TIMES,
    TRUE,
    advance_block,
    resolve_all,
)

MINUTE = 60_000_000_000
LONG = 10**6 * MINUTE
ALERTS = 3
NAMES = {
    BECAME_PENDING: "pending",
    BECAME_FIRING: "firing",
    BECAME_RESOLVED: "resolved",
    DROPPED: "dropped",
    FORGOTTEN: "forgotten",
    REFRESH: "refresh",
}
CONDITIONS = {"T": TRUE, "H": HOLDS, "F": FALSE, "E": ENDED}


class Rule:
    """One rule's table, driven in blocks."""

    def __init__(self, *, interval=MINUTE, alerts=ALERTS, **options):
        self.interval = interval
        self.alerts = np.zeros(alerts, ALERT)
        self.alerts["used"] = True
        for name in TIMES:
            self.alerts[name] = NEVER
        self.failed = np.zeros(2, np.int64)
        self.options = SimpleNamespace(
            for_ns=0, keep_firing_for_ns=0, gap_tolerance=0, on_absent=RESOLVE_ON_ABSENT,
            remember_ns=LONG,
        )  # fmt: skip
        vars(self.options).update(options)

    def block(self, first, last, rows, capacity=64):
        """Take ticks number first..last; rows are (tick number, alert, condition, value)."""
        array = np.array(
            sorted(((tick * self.interval, *rest) for tick, *rest in rows), key=lambda r: r[0]),
            ROW,
        )
        said, tick = [], first * self.interval
        options = self.options
        while tick <= last * self.interval:
            changes = np.zeros(capacity, CHANGE)
            last_row = np.zeros(len(self.alerts), np.int64)
            tick, written = advance_block(
                tick, last * self.interval, self.interval, array, self.alerts, options.for_ns,
                options.keep_firing_for_ns, options.gap_tolerance, options.on_absent,
                options.remember_ns, changes, last_row, self.failed,
            )  # fmt: skip
            said += changes[:written].tolist()
        return [
            (tick, alert, transition, value, active_at, None if fired == NEVER else fired, number)
            for tick, alert, transition, value, active_at, fired, number, *_ in said
        ]


TICKS = 60
ROWS = st.lists(
    st.tuples(
        st.integers(0, TICKS - 1),
        st.integers(0, ALERTS - 1),
        st.sampled_from([TRUE, TRUE, TRUE, HOLDS, FALSE, ENDED]),
        st.integers(-9, 9).map(float),
    ),
    max_size=60,
)
DURATIONS = st.sampled_from([0, 1, MINUTE // 2, MINUTE, 2 * MINUTE, 5 * MINUTE])
OPTIONS = st.fixed_dictionaries(
    {
        "for_ns": DURATIONS,
        "keep_firing_for_ns": DURATIONS,
        "gap_tolerance": st.sampled_from([0, 0, 1, 3]),
        "on_absent": st.sampled_from([RESOLVE_ON_ABSENT, HOLD_ON_ABSENT, FIRE_ON_ABSENT]),
        "remember_ns": st.sampled_from([3 * MINUTE, LONG]),
    }
)


def naive_changes(rule, rows, first, last, interval):
    return [
        change
        for tick in range(first, last + 1)
        for change in rule.tick(
            tick * interval, [row[1:] for row in rows if row[0] == tick], range(ALERTS)
        )
    ]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    ROWS,
    OPTIONS,
    st.sets(st.integers(1, TICKS - 1), max_size=8),
    st.sampled_from([MINUTE, MINUTE // 4, 7 * MINUTE]),
    st.sampled_from([ALERTS, ALERTS + 1, 64]),
)
def test_equals_prometheus_at_any_cut(rows, options, cuts, interval, capacity):
    rule = Rule(interval=interval, **options)
    twin = NaiveRule(**options)
    edges = [0, *sorted(cuts), TICKS]
    got = []
    for begin, end in itertools.pairwise(edges):
        inside = [row for row in rows if begin <= row[0] < end]
        got += rule.block(begin, end - 1, inside, capacity)
    assert got == naive_changes(twin, rows, 0, TICKS - 1, interval)
    assert rule.failed[0] == twin.failures


@settings(max_examples=100, deadline=None, derandomize=True)
@given(ROWS, OPTIONS, DURATIONS, DURATIONS, st.integers(1, TICKS - 1))
def test_changed_durations_act_as_in_prometheus(rows, options, for_ns, keep_ns, at):
    rule, twin = Rule(**options), NaiveRule(**options)
    changed = {"for_ns": for_ns, "keep_firing_for_ns": keep_ns}
    got = rule.block(0, at - 1, [row for row in rows if row[0] < at])
    expected = naive_changes(twin, rows, 0, at - 1, MINUTE)
    vars(rule.options).update(changed)
    vars(twin).update(changed)
    got += rule.block(at, TICKS - 1, [row for row in rows if row[0] >= at])
    assert got == expected + naive_changes(twin, rows, at, TICKS - 1, MINUTE)


def life(pattern, **options):
    """What one alert's life was, minute by minute: T, H(olds), F(alse), E(nded) or . (absent)."""
    rule = Rule(alerts=1, **options)
    rows = [
        (minute, 0, CONDITIONS[mark], float(minute))
        for minute, mark in enumerate(pattern)
        if mark != "."
    ]
    return [
        (change[0] // MINUTE, NAMES[change[2]]) for change in rule.block(0, len(pattern) - 1, rows)
    ]


def episodes(said):
    """All but the refreshes."""
    return [change for change in said if change[1] != "refresh"]


def test_fires_at_the_first_tick_without_for():
    assert life(".T") == [(1, "firing")]


def test_fires_once_the_hold_time_is_over():
    assert episodes(life("FTTTF", for_ns=2 * MINUTE)) == [
        (1, "pending"), (3, "firing"), (4, "resolved"),
    ]  # fmt: skip


def test_a_pending_alert_that_ends_is_dropped_and_begins_anew():
    assert life("TT.TTTT", for_ns=2 * MINUTE) == [
        (0, "pending"), (2, "dropped"), (3, "pending"), (5, "firing"),
    ]  # fmt: skip


def test_the_measured_example_of_keep_firing_for():
    # for 3m, keep 2m, last true at 6 m: fires at 8 m still, resolved at 9 m.
    said = episodes(life("..TTTTT.....", for_ns=3 * MINUTE, keep_firing_for_ns=2 * MINUTE))
    assert said == [(2, "pending"), (5, "firing"), (9, "resolved")]


def test_true_again_while_kept_is_the_same_episode_and_counts_anew():
    said = episodes(life("T..T..T...", keep_firing_for_ns=3 * MINUTE))
    assert said == [(0, "firing")]
    assert episodes(life("T..T...", keep_firing_for_ns=3 * MINUTE))[-1] == (0, "firing")
    assert episodes(life("T..T....", keep_firing_for_ns=3 * MINUTE))[-1] == (7, "resolved")


def test_keep_firing_for_does_not_keep_a_pending_alert():
    said = life("TT..", for_ns=5 * MINUTE, keep_firing_for_ns=5 * MINUTE)
    assert said == [(0, "pending"), (2, "dropped")]


def test_pending_again_when_the_hold_time_grows():
    rule = Rule(alerts=1, for_ns=MINUTE)
    rows = [(minute, 0, TRUE, 1.0) for minute in range(12)]
    before = rule.block(0, 4, rows[:5])
    assert [NAMES[change[2]] for change in before] == ["pending", "firing", "refresh"]
    rule.options.for_ns = 8 * MINUTE
    after = rule.block(5, 11, rows[5:])
    assert [(change[0] // MINUTE, NAMES[change[2]]) for change in episodes_of(after)] == [
        (5, "pending"), (8, "firing"),
    ]  # fmt: skip
    assert [(change[4], change[5]) for change in episodes_of(after)] == [(0, None), (0, 8 * MINUTE)]


def episodes_of(changes):
    return [change for change in changes if change[2] != REFRESH]


def test_a_kept_alert_becomes_pending_when_the_hold_time_grows():
    rule = Rule(alerts=1, keep_firing_for_ns=10 * MINUTE)
    assert [NAMES[change[2]] for change in rule.block(0, 0, [(0, 0, TRUE, 1.0)])] == ["firing"]
    rule.options.for_ns = 5 * MINUTE
    assert [NAMES[change[2]] for change in rule.block(1, 2, [])] == ["pending", "dropped"]


def test_two_results_with_equal_labels_fail_the_tick_and_change_nothing():
    rule = Rule(alerts=2, for_ns=2 * MINUTE)
    rows = [(minute, 0, TRUE, 1.0) for minute in (0, 1, 1, 2)] + [(1, 1, TRUE, 1.0)]
    said = rule.block(0, 2, rows)
    assert [(change[0] // MINUTE, change[1], NAMES[change[2]]) for change in said] == [
        (0, 0, "pending"), (2, 0, "firing"),
    ]  # fmt: skip
    assert rule.failed.tolist() == [1, MINUTE]


def test_a_resolved_alert_is_forgotten_after_15_minutes():
    said = life("T" + "." * 20)
    assert said == [(0, "firing"), (1, "resolved"), (17, "forgotten")]


def test_a_resolved_alert_that_comes_back_is_a_new_episode():
    rule = Rule(alerts=1)
    said = rule.block(0, 3, [(0, 0, TRUE, 1.0), (3, 0, TRUE, 4.0)])
    assert [(change[0] // MINUTE, NAMES[change[2]], change[6]) for change in said] == [
        (0, "firing", 0), (1, "resolved", 1), (3, "firing", 0),
    ]  # fmt: skip
    assert said[-1][4] == 3 * MINUTE


@pytest.mark.parametrize(("interval", "spacing"), [(MINUTE, 2), (MINUTE // 4, 5), (3 * MINUTE, 1)])
def test_refreshes_are_more_than_a_minute_apart(interval, spacing):
    # As in Prometheus, whose resend delay must have passed, not been reached.
    rule = Rule(interval=interval, alerts=1)
    said = rule.block(0, 20, [(tick, 0, TRUE, float(tick)) for tick in range(21)])
    ticks = [change[0] // interval for change in said]
    assert ticks == list(range(0, 21, spacing))
    assert [change[2] for change in said] == [BECAME_FIRING] + [REFRESH] * (len(said) - 1)
    assert [change[3] for change in said] == [float(tick) for tick in ticks]
    assert [change[6] for change in said] == list(range(len(said)))


def test_the_value_stays_that_of_the_last_result():
    rule = Rule(alerts=1, keep_firing_for_ns=3 * MINUTE)
    said = rule.block(0, 5, [(0, 0, TRUE, 7.0), (1, 0, FALSE, 1.0), (2, 0, HOLDS, 2.0)])
    assert {change[3] for change in said} == {7.0}


def test_a_level_to_leave_by():
    assert episodes(life("THHHFT")) == [(0, "firing"), (4, "resolved"), (5, "firing")]
    assert life("HH") == []
    assert life("TH", for_ns=2 * MINUTE) == [(0, "pending"), (1, "dropped")]


def test_gaps_are_tolerated():
    assert episodes(life("T..T...F", gap_tolerance=2)) == [(0, "firing"), (6, "resolved")]
    assert life("T.T", gap_tolerance=1, for_ns=2 * MINUTE) == [(0, "pending"), (2, "firing")]
    # A series that says no is no gap.
    assert episodes(life("TF", gap_tolerance=5)) == [(0, "firing"), (1, "resolved")]


def test_an_absent_series_can_hold_or_fire():
    assert episodes(life("T......F", on_absent=HOLD_ON_ABSENT)) == [(0, "firing"), (7, "resolved")]
    fires = {"on_absent": FIRE_ON_ABSENT, "for_ns": 2 * MINUTE}
    assert life("FF...F", **fires) == [(2, "pending"), (4, "firing"), (5, "resolved")]
    assert life("...", **fires) == []
    short = life("F" + "." * 8, remember_ns=4 * MINUTE, **fires)
    assert episodes(short) == [(1, "pending"), (3, "firing"), (5, "resolved")]


def test_silence_is_skipped():
    # Ten years at a tick a second: the retention's end is found without a look at each tick.
    rule = Rule(interval=10**9, alerts=1)
    said = rule.block(0, 315_360_000, [(5, 0, TRUE, 1.0)])
    assert [(change[0] // 10**9, NAMES[change[2]]) for change in said] == [
        (5, "firing"), (6, "resolved"), (907, "forgotten"),
    ]  # fmt: skip
    assert ABSENT < ENDED < FALSE < HOLDS < TRUE


def test_a_series_that_its_source_ended_neither_holds_nor_fires():
    holds = {"on_absent": HOLD_ON_ABSENT}
    assert episodes(life("T..E..", **holds)) == [(0, "firing"), (3, "resolved")]
    assert episodes(life("TE...", gap_tolerance=2)) == [(0, "firing"), (3, "resolved")]
    fires = {"on_absent": FIRE_ON_ABSENT}
    assert life("FE...", **fires) == []
    # What comes back can be missed again.
    assert life("FE.F.", **fires) == [(4, "firing")]
    assert life("F.E", **fires) == [(1, "firing"), (2, "resolved")]


def test_all_alerts_end_at_once():
    rule = Rule(for_ns=MINUTE)
    rule.block(0, 1, [(0, 0, TRUE, 5.0), (1, 0, TRUE, 6.0), (1, 1, TRUE, 7.0)])
    twin = NaiveRule(for_ns=MINUTE)
    naive_changes(twin, [(0, 0, TRUE, 5.0), (1, 0, TRUE, 6.0), (1, 1, TRUE, 7.0)], 0, 1, MINUTE)
    got = [
        (tick, alert, transition, value, active_at, None if fired == NEVER else fired, number)
        for tick, alert, transition, value, active_at, fired, number, *_ in resolve_all(
            rule.alerts, MINUTE
        ).tolist()
    ]
    assert got == twin.end_all(MINUTE)
    assert [(change[1], NAMES[change[2]]) for change in got] == [(0, "resolved"), (1, "dropped")]
    rows = [(3, 0, TRUE, 8.0), (3, 1, TRUE, 9.0)]
    assert rule.block(2, 25, rows) == naive_changes(twin, rows, 2, 25, MINUTE)
