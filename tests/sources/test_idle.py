"""Idle partitions follow the others, or time itself; what they promise outlives a crash."""

import pytest

from engine.sources import idle as idle_module
from engine.sources.idle import IdleAdvances
from engine.sources.partition_clock import NOT_YET
from engine.sources.skew import Skew

TIMEOUT_NS = 50


class Clock:
    now = 1000

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(idle_module, "elapsed_ns", clock)
    return clock


def advances(state=None):
    """Advances of a partition and the journal of what it gave."""
    journal = []
    return (
        IdleAdvances(TIMEOUT_NS, state=state, given=lambda *item: journal.append(item)),
        journal,
    )


def skew_of(*claims, idle=()):
    skew = Skew(10**9)
    for number, claim in enumerate(claims):
        skew.join(number)
        skew.report(number, claim=claim, holds=number not in idle)
    return skew


def fall_idle(advances, now):
    assert not advances.silent(now)
    assert advances.silent(now + TIMEOUT_NS)


def test_silence_counts_after_the_timeout_and_ends_with_the_log():
    idle, _ = advances()
    assert not idle.silent(100)
    assert not idle.silent(149)
    assert idle.silent(150)
    assert idle.is_idle
    assert not idle.silent(151)
    idle.heard()
    assert not idle.is_idle
    assert not idle.silent(200)
    assert not idle.silent(249)
    assert idle.silent(250)


def test_nothing_is_promised_while_the_partition_is_not_idle(clock):
    idle, _ = advances()
    idle.plan(7, 10, skew_of(10, 500))
    assert idle.state() == []


def test_an_idle_partition_follows_those_that_are_not(clock):
    idle, _ = advances()
    fall_idle(idle, 0)
    skew = skew_of(10, 500, 300, idle=(0,))
    idle.plan(7, 10, skew)
    assert idle.state() == [(7, 300)]
    skew.report(2, claim=450, holds=True)
    clock.now += 10**12  # the wall clock has no say
    idle.plan(7, 300, skew)
    assert idle.state() == [(7, 450)]


def test_no_promise_goes_back(clock):
    idle, _ = advances(state=[(7, 400)])
    fall_idle(idle, 0)
    idle.plan(7, 100, skew_of(100, 300, idle=(0,)))
    assert idle.state() == [(7, 400)]
    idle.plan(8, 400, skew_of(400, 300, idle=(0,)))
    assert idle.state() == [(7, 400)]


def test_if_all_are_idle_time_goes_on_from_where_the_watermark_stood(clock):
    idle, _ = advances()
    fall_idle(idle, 0)
    skew = skew_of(900, 400, idle=(0, 1))
    claim = 400
    for elapsed in (0, 30, 1000):
        clock.now = 1000 + elapsed
        idle.plan(7, claim, skew)
        assert idle.state() == [(7, 900 + elapsed)]
        claim = 900 + elapsed
        # That the others advance, too, does not add up.
        skew.report(1, claim=claim, holds=False)


def test_no_jump_when_the_others_wake_and_sleep_again(clock):
    idle, _ = advances()
    fall_idle(idle, 0)
    skew = skew_of(100, 100, idle=(0, 1))
    idle.plan(7, 100, skew)
    clock.now += 40
    idle.plan(7, 100, skew)
    assert idle.state() == [(7, 140)]
    skew.report(0, claim=140, holds=False)
    # For a long time of the wall clock another partition holds the watermark.
    skew.report(1, claim=150, holds=True)
    clock.now += 10**9
    idle.plan(7, 140, skew)
    assert idle.state() == [(7, 150)]
    skew.report(0, claim=150, holds=False)
    skew.report(1, claim=150, holds=False)
    clock.now += 10**9
    idle.plan(7, 150, skew)
    assert idle.state() == [(7, 150)]
    clock.now += 3
    idle.plan(7, 150, skew)
    assert idle.state() == [(7, 153)]


def test_a_partition_without_rows_has_nowhere_to_stand(clock):
    idle, _ = advances()
    fall_idle(idle, 0)
    idle.plan(0, NOT_YET, skew_of(NOT_YET, idle=(0,)))
    assert idle.state() == []


def test_promises_are_given_once_and_only_after_they_were_stored(clock):
    idle, journal = advances()
    fall_idle(idle, 0)
    assert idle.due(7) == []
    idle.plan(7, 10, skew_of(10, 300, idle=(0,)))
    stored = idle.state()
    assert journal == []
    assert idle.next_offset() == 7
    assert idle.due(6) == []
    assert idle.due(7) == [300]
    assert idle.due(7) == []
    assert idle.next_offset() is None
    assert journal == stored == [(7, 300)]


def test_a_crash_after_the_snapshot_gives_them_at_the_same_place_again(clock):
    idle, journal = advances()
    for offset, claim in ((7, 300), (9, 500)):
        fall_idle(idle, 0)
        idle.plan(offset, 10, skew_of(10, claim, idle=(0,)))
        idle.heard()
    assert idle.due(9) == [300, 500]
    again, repeated = advances(state=idle.state())
    assert again.next_offset() == 7
    assert again.due(8) == [300]
    assert again.next_offset() == 9
    assert again.due(9) == [500]
    assert repeated == journal


def test_promises_that_no_resume_comes_back_to_are_dropped(clock):
    idle, journal = advances(state=[(3, 30), (5, 50), (9, 90)])
    assert idle.due(5) == [30, 50]
    idle.forget_before(5)
    assert idle.state() == [(5, 50), (9, 90)]
    assert idle.due(5) == []
    assert idle.due(20) == [90]
    assert journal == [(3, 30), (5, 50), (9, 90)]


def test_a_further_promise_at_the_same_place_is_given_too(clock):
    idle, _ = advances()
    fall_idle(idle, 0)
    skew = skew_of(10, 300, idle=(0,))
    idle.plan(7, 10, skew)
    assert idle.due(7) == [300]
    skew.report(1, claim=310, holds=True)
    idle.plan(7, 300, skew)
    assert idle.due(7) == [310]
    assert idle.state() == [(7, 310)]
