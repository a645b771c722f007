"""Partitions wait for the slowest one that is not idle, never for themselves or idle ones."""

from engine.sources.partition_clock import NOT_YET
from engine.sources.skew import Skew


def standing(max_skew=100, **partitions):
    """Partitions by name p<number>, each with (claim, holds)."""
    skew = Skew(max_skew)
    for name, (claim, holds) in partitions.items():
        number = int(name[1:])
        skew.join(number)
        skew.report(number, claim=claim, holds=holds)
    return skew


def test_one_that_runs_ahead_waits():
    assert not standing(p0=(600, True), p1=(500, True)).must_wait(0)
    assert standing(p0=(601, True), p1=(500, True)).must_wait(0)


def test_the_slowest_never_waits_even_when_the_buffers_are_full():
    for claims in ((500, 500), (500, 501), (501, 500)):
        skew = Skew(100, buffered_rows=lambda: 10, buffered_rows_max=10)
        for number, claim in enumerate(claims):
            skew.join(number)
            skew.report(number, claim=claim, holds=True)
        assert sum(skew.must_wait(number) for number in range(2)) == 1
        assert not skew.must_wait(min(range(2), key=claims.__getitem__))


def test_a_lone_partition_never_waits():
    assert not standing(p0=(2**62, True)).must_wait(0)


def test_idle_and_ended_ones_hold_nobody_back():
    skew = standing(p0=(1000, True), p1=(5, False), p2=(7, True))
    skew.report(2, claim=7, holds=True, ended=True)
    assert not skew.must_wait(0)
    assert skew.common_claim() == 1000


def test_one_that_has_said_nothing_holds_all_others_back():
    skew = standing(p0=(1000, True))
    skew.join(1)
    assert skew.must_wait(0)
    assert not skew.must_wait(1)
    assert skew.common_claim() == NOT_YET


def test_the_common_claim_is_the_least_of_those_that_hold():
    assert standing(p0=(30, True), p1=(20, True), p2=(10, False)).common_claim() == 20
    assert standing(p0=(30, False), p1=(20, False)).common_claim() is None


def test_the_watermark_of_idle_ones_goes_on_from_the_largest_claim():
    skew = standing(p0=(30, False), p1=(20, False), p2=(10, False), p3=(NOT_YET, False))
    skew.report(2, claim=10, holds=False, ended=True)
    assert skew.stood_at() == 30
    assert standing(p0=(NOT_YET, False)).stood_at() == NOT_YET


def test_all_end_together():
    skew = standing(p0=(1, True), p1=(2, True))
    skew.leave(0)
    assert not skew.all_left()
    # A later word on its place doesn't take the wish back.
    skew.report(0, claim=5, holds=True)
    skew.leave(1)
    assert skew.all_left()
