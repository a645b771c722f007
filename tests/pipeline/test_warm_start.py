"""Detectors that learned from a recording go on as if they had watched it live.

Method: a stream is cut in two; its first part is a recording to warm up from, its second part the
live stream. Scores must be those of one flow over the whole, to the bit. Then what a live stream
may do that begins before the recording's end.
"""

import json
import math
import random
from dataclasses import replace

import msgspec
import polars as pl
import pytest
from direct_flow import DirectFlow, Partition, plan_of
from msgspec.structs import replace as replace_field

from engine.config.connections import RecordingSource
from engine.config.load import parse_config
from engine.errors import UsageError
from engine.pipeline.warm_start import warm_shards
from engine.series.columns import FLAG_DELTA
from engine.series.identity import Series

SECOND_NS = 10**9
LATENESS_NS = 30 * SECOND_NS
START_NS = 1_700_000_040 * SECOND_NS
STEP_NS = 60 * SECOND_NS
STEPS, HOSTS, METRICS = 500, 4, 3
LATECOMER_STEPS = 330
PARTITIONS = ("p0", "p1")
DELTA = int(FLAG_DELTA)

RULES = """
groups:
- name: plain
  interval: 1m
  rules:
  - {alert: High, expr: m0 > 4}
  - {alert: Mean, expr: "avg_over_time(m1[10m]) > 0.5"}
  - {alert: Joint, expr: 'anomaly_state{metric="entity_deviation"} > 0.5'}
"""
CONFIG = "state: {{shards: {shards}}}\nscores: {{emit: all}}\ndetectors: [{detectors}]\n"
DETECTORS = {
    "default": "{false_alarms_per_day: 300}",
    "ewma": "{use: ewma}",
    "entity": "{entity: [host], false_alarms_per_day: 300}",
    "peers": "{use: peers, entity: [job], false_alarms_per_day: 300}",
    "river": "{use: river.anomaly.HalfSpaceTrees, entity: [host], params: {warm_up: 50}}",
    "change": "{use: change_point}",
    "trees": "{use: half_space_trees, params: {window_rows: 40}}",
    "robust": "{use: robust_z}",
    "two": "{match: '{__name__=~\"m[01]\"}', false_alarms_per_day: 300}, {use: ewma, match: m0}",
}


def logs():
    """Samples of hosts with excursions in both parts; one series begins in the second part."""
    generator = random.Random(3)
    found = ([], [])
    for host in range(HOSTS):
        for metric in range(METRICS):
            series = Series.of(f"m{metric}", {"host": f"h{host}", "job": "j"})
            first = LATECOMER_STEPS if (host, metric) == (2, 1) else 0
            for step in range(first, STEPS):
                if generator.random() < 0.03:
                    continue
                ts = START_NS + step * STEP_NS + generator.randrange(2 * SECOND_NS)
                value = math.sin(step / 30 + host) + generator.gauss(0, 0.2)
                value += 8 * (step in (150, 151, 310, 390, 391, 440) and (host + step) % 3 == 0)
                found[metric % 2].append((series, ts, value, 0))
    return tuple(sorted(log, key=lambda row: row[1]) for log in found)


LOGS = logs()


def planned(folder, detectors, *, shards=3):
    text = CONFIG.format(shards=shards, detectors=DETECTORS.get(detectors, detectors))
    return plan_of(folder, RULES, config=text, partitions=PARTITIONS)


def config_of(text, folder):
    return parse_config(text, file="config.yaml", environment={}, folder=folder)


def cut_at(step):
    """Between two steps, at a whole second, since entities are judged by seconds."""
    return START_NS + step * STEP_NS - SECOND_NS


def through(logs, ts):
    return [[row for row in log if row[1] <= ts] for log in logs]


def after(logs, ts):
    return [[row for row in log if row[1] > ts] for log in logs]


def recorded(folder, logs, name="recording"):
    """Write a recording; each log is a file."""
    path = folder / name
    path.mkdir()
    for number, log in enumerate(logs):
        rows = pl.DataFrame(
            {
                "ts": [row[1] for row in log],
                "name": [row[0].name for row in log],
                "labels": [json.dumps(dict(row[0].labels)) for row in log],
                "value": [float(row[2]) for row in log],
                "flags": [row[3] for row in log],
            },
            schema_overrides={"flags": pl.UInt8, "name": pl.String, "labels": pl.String},
        )
        rows = rows.with_columns(pl.col("ts").cast(pl.Datetime("ns")))
        rows.write_parquet(path / f"p{number}.parquet")
    return RecordingSource(path=str(path))


def begun(plan, warm=None):
    """A flow that has read nothing; its shards may have learned before."""
    flow = DirectFlow(plan)
    if warm is not None:
        flow.shards = [warm[number] for number in range(plan.shards)]
    return flow


def batches(plan, logs, *, rows=40):
    """Batches of all partitions by turns, and the ends."""
    parts = [
        (Partition(plan, number, lateness_ns=LATENESS_NS), list(log))
        for number, log in enumerate(logs)
    ]
    while any(log for _, log in parts):
        for partition, log in parts:
            if log:
                yield partition.batch(log[:rows], caught_up=True)
                del log[:rows]
    for partition, _ in parts:
        yield partition.batch([], ended=True)


def played(flow, logs, *, rows=40):
    for batch in batches(flow.plan, logs, rows=rows):
        flow.feed(batch)
    flow.finish()
    return flow


def said_by(flow, rules):
    """What some rules said, in order."""
    return sorted(
        (item.fingerprint, item.tick, msgspec.json.encode(item.event))
        for lane in flow.alerts.values()
        for item in lane
        if item.event and item.event.labels["alertname"] in rules
    )


def values(flow):
    return [float.fromhex(row[2]) for row in sorted(flow.scores, key=lambda r: float.fromhex(r[1]))]


def scores_after(flow, ts):
    return [row for row in sorted(flow.scores) if float.fromhex(row[1]) > float(ts)]


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("detectors", sorted(DETECTORS))
def test_scores_go_on_as_if_the_recording_had_been_live(tmp_path, detectors, shards):
    plan = planned(tmp_path, detectors, shards=shards)
    whole = played(DirectFlow(plan), LOGS)
    for step in (120, 311, 400):
        ts = cut_at(step)
        warm = warm_shards(plan, recorded(tmp_path, through(LOGS, ts), f"to-{step}"))
        flow = played(begun(plan, warm), after(LOGS, ts))
        assert sorted(flow.scores) == scores_after(whole, ts)
        assert flow.dead_letters == []
    cold = played(DirectFlow(plan), after(LOGS, ts))
    assert sorted(cold.scores) != scores_after(whole, ts)


def test_the_example_says_enough(tmp_path):
    flow = played(DirectFlow(planned(tmp_path, "entity")), LOGS)
    high = [row for row in scores_after(flow, cut_at(311)) if float.fromhex(row[3]) > 1]
    assert {row[0].partition("{")[0] for row in high} >= {"m0", "m1", "entity_deviation"}


@pytest.mark.parametrize("rows", [1, 7, 100_000])
def test_any_cut_of_the_recording_teaches_the_same(tmp_path, rows):
    plan = planned(tmp_path, "entity")
    ts = cut_at(160)
    recording = recorded(tmp_path, through(LOGS, ts))
    batch = replace_field(plan.config.batch, rows=rows)
    cut = replace(plan, config=replace_field(plan.config, batch=batch))
    live = after(LOGS, ts)
    expected, found = (played(begun(plan, warm_shards(a, recording)), live) for a in (plan, cut))
    assert found.said() == expected.said()


def test_only_what_detectors_know_is_taken_over(tmp_path):
    """Event time and the rules begin with the stream: no alert is about the recording."""
    plan = planned(tmp_path, "default")
    ts = cut_at(311)
    warm = warm_shards(plan, recorded(tmp_path, through(LOGS, ts)))
    assert sum(len(shard.slots) for shard in warm.values()) == HOSTS * METRICS - 1
    for number, shard in warm.items():
        cold = DirectFlow(plan).shards[number]
        assert len(shard.pending) == 0
        assert shard.watermark.advance() == cold.watermark.advance()
    flow, cold = played(begun(plan, warm), after(LOGS, ts)), played(begun(plan), after(LOGS, ts))
    rules = {"High", "Mean"}
    assert said_by(flow, rules) == said_by(cold, rules) != []
    assert said_by(flow, {"Anomaly"}) != said_by(cold, {"Anomaly"})
    assert min(item.tick for lane in flow.alerts.values() for item in lane) > ts


@pytest.mark.parametrize("detectors", ["default", "entity"])
def test_rows_that_were_learned_reach_the_rules_alone(tmp_path, detectors):
    """The stream begins within the recording: nothing is late, and nothing is learned twice."""
    plan = planned(tmp_path, detectors)
    begin, ts = cut_at(250), cut_at(311)
    recording = recorded(tmp_path, through(LOGS, ts))
    whole = played(DirectFlow(plan), LOGS)
    live = after(LOGS, begin)
    flow = played(begun(plan, warm_shards(plan, recording)), live)
    assert sorted(flow.scores) == scores_after(whole, ts)
    assert flow.dead_letters == []
    cold = played(DirectFlow(plan), live)
    rules = {"High", "Mean"}
    assert said_by(flow, rules) == said_by(cold, rules)
    assert any(tick < ts for _, tick, _ in said_by(flow, rules))


@pytest.mark.parametrize("detectors", ["default", "entity"])
def test_a_restart_within_the_recordings_time_does_not_matter(tmp_path, detectors):
    plan = planned(tmp_path, detectors)
    ts = cut_at(311)
    whole = played(DirectFlow(plan), LOGS)
    warm = warm_shards(plan, recorded(tmp_path, through(LOGS, ts)))
    flow, scores = begun(plan, warm), []
    for place, batch in enumerate(batches(plan, after(LOGS, cut_at(250)))):
        if place % 3 == 2:
            scores += flow.scores
            flow = DirectFlow(plan).restore(flow.state())
        flow.feed(batch)
    flow.finish()
    assert sorted([*scores, *flow.scores]) == scores_after(whole, ts)


def test_increments_go_on_from_their_sum(tmp_path):
    plan = planned(tmp_path, "ewma")
    counter = Series.of("requests", {})
    log = [(counter, START_NS + step * STEP_NS, 1.0, DELTA) for step in range(300)]
    ts = cut_at(200)
    recording = recorded(tmp_path, through([log, []], ts))
    flow = played(begun(plan, warm_shards(plan, recording)), after([log, []], ts))
    assert values(flow) == [float(number) for number in range(201, 301)]


def test_increments_that_come_again_are_no_jump(tmp_path):
    """Their sum begins anew, as that of a counter which was reset."""
    plan = planned(tmp_path, "ewma")
    counter = Series.of("requests", {})
    log = [(counter, START_NS + step * STEP_NS, 1.0, DELTA) for step in range(300)]
    recording = recorded(tmp_path, through([log, []], cut_at(200)))
    flow = played(begun(plan, warm_shards(plan, recording)), after([log, []], cut_at(150)))
    assert values(flow) == [float(number) for number in range(51, 151)]


@pytest.mark.parametrize("rows", range(31, 35))
def test_the_last_sample_is_learned(tmp_path, rows):
    """However little it is ahead of what was handled before the recording's end."""
    plan = planned(
        tmp_path, "{use: ewma}]\ntime: {lateness: 100ms}\nbatch: {rows: 1}\nsinks: [", shards=1
    )
    log = [row for row in LOGS[0] if row[0] == LOGS[0][0][0]][:60]
    whole = played(DirectFlow(plan), [log, []])
    warm = warm_shards(plan, recorded(tmp_path, [log[:rows]]))
    flow = played(begun(plan, warm), [log[rows:], []])
    assert sorted(flow.scores) == scores_after(whole, log[rows - 1][1])


def test_the_recording_is_sifted_as_the_sources_are(tmp_path):
    plan = planned(tmp_path, "default")
    rename = "[{source_labels: [host], target_label: instance}, {regex: host, action: labeldrop}]"
    text = f"sources: [{{kafka: {{brokers: b, topic: t}}, relabel: {rename}}}]\n"
    renaming = replace(plan, config=config_of(text, tmp_path))
    warm = warm_shards(renaming, recorded(tmp_path, through(LOGS, cut_at(50))))
    series = [item for shard in warm.values() for item in shard.slots.series]
    assert {name for item in series for name, _ in item.labels} == {"instance", "job"}


def test_progress_is_told_row_by_row(tmp_path):
    rows = through(LOGS, cut_at(50))
    told = []
    warm_shards(planned(tmp_path, "default"), recorded(tmp_path, rows), on_progress=told.append)
    assert sum(told) == sum(map(len, rows))


def test_it_can_be_given_up(tmp_path):
    played_rows = []
    warm = warm_shards(
        planned(tmp_path, "default"),
        recorded(tmp_path, LOGS),
        stopping=lambda: bool(played_rows),
        on_progress=played_rows.append,
    )
    assert warm == {}
    assert len(played_rows) == 1


FUTURE = [(Series.of("m0", {}), 4_000_000_000 * SECOND_NS, 1.0, 0)]


@pytest.mark.parametrize(
    ("detectors", "logs", "message"),
    [
        ("", LOGS, "no detector to warm up"),
        ("{match: cpu}", LOGS, r"watches one of its 12 series \(m0, m1, m2\); compare"),
        ("default", ([], []), "holds no sample"),
        ("default", (FUTURE, []), "is of 2096-10-02T07:06:40Z, which is yet to come"),
    ],
)
def test_a_recording_that_teaches_nothing_is_refused(tmp_path, detectors, logs, message):
    with pytest.raises(UsageError, match=message):
        warm_shards(planned(tmp_path, detectors), recorded(tmp_path, logs))


def test_a_recording_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        warm_shards(planned(tmp_path, "default"), RecordingSource(path=str(tmp_path / "none")))
