"""Series of an entity are judged together: the same whatever the arrival, cuts and restarts."""

import random

import numpy as np
import pytest
from direct_flow import DirectFlow, Partition, plan_of
from test_series_shard import LATENESS_NS, SECOND_NS, collect, run, shuffled

from engine.series.identity import Series

START_NS = 1_700_000_040 * SECOND_NS
ROWS, HOSTS, METRICS = 420, 5, 4
INCIDENT = range(330, 345)

RULES = """
groups:
- name: entities
  interval: 1m
  rules:
  - {alert: Rate, expr: anomaly_rate > 0.2}
  - {alert: Joint, expr: 'max_over_time(anomaly_onset{metric="entity_deviation"}[1m]) > 1'}
  - {alert: State, expr: 'anomaly_state{metric="entity_deviation"} > 0.5'}
"""
CONFIG = "state: {{shards: {shards}}}\nscores: {{emit: all}}\ndetectors: [{{{detector}}}]\n"
DETECTORS = {
    "default": "entity: [host], false_alarms_per_day: 300",
    "peers": "use: peers, entity: [group], false_alarms_per_day: 300",
    "river": "use: river.anomaly.HalfSpaceTrees, entity: [host], params: {warm_up: 50}",
}
PARTITIONS = ("p0", "p1")
SERIES = [
    [Series.of(f"m{m}", {"host": f"h{h}", "group": f"g{m}"}) for m in range(METRICS)]
    for h in range(HOSTS)
]
LONER = Series.of("lone", {})


def logs():
    """Samples of the hosts, jittered within a second; a host's metrics are in both partitions."""
    generator = np.random.default_rng(7)
    found = ([], [])
    for step in range(ROWS):
        for host in range(HOSTS):
            shared = generator.normal()
            for metric in range(METRICS):
                value = shared + 0.3 * generator.normal()
                if host == 1 and step in INCIDENT:
                    value += 6.0 * (metric - 1)
                if generator.random() < 0.03:
                    continue
                ts = START_NS + step * 60 * SECOND_NS + int(generator.integers(0, 2 * SECOND_NS))
                found[metric % 2].append((SERIES[host][metric], ts, value, 0))
        found[0].append((LONER, START_NS + step * 60 * SECOND_NS, float(step), 0))
    return tuple(sorted(log, key=lambda row: row[1]) for log in found)


LOGS = logs()


def planned(folder, detector, shards=3):
    config = CONFIG.format(shards=shards, detector=DETECTORS[detector])
    return plan_of(folder, RULES, config=config, partitions=PARTITIONS)


@pytest.fixture(scope="module", params=sorted(DETECTORS))
def plan(tmp_path_factory, request):
    return planned(tmp_path_factory.mktemp("plan"), request.param)


@pytest.fixture(scope="module")
def in_order(plan):
    return run(plan, LOGS, random.Random(0), sizes=(10**6,))


def said_of(flow, name):
    return [item.event for lane in flow.alerts.values() for item in lane
            if item.event and item.event.labels["alertname"] == name]  # fmt: skip


@pytest.mark.parametrize("seed", range(1, 4))
def test_arrival_order_and_cuts_do_not_matter(plan, in_order, seed):
    generator = random.Random(seed)
    flow = run(plan, [shuffled(log, generator) for log in LOGS], generator, sizes=(1, 5, 40))
    assert flow.said() == in_order.said()
    assert flow.counts == in_order.counts


def test_a_restart_at_any_point_does_not_matter(plan, in_order):
    generator = random.Random(5)
    flow, said = DirectFlow(plan), DirectFlow(plan)
    parts = [(Partition(plan, n, lateness_ns=LATENESS_NS), list(log)) for n, log in enumerate(LOGS)]
    while any(log for _, log in parts):
        partition, log = generator.choice([item for item in parts if item[1]])
        flow.feed(partition.batch(log[:60]))
        del log[:60]
        if generator.random() < 0.15:
            state = flow.state()
            collect(said, flow)
            flow = DirectFlow(plan).restore(state)
    for partition, _ in parts:
        flow.feed(partition.batch([], ended=True))
    flow.finish()
    collect(said, flow)
    assert said.said() == in_order.said()


def test_series_of_an_entity_share_a_shard(plan, in_order):
    """Hosts are entities; for peers it is the groups, which have a metric of every host."""
    held = [{item.text for item in shard.slots.series} for shard in in_order.shards]
    is_peers = plan.detectors[0].name == "peers"
    for together in zip(*SERIES, strict=True) if is_peers else SERIES:
        assert any({item.text for item in together} <= texts for texts in held)


def test_an_incident_of_an_entity_is_seen_and_its_metrics_are_ranked(tmp_path):
    flow = run(planned(tmp_path, "default"), LOGS, random.Random(0), sizes=(10**6,))
    begin = START_NS + INCIDENT.start * 60 * SECOND_NS
    for name in ("Rate", "Joint", "State"):
        fired = [event for event in said_of(flow, name) if event.status == "firing"]
        assert any(event.labels["host"] == "h1" for event in fired), name
    (first, *_) = [event for event in said_of(flow, "Joint")
                   if event.labels["host"] == "h1" and event.status == "firing"
                   and "joint deviation" in event.reason]  # fmt: skip
    assert 'entity_deviation{host="h1"} was ' in first.reason
    assert "joint deviation broke" in first.reason
    blocks = [block for block in flow.blocks if block.drivers]
    drivers = [dict(drivers) for block in blocks
               for ts, index, drivers in zip(block.ts, block.index, block.drivers, strict=True)
               if ts >= begin + 120 * SECOND_NS and ts < begin + 600 * SECOND_NS
               and 'host="h1"' in str(block.series[index])]  # fmt: skip
    assert drivers
    for ranked in drivers:
        parts = list(ranked.values())
        assert parts == sorted(parts, reverse=True)
        assert next(iter(ranked))[:2] in {"m0", "m2", "m3"}  # m1 is where it was
        assert ranked.get('m1{group="g1"}', 0.0) < 0.1


def test_series_without_the_label_are_watched_alone(in_order, plan):
    scored = {row[0] for row in in_order.scores}
    assert ("lone" in scored) is not plan.detectors[0].is_joint_only
    is_peers = plan.detectors[0].name == "peers"
    assert ('entity_deviation{host="h2"}' in scored) is not is_peers


def test_made_series_are_not_watched_themselves(in_order):
    assert not any("anomaly_rate" in row[0] for row in in_order.scores)


def test_a_sibling_that_departs_from_the_others_is_found(tmp_path):
    flow = run(planned(tmp_path, "peers"), LOGS, random.Random(0), sizes=(10**6,))
    begin = START_NS + INCIDENT.start * 60 * SECOND_NS
    end = START_NS + INCIDENT.stop * 60 * SECOND_NS
    high = [row[0] for row in flow.scores
            if begin <= float.fromhex(row[1]) < end and float.fromhex(row[3]) > 1]  # fmt: skip
    assert {text for text in high if 'host="h1"' in text} >= {
        'm0{group="g0",host="h1"}', 'm3{group="g3",host="h1"}',
    }  # fmt: skip
    assert sum('host="h1"' in text for text in high) > len(high) / 2
