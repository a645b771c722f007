"""A lane evaluates a tick when all shards have closed it, whatever the order of their words."""

import json
import random

import msgspec
import numpy as np
import pytest
from made_rules import MINUTE_NS, group_of, plan_of, rule_of, series_of

from engine.rules.lane import Closed, RuleLane, cut
from engine.rules.leaves import LeafRows
from engine.rules.plan import LANES, lane_of
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


def lane_for(plan=PLAN):
    return RuleLane(LANE, plan, shards=SHARDS, alerts_max=100)


def values():
    generator = random.Random(1)
    return {
        (tick, i): generator.choice([0.5, 1.5, 2.5])
        for tick in range(0, END, MINUTE_NS // 2)
        for i in range(SERIES)
        if generator.random() < 0.85
    }


VALUES = values()


def closed(shard, after, until, plan=PLAN):
    """What a shard says of the ticks in (after, until]."""
    results = []
    for number, query in enumerate(plan.queries):
        bound = query.comparison.number
        rows = [
            (tick, i, value)
            for (tick, i), value in VALUES.items()
            if i % SHARDS == shard and after < tick <= until
            if tick % query.interval_ns == 0 and value > bound
        ]
        if rows:
            known = sorted({i for _, i, _ in rows})
            results.append(
                LeafRows(
                    number,
                    [series_of(i) for i in known],
                    np.array([known.index(i) for _, i, _ in rows], np.int64),
                    np.array([tick for tick, _, _ in rows], np.int64),
                    np.array([value for _, _, value in rows]),
                )
            )
    return Closed(shard, until, results)


def words(generator, plan=PLAN, begin=-1):
    """What all shards say, each cut at random, interleaved at random."""
    at = [begin] * SHARDS
    while min(at) < END:
        shard = generator.choice([shard for shard in range(SHARDS) if at[shard] < END])
        until = min(END, at[shard] + generator.randrange(1, 9 * MINUTE_NS))
        yield closed(shard, at[shard], until, plan)
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
    lane, alerts, waiting = lane_for(), [], []
    for word in words(generator):
        waiting.append(word)
        if generator.random() < 0.6:
            alerts += lane.handle(waiting)
            waiting = []
    alerts += lane.handle(waiting)
    assert said(alerts) == at_once()
    assert lane.meta()["waiting"] == {}


@pytest.mark.parametrize("seed", range(6))
def test_a_restart_at_any_point_does_not_matter(seed):
    generator = random.Random(seed)
    lane, alerts = lane_for(), []
    for word in words(generator):
        alerts += lane.handle([word])
        if generator.random() < 0.3:
            block = b"".join(encode_block(lane.arrays(), lane.meta()))
            lane = lane_for()
            lane.restore(*decode_block(block, "block"))
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
    name = PLAN.groups[0].name
    kept, new = rule_of("Now", "m > 1"), rule_of("New", "max_over_time(m[5m]) > 1")
    plan = plan_of(group_of(kept, new, name=name))
    again = RuleLane(LANE, plan, shards=SHARDS, alerts_max=100)
    again.restore(*decode_block(block, "block"))
    # A restart within the window doesn't make it whole.
    middle = at + 2 * MINUTE_NS
    alerts = again.handle([closed(shard, at, middle, plan) for shard in range(SHARDS)])
    block = b"".join(encode_block(again.arrays(), again.meta()))
    again = RuleLane(LANE, plan, shards=SHARDS, alerts_max=100)
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
    plan = plan_of(group_of(rule_of("A", labels={"i": "same"}), name=PLAN.groups[0].name))
    lane = lane_for(plan)
    lane.handle([closed(shard, -1, END, plan) for shard in range(SHARDS)])
    (number,) = lane.failures().values()
    assert number > 10


def test_groups_are_spread_by_their_names_alone():
    lanes = {lane_of("rules.yaml", f"group-{number}") for number in range(100)}
    assert lanes == set(range(LANES))
    # A group's lane is part of the state on disk.
    assert lane_of("r.yaml", "g") == sum(b"r.yaml|g") % LANES


def test_a_cut_keeps_only_the_series_of_its_rows():
    block = closed(0, -1, END).results[0]
    block = LeafRows(
        block.query, block.series, block.index, block.tick, block.value,
        np.arange(5.0 * len(block.tick)).reshape(-1, 5),
    )  # fmt: skip
    rows = block.index == 1
    part = cut(block, rows)
    assert part.series == [block.series[1]]
    assert set(part.index.tolist()) == {0}
    assert part.tick.tolist() == block.tick[rows].tolist()
    np.testing.assert_array_equal(part.context, block.context[rows])
