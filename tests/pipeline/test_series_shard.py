"""A shard says the same whatever the arrival order within the lateness, the cuts and restarts."""

import math
import random
from dataclasses import replace
from itertools import islice

import msgspec
import numpy as np
import pytest
from direct_flow import DirectFlow, Partition, plan_of

from engine.detectors.protocol import Scores
from engine.pipeline.series_shard import SeriesShard
from engine.series import snapshot
from engine.series.blocks import CheckpointId, CheckpointStore, decode_block, encode_block
from engine.series.columns import FLAG_DELTA, FLAG_STALE
from engine.series.identity import Series
from engine.series.pieces import split
from engine.series.sample_pool import gather
from engine.series.snapshot import Table

SECOND_NS = 10**9
LATENESS_NS = 45 * SECOND_NS
START_NS = 1_700_000_000 * SECOND_NS
STEP_NS = 10 * SECOND_NS
ROWS = 260
STALE, DELTA = int(FLAG_STALE), int(FLAG_DELTA)

RULES = """
groups:
- name: plain
  interval: 15s
  rules:
  - {alert: High, expr: cpu > 2.5, for: 30s, keep_firing_for: 20s, labels: {v: "{{ $value }}"}}
  - {alert: Quiet, expr: 'cpu{i="1"} <= 0.5 offset 25s'}
- name: windows
  interval: 40s
  rules:
  - {alert: Mean, expr: "avg_over_time(cpu[95s]) > 1", for: 80s, annotations: {a: "{{ $value }}"}}
  - {alert: Gap, expr: "count_over_time(cpu{i=~'[0-3]'}[1m]) < 5"}
  - {alert: Wild, expr: "anomaly_state > 0.2"}
""".replace("<= 0.5 offset 25s", "offset 25s <= 0.5")
CONFIG = """
state: {shards: 3}
detectors: [{false_alarms_per_day: 3000}]
scores: {emit: all}
rule_options:
- {alert: Mean, gap_tolerance: 1, resolve_below: 0.5}
- {alert: Gap, on_absent: fire}
"""
PARTITIONS = ("p0", "p1")
SERIES = [Series.of("cpu", {"i": str(i)}) for i in range(5)] + [Series.of("load", {})]


def rows_of_partitions():
    """Logs of two partitions: gaps, stale markers, repeats, conflicts, a series in both."""
    generator = random.Random(4)
    logs = ([], [])
    for number, series in enumerate(SERIES):
        # Some begin later, just before a minute ends: whether they count in it is for the
        # first row to say, not for the first to arrive.
        first = START_NS + (0, 0, 0, 98, 338, 698)[number] * SECOND_NS
        for step in range(ROWS):
            ts = first + step * STEP_NS + generator.randrange(SECOND_NS)
            if generator.random() < 0.05 or 100 < step < 100 + 8 * number:
                continue
            value = math.sin(step / 20) + generator.gauss(0, 0.3) + 40 * (step in (150, 200, 201))
            log = logs[number % 2 if number < 4 else generator.randrange(2)]
            row = (series, ts, value, STALE if generator.random() < 0.01 else 0)
            log.append(row)
            if generator.random() < 0.05:
                log.append(row)
            if generator.random() < 0.05:
                log.append((series, ts, generator.gauss(0, 1), 0))
    return tuple(sorted(log, key=lambda row: row[1]) for log in logs)


LOGS = rows_of_partitions()


def shuffled(log, generator):
    """Another arrival order in which no row is late: none falls back by the lateness."""
    return sorted(log, key=lambda row: row[1] + generator.randrange(LATENESS_NS))


def batches(plan, logs, generator, *, sizes=(1, 2, 4)):
    """Yield batches of all partitions, interleaved and cut at random."""
    parts = [
        (Partition(plan, number, lateness_ns=LATENESS_NS), list(log))
        for number, log in enumerate(logs)
    ]
    while any(log for _, log in parts):
        partition, log = generator.choice([item for item in parts if item[1]])
        size = generator.choice(sizes)
        yield partition.batch(log[:size], caught_up=generator.random() < 0.3)
        del log[:size]
    for partition, _ in parts:
        yield partition.batch([], ended=True)


def run(plan, logs, generator, **options):
    flow = DirectFlow(plan)
    waiting = []
    for batch in batches(plan, logs, generator, **options):
        waiting.append(batch)
        if generator.random() < 0.7:
            flow.feed(*waiting)
            waiting = []
    if waiting:
        flow.feed(*waiting)
    flow.finish()
    return flow


class ShareDetector:
    """Gives as score its shard's share of the series, and how often it has seen the series."""

    name, version, signals = "default", 1, ()

    def __init__(self):
        self.seen = np.zeros(0, np.int64)

    def tables(self):
        return [Table({"seen": self.seen})]

    def pooled(self):
        return {}

    def restore(self, arrays):
        self.seen = arrays["seen"].copy()

    def grow(self, slots, limit):
        self.seen = np.concatenate([self.seen, np.zeros(slots - len(self.seen), np.int64)])

    def score(self, slot, ts, value, share):
        times = np.empty(len(slot))
        for row, place in enumerate(slot):
            self.seen[place] += 1
            times[row] = self.seen[place]
        shares = np.full(len(slot), share)
        nothing = np.zeros((0, len(slot)), np.float32)
        return Scores(shares, times, value, value - 1, value + 1, nothing, times)


@pytest.fixture(scope="module", params=["default detector", "shares"])
def plan(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("plan")
    plan = plan_of(folder, RULES, config=CONFIG, partitions=PARTITIONS)
    if request.param == "shares":
        plan = replace(plan, detectors=(replace(plan.detectors[0], make=ShareDetector),))
    return plan


@pytest.fixture(scope="module")
def in_order(plan):
    return run(plan, LOGS, random.Random(0), sizes=(10**6,))


def test_the_example_says_enough(in_order):
    alerts, scores = in_order.said()
    names = {event.event.labels["alertname"] for lane in in_order.alerts.values()
             for event in lane if event.event}  # fmt: skip
    assert names >= {"High", "Quiet", "Mean", "Gap", "Wild"}
    assert sum(map(len, alerts.values())) > 200
    assert len(scores) > 1000
    onsets = {float.fromhex(row[3]) for row in scores}
    assert max(onsets) > 1 or onsets > {0.2, 0.8}
    assert in_order.counts["repeated_rows"] > 20
    assert in_order.counts["conflicting_rows"] > 20
    assert len(scores) + stale_rows() == in_order.counts["handled_rows"]


def stale_rows():
    """Rows that end a series and that no number contradicts."""
    kept = {}
    for log in LOGS:
        for series, ts, _, flags in log:
            kept[series, ts] = kept.get((series, ts), True) and bool(flags)
    return sum(kept.values())


@pytest.mark.parametrize("seed", range(1, 9))
def test_arrival_order_and_cuts_do_not_matter(plan, in_order, seed):
    generator = random.Random(seed)
    logs = [shuffled(log, generator) for log in LOGS]
    flow = run(plan, logs, generator)
    assert flow.said() == in_order.said()
    assert flow.counts == in_order.counts


@pytest.mark.parametrize("seed", range(4))
def test_a_restart_at_any_point_does_not_matter(plan, in_order, seed):
    generator = random.Random(seed)
    flow, said = DirectFlow(plan), DirectFlow(plan)
    logs = [shuffled(log, generator) for log in LOGS]
    for batch in batches(plan, logs, generator):
        flow.feed(batch)
        if generator.random() < 0.05:
            state = flow.state()
            collect(said, flow)
            flow = DirectFlow(plan).restore(state)
    flow.finish()
    collect(said, flow)
    assert said.said() == in_order.said()


def collect(into, flow):
    for number, alerts in flow.alerts.items():
        into.alerts[number] += alerts
    into.scores += flow.scores


def with_increments(log):
    """The same rows, those of one series as increments."""
    return [
        (series, ts, value, flags | DELTA if series.name == "load" else flags)
        for series, ts, value, flags in log
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_state_is_the_moments_however_it_is_read(plan, seed, monkeypatch):
    """Its twin is written at once; it is written bit by bit while the shard goes on."""
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 700)
    generator = random.Random(seed)
    flow, expected, found, readers = DirectFlow(plan), [], [], []
    for batch in batches(plan, [with_increments(log) for log in LOGS], generator):
        flow.feed(batch)
        if generator.random() < 0.02:
            for shard in flow.shards:
                expected.append(b"".join(encode_block(*shard.state())))
                found.append([])
                readers.append((encode_block(*shard.state()), found[-1]))
        for reader, into in readers:
            into += [bytes(piece) for piece in islice(reader, generator.randrange(3))]
    for reader, into in readers:
        into.extend(reader)
    assert len(expected) > 20
    assert len({len(block) for block in expected}) > 4
    for pieces, block in zip(found, expected, strict=True):
        assert what_counts(b"".join(pieces)) == what_counts(block)


def what_counts(block):
    """A block without what nobody reads of chunks: what follows their last sample."""
    arrays, meta = decode_block(block, "block")
    parts = {}
    for name in [name for name in arrays if name.endswith("|pool|first")]:
        pool = name.removesuffix("first")
        ts, value, links = (arrays.pop(pool + part) for part in ("ts", "value", "links"))
        chains = [arrays[pool + part] for part in ("first", "head", "count")]
        for place, count in enumerate(chains[2].tolist()):
            samples = np.empty(count, np.int64), np.empty(count)
            flat = ts.reshape(-1), value.reshape(-1).view(np.float64)
            assert gather(place, *flat, links, *chains, *samples) == count
            parts[pool, place] = [part.tobytes() for part in samples]
    whole = {name: (array.shape, array.tobytes()) for name, array in arrays.items()}
    return whole, parts, bytes(meta)


def test_checkpoints_that_are_written_beside_the_shards_are_the_moments(plan, tmp_path):
    generator = random.Random(9)
    names = [f"s{number}" for number in range(plan.shards)]
    store = CheckpointStore(tmp_path, frozenset(names), keep=100, cpu_share=1.0)
    flow, expected = DirectFlow(plan), []
    for batch in batches(plan, LOGS, generator):
        flow.feed(batch)
        if generator.random() < 0.05:
            checkpoint = CheckpointId(1, len(expected))
            blocks = [b"".join(encode_block(*shard.state())) for shard in flow.shards]
            expected.append(blocks)
            for name, shard in zip(names, flow.shards, strict=True):
                store.write(checkpoint, name, *shard.state())
    store.close()
    assert len(expected) > 20
    for epoch, blocks in enumerate(expected):
        for name, block in zip(names, blocks, strict=True):
            path = tmp_path / str(CheckpointId(1, epoch)) / f"{name}.block"
            assert what_counts(path.read_bytes()) == what_counts(block)


def test_a_state_does_not_change_with_what_follows(plan):
    generator = random.Random(1)
    flow = DirectFlow(plan)
    every = list(batches(plan, LOGS, generator))
    for batch in every[: len(every) // 2]:
        flow.feed(batch)
    arrays, meta = flow.shards[0].state()
    before = what_counts(b"".join(encode_block(*flow.shards[0].state())))
    assert {"series", "pending|ts", "deltas|total"} <= arrays.keys()
    for batch in every[len(every) // 2 :]:
        flow.feed(batch)
    assert what_counts(b"".join(encode_block(arrays, meta))) == before


def test_beyond_the_limit_the_newest_series_are_refused(tmp_path):
    plan = plan_of(
        tmp_path, RULES, config="state: {shards: 1}\nscores: {emit: all}\nlimits: {series: 2}\n"
    )
    partition, flow = Partition(plan, 0, lateness_ns=LATENESS_NS), DirectFlow(plan)
    rows = [(series, START_NS + 1500 * SECOND_NS, 1.5, 0) for series in SERIES[:4]]
    flow.feed(partition.batch(rows))
    flow.feed(partition.batch([(series, ts + 1, value, 0) for series, ts, value, _ in rows]))
    flow.feed(partition.batch([], ended=True))
    held = {series.text for series in flow.shards[0].slots.series}
    assert len(held) == 2
    assert flow.counts == {"handled_rows": 4, "limit_rows": 4}
    assert [letter.reason for letter in flow.dead_letters] == ["limit", "limit"]
    told = [msgspec.json.decode(letter.value) for letter in flow.dead_letters]
    assert {item["labels"]["i"] for item in told} == {"0", "1", "2", "3"} - {
        text.split('"')[1] for text in held
    }
    assert {item["ts"] for item in told} == {(START_NS + 1500 * SECOND_NS) // 10**6}


def test_a_stale_marker_or_nan_loses_against_a_number(tmp_path):
    plan = plan_of(tmp_path, RULES, config="state: {shards: 1}\nscores: {emit: all}\n")
    partition, flow = Partition(plan, 0, lateness_ns=LATENESS_NS), DirectFlow(plan)
    ts, series = START_NS, SERIES[0]
    values = [(math.nan, STALE), (math.nan, 0), (2.0, 0), (3.0, 0), (3.0, 0), (-1.0, 0)]
    flow.feed(partition.batch([(series, ts, value, flags) for value, flags in values]))
    flow.feed(partition.batch([], ended=True))
    assert [row[2] for row in flow.scores] == [(3.0).hex()]
    assert flow.counts == {"handled_rows": 1, "repeated_rows": 1, "conflicting_rows": 4}


def test_a_shard_without_series_tells_its_lanes_how_far_it_is(plan):
    partition = Partition(plan, 0, lateness_ns=LATENESS_NS)
    other = Partition(plan, 1, lateness_ns=LATENESS_NS)
    series = SERIES[0]
    empty = next(n for n in range(plan.shards) if n != series.fingerprint % plan.shards)
    shard = SeriesShard(empty, plan)
    last = START_NS
    for step in (0, 60, 120):
        for source in (partition, other):
            batch = source.batch([(series, START_NS + step * SECOND_NS, 1.0, 0)], caught_up=True)
            output = shard.handle([split(batch, plan.shards)[empty]])
        last = START_NS + step * SECOND_NS - LATENESS_NS
    assert {closed.watermark for closed in output.closed.values()} == {last}
    assert sorted(output.closed) == list(plan.rules.lanes)
    assert all(closed.results == [] for closed in output.closed.values())
