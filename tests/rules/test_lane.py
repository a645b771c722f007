"""A lane evaluates a tick when all shards have closed it, whatever the order of their words."""

import json
import random

import msgspec
import numpy as np
import pytest
from made_rules import MINUTE_NS, group_of, plan_of, recording_of, rule_of, series_of

from engine.promql.leaf import passes
from engine.rules.lane import RuleLane
from engine.rules.plan import LANES, lane_of
from engine.rules.queries import Announced, Closed, LeafRows
from engine.series.blocks import decode_block, encode_block

SHARDS = 3
SERIES = 6  # series i is in shard i % SHARDS
END = 40 * MINUTE_NS


def example():
    """Two groups in one lane, with different intervals; the second hangs on by another query."""
    names = [f"g{number}" for number in range(200)]
    lane = lane_of("r.yaml", names[0])
    other = next(name for name in names[1:] if lane_of("r.yaml", name) == lane)
    groups = (
        group_of(
            rule_of("Now", "m > 1"), rule_of("Later", "m > 2", hold="2m", keep="3m"), name=names[0]
        ),
        group_of(rule_of("Slow", "m > 0", hold="5m"), name=other, interval_ns=7 * MINUTE_NS // 2),
    )
    return plan_of(*groups), lane


PLAN, LANE = example()
NAME = PLAN.clusters[0].groups[0].name


def lane_for(plan=PLAN, *, series_max=100):
    return RuleLane(
        LANE, plan, shards=SHARDS, alerts_max=100, series_max=series_max, samples_max=1000,
        lookback_ns=5 * MINUTE_NS,
    )  # fmt: skip


def values():
    generator = random.Random(1)
    return {
        (tick, i): generator.choice([0.5, 1.5, 2.5])
        for tick in range(0, END, MINUTE_NS // 2)
        for i in range(SERIES)
        if generator.random() < 0.85
    }


VALUES = values()


class Shard:
    """Says what a shard's series were; announces each pair of a query and a series once."""

    def __init__(self, number, plan=PLAN):
        self.number, self.plan = number, plan
        self.announced = set()

    def closed(self, after, until):
        """What it says of the ticks in (after, until]."""
        numbers = {}
        for number, query in enumerate(self.plan.queries):
            numbers.setdefault(query.interval_ns, []).append(number)
        results = [self.results(interval, *item, after, until) for interval, item in
                   ((interval, (mine,)) for interval, mine in numbers.items())]  # fmt: skip
        return Closed(self.number, until, 0, [rows for rows in results if len(rows.pair)])

    def results(self, interval_ns, numbers, after, until):
        rows = [
            (number * SERIES + i, tick, value)
            for number in numbers
            for (tick, i), value in VALUES.items()
            if i % SHARDS == self.number and after < tick <= until and tick % interval_ns == 0
            if passes(np.array(value), self.plan.queries[number].leaf.comparison)
        ]
        pair, tick, value = (np.array(column) for column in zip(*rows, strict=True)) if rows else (
            np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))  # fmt: skip
        new = sorted(set(pair.tolist()) - self.announced)
        self.announced |= set(new)
        announced = Announced(
            np.array(new, np.int32), np.array([item // SERIES for item in new], np.int32),
            [series_of(item % SERIES).all_labels for item in new],
        )  # fmt: skip
        return LeafRows(
            self.number, interval_ns, pair.astype(np.int32), tick.astype(np.int64), value, announced
        )


def closed(shard, after, until, plan=PLAN):
    """What a shard that has just begun says."""
    return Shard(shard, plan).closed(after, until)


class Words:
    """What all shards say, each cut at random, interleaved at random."""

    def __init__(self, generator, plan=PLAN):
        self.generator, self.plan = generator, plan
        self.restart()

    def restart(self):
        """Let the shards announce anew."""
        self.shards = [Shard(number, self.plan) for number in range(SHARDS)]

    def __iter__(self):
        at = [-1] * SHARDS
        while min(at) < END:
            shard = self.generator.choice([shard for shard in range(SHARDS) if at[shard] < END])
            until = min(END, at[shard] + self.generator.randrange(1, 9 * MINUTE_NS))
            yield self.shards[shard].closed(at[shard], until)
            at[shard] = until


def said(alerts):
    return [(alert.fingerprint, alert.tick, msgspec.json.encode(alert.event)) for alert in alerts]


def at_once(plan=PLAN):
    return said(lane_for(plan).handle([closed(shard, -1, END, plan) for shard in range(SHARDS)]))


def test_the_example_says_enough():
    events = [msgspec.json.decode(text) for _, _, text in at_once()]
    told = {(event["labels"]["alertname"], event["status"]) for event in events if event}
    assert told >= {
        ("Now", "firing"), ("Now", "resolved"), ("Later", "pending"), ("Later", "firing"),
        ("Later", "resolved"), ("Slow", "pending"), ("Slow", "firing"),
    }  # fmt: skip
    assert sum(event is None for event in events) > 10
    ticks = [tick for _, tick, _ in at_once()]
    assert ticks == sorted(ticks)


@pytest.mark.parametrize("seed", range(10))
def test_cuts_and_order_of_the_shards_words_do_not_matter(seed):
    generator = random.Random(seed)
    lane, alerts, waiting, words = lane_for(), [], [], Words(generator)
    for word in words:
        waiting.append(word)
        if generator.random() < 0.6:
            alerts += lane.handle(waiting)
            waiting = []
    alerts += lane.handle(waiting)
    assert said(alerts) == at_once()
    assert lane.meta()["waiting"] == []


@pytest.mark.parametrize("seed", range(6))
def test_a_restart_at_any_point_does_not_matter(seed):
    generator = random.Random(seed)
    lane, alerts, words = lane_for(), [], Words(generator)
    for word in words:
        alerts += lane.handle([word])
        if generator.random() < 0.3:
            block = b"".join(encode_block(lane.arrays(), lane.meta()))
            lane = lane_for()
            lane.restore(*decode_block(block, "block"))
            words.restart()
    assert said(alerts) == at_once()


def test_a_tick_waits_for_the_slowest_shard():
    lane = lane_for()
    for shard in range(SHARDS - 1):
        assert lane.handle([closed(shard, -1, END)]) == []
    last = SHARDS - 1
    first = lane.handle([closed(last, -1, 10 * MINUTE_NS)])
    assert first
    assert max(alert.tick for alert in first) == 10 * MINUTE_NS
    assert lane.watermark == 10 * MINUTE_NS
    rest = lane.handle([closed(last, 10 * MINUTE_NS, END)])
    assert said(first + rest) == at_once()


def test_a_rule_that_is_new_says_that_its_window_is_partial():
    lane = lane_for()
    at = 20 * MINUTE_NS
    lane.handle([closed(shard, -1, at) for shard in range(SHARDS)])
    block = b"".join(encode_block(lane.arrays(), lane.meta()))
    kept, new = rule_of("Now", "m > 1"), rule_of("New", "max_over_time(m[5m]) > 1")
    plan = plan_of(group_of(kept, new, name=NAME))
    again = lane_for(plan)
    again.restore(*decode_block(block, "block"))
    # A restart within the window doesn't make it whole.
    middle = at + 2 * MINUTE_NS
    alerts = again.handle([closed(shard, at, middle, plan) for shard in range(SHARDS)])
    block = b"".join(encode_block(again.arrays(), again.meta()))
    again = lane_for(plan)
    again.restore(*decode_block(block, "block"))
    alerts += again.handle([closed(shard, middle, END, plan) for shard in range(SHARDS)])
    told = {"Now": [], "New": []}
    for alert in alerts:
        if alert.event:
            told[alert.event.labels["alertname"]].append((alert.tick, alert.event))
    assert all(event.partial_window == (tick < at + 5 * MINUTE_NS) for tick, event in told["New"])
    assert {event.partial_window for _, event in told["New"]} == {True, False}
    # The rule that stayed goes on with its alerts.
    expected = [json.loads(text) for _, tick, text in at_once() if tick > at]
    assert [event.id for _, event in told["Now"]] == [
        event["id"] for event in expected if event and event["labels"]["alertname"] == "Now"
    ]
    assert not any(event.partial_window for _, event in told["Now"])


def test_ticks_with_two_equal_results_are_counted():
    plan = plan_of(group_of(rule_of("A", labels={"i": "same"}), name=NAME))
    lane = lane_for(plan)
    lane.handle([closed(shard, -1, END, plan) for shard in range(SHARDS)])
    (number,) = lane.failures().values()
    assert number > 10


def test_groups_are_spread_by_their_names_alone():
    lanes = {lane_of("rules.yaml", f"group-{number}") for number in range(100)}
    assert lanes == set(range(LANES))
    # A group's lane is part of the state on disk.
    assert lane_of("r.yaml", "g") == sum(b"r.yaml|g") % LANES


RECORDING = group_of(
    recording_of("double", "m * 2"), rule_of("B", "double > 4"), name=NAME
)  # fmt: skip


def test_beyond_the_limit_recorded_series_are_refused_and_the_rule_says_so():
    lane, few = lane_for(plan_of(RECORDING)), lane_for(plan_of(RECORDING), series_max=SERIES - 1)
    plan = lane.plan
    words = [closed(shard, -1, END, plan) for shard in range(SHARDS)]
    assert lane.handle(words)
    assert lane.failures() == lane.errors() == {}
    assert few.handle(words) == []
    ((key, message),) = few.errors().items()
    assert "double" in key
    assert message == f"more than limits.series = {SERIES - 1} recorded series"


def test_what_rules_record_is_observed():
    lane = lane_for(plan_of(group_of(recording_of("double", "m * 2"), name=NAME)))
    seen = []
    lane.observe_samples = seen.append
    lane.handle([closed(shard, -1, 9 * MINUTE_NS, lane.plan) for shard in range(SHARDS)])
    told = {
        (int(tick), dict(samples.labels[row])["i"]): float(value)
        for samples in seen
        for row, tick, value, stale in zip(
            samples.index, samples.tick, samples.value, samples.stale, strict=True
        )
        if not stale
    }
    assert told == {
        (tick, str(i)): 2 * value
        for (tick, i), value in VALUES.items()
        if tick <= 9 * MINUTE_NS and tick % MINUTE_NS == 0
    }
