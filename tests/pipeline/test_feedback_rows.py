"""Verdicts in the flow: no samples, in the order of time, the same whatever the cuts and restarts.

Method: the scores of a flow without feedback say which samples to judge; the flow then runs again
with logs of verdicts beside those of samples, cut and mixed at random.
"""

import random
from itertools import islice

import msgspec
import numpy as np
import pytest
from direct_flow import DirectFlow, Partition, plan_of

from engine.codecs.feedback import FeedbackCodec
from engine.codecs.samples import Limits
from engine.config.durations import HOUR_NS, MINUTE_NS, SECOND_NS
from engine.events import rfc3339
from engine.series import snapshot
from engine.series.blocks import decode_block, encode_block
from engine.series.identity import Series
from engine.series.pieces import Batch, Progress
from engine.sources.feedback import FeedbackIntake
from engine.sources.intake import DeadLetterRate
from engine.sources.partition_clock import PartitionClock

LATENESS_NS = 45 * SECOND_NS
START_NS = 1_700_000_000 * SECOND_NS
STEP_NS = 10 * SECOND_NS
ROWS = 500

RULES = """
groups:
- name: anomalies
  interval: 15s
  rules:
  - {alert: Wild, expr: "max_over_time(anomaly_onset[15s]) > 1"}
  - {alert: Count, expr: "count_over_time(cpu[1m]) > 5"}
"""
CONFIG = """
state: {shards: 3}
detectors: [{false_alarms_per_day: 3000}, {use: ewma, params: {weight: 0.05, threshold: 5}}]
scores: {emit: all}
"""
PARTITIONS = ("p0", "p1", "f0", "f1")
SERIES = [*(Series.of("cpu", {"i": str(i)}) for i in range(4)), Series.of("load", {})]
UNKNOWN = Series.of("cpu", {"i": "99"})


def rows_of_partitions():
    generator = random.Random(4)
    logs = ([], [])
    for number, series in enumerate(SERIES):
        for step in range(ROWS):
            ts = START_NS + step * STEP_NS + generator.randrange(SECOND_NS)
            value = generator.gauss(0, 1) + (12 + step / 20) * (step % 60 == 59 and step > 150)
            logs[number % 2].append((series, ts, value, 0))
    return tuple(sorted(log, key=lambda row: row[1]) for log in logs)


LOGS = rows_of_partitions()


class FeedbackPartition:
    """A partition of feedback: records in log order become batches."""

    def __init__(self, plan, number):
        self.number = number
        self.clock = PartitionClock(0)
        self._codec = FeedbackCodec(plan.detector_names, limits=Limits())
        self._intake = FeedbackIntake(
            self.clock, max_ahead_ns=0, detectors_of=plan.detectors_of, place_of=plan.place_of,
            rate=DeadLetterRate(10**9),
        )  # fmt: skip

    def batch(self, records, **progress):
        """Give the batch of the next records (written at, fields)."""
        decoded = self._codec.decode([msgspec.json.encode(fields) for _, fields in records])
        assert not decoded.rejects
        written = np.array([ts for ts, _ in records], np.int64)
        taken = self._intake.take(decoded.columns, decoded.new_series, written)
        said = Progress(self.number, self.clock.claim, self.clock.newest, **progress)
        return Batch(said, taken.columns, taken.definitions, taken.population, taken.place)


def record(written, series, judged, verdict, **more):
    """A record of feedback as it stands in a log, and when it was written."""
    return written, {"ts": rfc3339(judged), "series": str(series), "verdict": verdict, **more}


def run(plan, logs, feedback, generator, *, sizes=(1, 2, 4), restart=0.0):
    flow, said = DirectFlow(plan), DirectFlow(plan)
    parts = [
        (Partition(plan, number, lateness_ns=LATENESS_NS), list(log))
        for number, log in enumerate(logs)
    ]
    parts += [(FeedbackPartition(plan, 2 + n), list(log)) for n, log in enumerate(feedback)]
    while any(log for _, log in parts):
        partition, log = generator.choice([item for item in parts if item[1]])
        size = generator.choice(sizes)
        flow.feed(partition.batch(log[:size], caught_up=generator.random() < 0.3))
        del log[:size]
        if generator.random() < restart:
            state = flow.state()
            collect(said, flow)
            flow = DirectFlow(plan).restore(state)
    for partition, _ in parts:
        flow.feed(partition.batch([], ended=True))
    flow.finish()
    collect(said, flow)
    return said


def collect(into, flow):
    for number, alerts in flow.alerts.items():
        into.alerts[number] += alerts
    into.scores += flow.scores
    into.dead_letters += flow.dead_letters
    for name, count in flow.counts.items():
        into.counts[name] = into.counts.get(name, 0) + count


def letters(flow):
    return sorted((letter.reason, letter.detail, letter.value) for letter in flow.dead_letters)


def onsets_of(flow):
    """The alarms of a flow: series and time (ns), in the order of both."""
    # Scores are told as floats: which sample is meant?
    sample = {(str(row[0]), float(row[1])): row[:2] for log in LOGS for row in log}
    return [
        (*sample[row[0], float.fromhex(row[1])], float.fromhex(row[3]))
        for row in sorted(flow.scores)
        if float.fromhex(row[3]) > 1
    ]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    return plan_of(folder, RULES, config=CONFIG, partitions=PARTITIONS)


@pytest.fixture(scope="module")
def without(plan):
    return run(plan, LOGS, ([], []), random.Random(0), sizes=(10**6,))


@pytest.fixture(scope="module")
def feedback(without):
    """Two logs of verdicts on half of the alarms, and on what is not there."""
    generator = random.Random(7)
    logs = ([], [])
    for series, ts, _ in onsets_of(without):
        verdict = generator.choice([None, "false_alarm", "false_alarm", "miss"])
        if verdict is None:
            continue
        log = generator.choice(logs)
        written = ts + generator.choice([0, SECOND_NS, 3 * MINUTE_NS])
        log.append(record(written, series, ts, verdict))
        if generator.random() < 0.3:
            log.append(record(written + MINUTE_NS, series, ts, "retract"))
        if generator.random() < 0.2:
            log.append(record(written + MINUTE_NS, series, ts, verdict, detector="default"))
    logs[0].append(record(START_NS + 9 * MINUTE_NS, UNKNOWN, START_NS, "miss"))
    logs[0].append(record(START_NS - MINUTE_NS, SERIES[0], START_NS - MINUTE_NS, "miss"))
    logs[1].append(record(START_NS + HOUR_NS, SERIES[1], START_NS, "retract"))
    return tuple(sorted(log, key=lambda item: item[0]) for log in logs)


@pytest.fixture(scope="module")
def in_order(plan, feedback):
    return run(plan, LOGS, feedback, random.Random(0), sizes=(10**6,))


def test_the_example_says_enough(in_order, without):
    assert len(onsets_of(without)) > 15
    assert in_order.counts["verdicts_applied"] > 10
    assert in_order.counts["verdicts_repeated"] > 0
    assert len({detail for _, detail, _ in letters(in_order)}) == 2
    assert onsets_of(in_order) != onsets_of(without)
    reasons = {
        item.event.reason.rpartition("; ")[2]
        for alerts in in_order.alerts.values()
        for item in alerts
        if item.event
    }
    assert any(text.startswith("boundary x") for text in reasons)


def test_verdicts_are_no_samples(in_order, without):
    kept = ("handled_rows", "repeated_rows", "conflicting_rows")
    assert {name: in_order.counts.get(name) for name in kept} == {
        name: without.counts.get(name) for name in kept
    }
    samples = [[row[:3] for row in sorted(flow.scores)] for flow in (in_order, without)]
    assert samples[0] == samples[1]


@pytest.mark.parametrize("seed", range(1, 5))
def test_arrival_order_and_cuts_do_not_matter(plan, in_order, feedback, seed):
    generator = random.Random(seed)
    logs = [sorted(log, key=lambda row: row[1] + generator.randrange(LATENESS_NS)) for log in LOGS]
    flow = run(plan, logs, feedback, generator)
    assert flow.said() == in_order.said()
    assert flow.counts == in_order.counts
    assert letters(flow) == letters(in_order)


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_at_any_point_does_not_matter(plan, in_order, feedback, seed):
    flow = run(plan, LOGS, feedback, random.Random(seed), restart=0.05)
    assert flow.said() == in_order.said()
    assert flow.counts == in_order.counts
    assert letters(flow) == letters(in_order)


@pytest.mark.parametrize("seed", range(2))
def test_a_state_is_the_moments_however_it_is_read(plan, feedback, seed, monkeypatch):
    """Its twin is written at once; it is written bit by bit while verdicts are applied."""
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 700)
    generator = random.Random(seed)
    # All samples come first, so that many verdicts are on series without a row in their block.
    parts = [(Partition(plan, n, lateness_ns=LATENESS_NS), list(log)) for n, log in enumerate(LOGS)]
    parts += [(FeedbackPartition(plan, 2 + n), list(log)) for n, log in enumerate(feedback)]
    flow, expected, found, readers = DirectFlow(plan), [], [], []
    while any(log for _, log in parts):
        partition, log = generator.choice([item for item in parts if item[1]][:2])
        flow.feed(partition.batch(log[:4], caught_up=True))
        del log[:4]
        if generator.random() < (0.02 if parts[1][1] else 0.2):
            for shard in flow.shards:
                expected.append(b"".join(encode_block(*shard.state())))
                found.append([])
                readers.append((encode_block(*shard.state()), found[-1]))
        for reader, into in readers:
            into += [bytes(piece) for piece in islice(reader, generator.randrange(3))]
    for reader, into in readers:
        into.extend(bytes(piece) for piece in reader)
    assert len(expected) > 20
    assert flow.counts["verdicts_applied"] > 0
    for pieces, block in zip(found, expected, strict=True):
        arrays, at_once = (decode_block(raw, "b")[0] for raw in (b"".join(pieces), block))
        assert arrays.keys() == at_once.keys()
        for name, array in arrays.items():
            # Pools of samples hold rows, too, that nothing refers to any more.
            assert "|pool|" in name or array.tobytes() == at_once[name].tobytes(), name


def test_what_is_taken_back_was_never_said(plan, without):
    alarms = onsets_of(without)
    series, ts, _ = alarms[0]
    following = min(row[1] for log in LOGS for row in log if row[0] == series and row[1] > ts)
    written = (ts + following) // 2
    log = [record(written, series, ts, "false_alarm"), record(written, series, ts, "retract")]
    flow = run(plan, LOGS, (log, []), random.Random(0))
    assert flow.counts["verdicts_applied"] == 2
    assert flow.said() == without.said()


def test_a_verdict_changes_only_its_series_and_only_what_follows(plan, without):
    series, ts, height = onsets_of(without)[0]
    log = [record(ts, series, ts, "false_alarm")]
    flow = run(plan, LOGS, (log, []), random.Random(0))
    old = sorted(set(without.scores) - set(flow.scores))
    new = sorted(set(flow.scores) - set(without.scores))
    assert new
    assert {row[0] for row in new} == {str(series)}
    # The judged sample's own score stands, though the verdict has its very timestamp.
    assert min(float.fromhex(row[1]) for row in new) > float(ts)
    assert (series, ts, height) in onsets_of(flow)
    assert [row[:3] for row in new] == [row[:3] for row in old]
    for after, before in zip(new, old, strict=True):
        assert float.fromhex(after[3]) <= float.fromhex(before[3])


def test_only_the_detector_that_is_named_is_judged(plan, without):
    series, ts = SERIES[4], max(row[1] for log in LOGS for row in log if row[0] == SERIES[4])
    said = [record(ts, series, ts - HOUR_NS, "miss", detector=name) for name in ("default", "ewma")]
    flows = [run(plan, LOGS, ([item], []), random.Random(0)) for item in said]
    assert [flow.counts.get("verdicts_applied") for flow in flows] == [1, 1]
    assert all(flow.counts["handled_rows"] == without.counts["handled_rows"] for flow in flows)


def test_a_verdict_on_what_no_detector_watches_is_a_dead_letter(plan):
    made = [Series.of("anomaly_onset", {"metric": "cpu"})]
    log = [record(START_NS + HOUR_NS, made[0], START_NS, "miss")]
    flow = run(plan, LOGS, (log, []), random.Random(0))
    assert flow.counts["verdicts_refused"] == 1
    assert flow.counts["orphan_label_rows"] == 1
