"""Hostile input meets its bounds: it is refused and counted, and what is good does not notice.

Method: the same good rows go through the flow alone and beside an attack, and say the same.
"""

import json
import time

import numpy as np
import pytest
from confluent_kafka import Producer
from direct_flow import DirectFlow, plan_of
from structlog.testing import capture_logs

from engine.codecs.influx import InfluxCodec
from engine.codecs.native_json import NativeJsonCodec
from engine.codecs.samples import REJECTS_MAX, Limits, read_all
from engine.config.connections import KafkaSource, Source
from engine.config.scalars import Start
from engine.events import Reason
from engine.pipeline.observe import Observer
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.series.pieces import Batch, Progress, split
from engine.sinks.encode import dead_letter_record
from engine.sources import intake as intake_module
from engine.sources.idle import IdleAdvances
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.kafka import KafkaPartition, KafkaReader
from engine.sources.partition_clock import PartitionClock
from engine.sources.reader import Epochs
from engine.sources.sieve import Sieve, SievedCodec
from engine.sources.skew import Skew
from engine.telemetry import Telemetry

SECOND_NS = 10**9
BEGIN_MS = 1_700_000_000_000
STEP_MS = 10_000
LATENESS_NS = 15 * SECOND_NS
STEPS = 60
GOOD_SERIES = 5
SERIES_LIMIT = 100
ATTACKERS = 20_000
REMEMBERED_MAX = 512
BEGINNING_MAX = 300
PATIENCE_S = 30

RULES = """
groups:
- name: plain
  interval: 15s
  rules:
  - {alert: High, expr: cpu > 50, for: 30s, labels: {severity: page}}
  - {alert: Mean, expr: "avg_over_time(cpu[1m]) > 30"}
"""
CONFIG = f"""
state: {{shards: 3}}
detectors: [{{false_alarms_per_day: 3000}}]
limits: {{series: {SERIES_LIMIT}, dead_letters_per_second: 30}}
"""


def message(ts_ms, name, value, **labels):
    return json.dumps({"ts": ts_ms, "name": name, "labels": labels, "value": value}).encode()


def good_messages(step):
    """Each series is high for a while, so that alerts begin, go on and end during an attack."""
    ts_ms = BEGIN_MS + step * STEP_MS
    return [
        message(ts_ms, "cpu", 90 if 5 + 3 * host <= step < 35 + 3 * host else 10, host=str(host))
        for host in range(GOOD_SERIES)
    ]


def explosion(step):
    """From the tenth step on, series that nobody has seen before."""
    if step < 10:
        return []
    each = ATTACKERS // (STEPS - 10)
    ts_ms = BEGIN_MS + step * STEP_MS
    return [message(ts_ms, "wild", 1, pod=f"{step}-{pod}") for pod in range(each)]


def wild_clocks(step):
    """Series that nobody has seen before, with timestamps that never get through."""
    return [
        message(BEGIN_MS + 10**9, "wild", 1, pod=f"{step}-{pod}")
        for pod in range(ATTACKERS // STEPS)
    ]


class Fed:
    """A flow behind one partition with a codec, fed with good messages and an attack."""

    def __init__(self, folder, *, attack=lambda _: [], config=CONFIG):
        self.plan = plan_of(folder, RULES, config=config)
        self.flow = DirectFlow(self.plan)
        self.codec = NativeJsonCodec(cache_entries=REMEMBERED_MAX)
        self.intake = Intake(
            PartitionClock(LATENESS_NS),
            max_ahead_ns=60 * SECOND_NS,
            detectors_of=self.plan.detectors_of,
            rate=DeadLetterRate(10),
            undefined_max=REMEMBERED_MAX,
            beginning_max=BEGINNING_MAX,
        )
        self.refused = {}
        self.sizes = []
        for step in range(STEPS):
            self._feed(good_messages(step) + attack(step), BEGIN_MS + step * STEP_MS)
        self.flow.finish()

    def _feed(self, messages, record_ms):
        decoded = self.codec.decode(messages)
        record_ts = np.full(len(decoded.columns), record_ms * 10**6)
        taken = self.intake.take(decoded.columns, decoded.new_series, record_ts)
        for reason, count in taken.counts.items():
            self.refused[reason] = self.refused.get(reason, 0) + count
        clock = self.intake.clock
        said = Progress(0, clock.claim, clock.newest, caught_up=True)
        self.flow.feed(Batch(said, taken.columns, taken.definitions, taken.population, taken.place))
        self.sizes.append(
            (
                len(self.intake._undefined),
                len(self.intake._beginning),
                len(self.codec._announcer),
                len(self.codec._identities),
                sum(len(shard.slots) for shard in self.flow.shards),
            )
        )


def known_series(flow):
    return {str(series) for shard in flow.shards for series in shard.slots.series}


def test_a_label_explosion_leaves_known_series_and_their_alerts_as_they_are(tmp_path):
    alone = Fed(tmp_path)
    attacked = Fed(tmp_path, attack=explosion)
    alerts, _ = alone.flow.said()
    assert sum(map(len, alerts.values())) > 4 * GOOD_SERIES
    assert attacked.flow.said()[0] == alerts
    series = known_series(attacked.flow)
    assert known_series(alone.flow) <= series
    accepted = len(series) - GOOD_SERIES
    assert 0 < accepted < SERIES_LIMIT + 100  # each of three shards has some room
    assert attacked.flow.counts["limit_rows"] == ATTACKERS - accepted
    assert {letter.reason for letter in attacked.flow.dead_letters} == {Reason.LIMIT}


@pytest.mark.parametrize("attack", [explosion, wild_clocks])
def test_no_map_grows_with_an_attack(tmp_path, attack):
    sizes = np.array(Fed(tmp_path, attack=attack).sizes)
    undefined, beginning, announced, identities, slots = sizes.max(axis=0).tolist()
    assert max(undefined, announced, identities) <= REMEMBERED_MAX
    assert beginning <= BEGINNING_MAX
    assert slots < SERIES_LIMIT + 100


def test_wild_clocks_leave_alerts_as_they_are(tmp_path):
    attacked = Fed(tmp_path, attack=wild_clocks)
    assert attacked.flow.said() == Fed(tmp_path).flow.said()
    assert attacked.refused == {Reason.BAD_TIMESTAMP: ATTACKERS // STEPS * STEPS}
    assert "limit_rows" not in attacked.flow.counts


def test_a_series_that_was_forgotten_while_its_clock_was_wild_is_met_again():
    codec = NativeJsonCodec(cache_entries=8)
    intake = Intake(
        PartitionClock(LATENESS_NS),
        max_ahead_ns=0,
        detectors_of=lambda _: 1,
        rate=DeadLetterRate(0),
        undefined_max=8,
    )

    def definitions(ts_ms, host):
        decoded = codec.decode([message(ts_ms, "cpu", 1, host=host)])
        taken = intake.take(decoded.columns, decoded.new_series, np.array([BEGIN_MS * 10**6]))
        return [definition.series for definition in taken.definitions]

    series = Series.of("cpu", {"host": "a"})
    for host in ("a", *map(str, range(20))):
        assert not definitions(BEGIN_MS + 1, host)
    assert series.fingerprint not in intake._undefined
    assert definitions(BEGIN_MS, "a") == [series]


def test_the_flood_of_letters_of_refused_series_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(intake_module, "elapsed_ns", lambda: 5 * SECOND_NS)
    flow = Fed(tmp_path, attack=explosion).flow
    assert 0 < len(flow.dead_letters) <= 30
    suppressed = flow.counts["suppressed_letters"]
    assert len(flow.dead_letters) + suppressed == flow.counts["limit_rows"]


def test_refused_series_are_counted_and_said(tmp_path):
    telemetry = Telemetry("0")
    observer = Observer(telemetry)
    flow = DirectFlow(plan_of(tmp_path, RULES, config=CONFIG.replace("shards: 3", "shards: 1")))
    intake = Intake(
        PartitionClock(LATENESS_NS), max_ahead_ns=0, detectors_of=lambda _: 0,
        rate=DeadLetterRate(0),
    )  # fmt: skip
    series = [Series.of("cpu", {"host": str(host)}) for host in range(SERIES_LIMIT + 50)]
    columns = Columns(
        np.array([item.fingerprint for item in series], np.uint64),
        np.full(len(series), BEGIN_MS * 10**6),
        np.ones(len(series)),
        np.zeros(len(series), np.uint8),
    )
    taken = intake.take(columns, series)
    (shard,) = flow.shards
    batch = Batch(Progress(0, 0, 0), taken.columns, taken.definitions, taken.population)
    with capture_logs() as logs:
        observer.shard(shard, shard.handle(split(batch, 1)))
    assert observer.dead_letters() == {"limit": 50}
    assert _value(telemetry, "streamgauge_dead_letters_suppressed_total") == 20
    assert [line["event"] for line in logs] == [
        "more series than limits.series: the newest are refused"
    ]


def _value(telemetry, name, **labels):
    return telemetry.registry.get_sample_value(name, labels) or 0


@pytest.mark.parametrize("bad", [REJECTS_MAX, REJECTS_MAX + 1])
def test_a_message_with_very_many_bad_rows_is_one_dead_letter(bad):
    codec = InfluxCodec(limits=Limits(), timestamp_unit="ns")
    good = b"cpu value=1 1700000000000000000"
    messages = [good, b"\n".join([good, *[b"cpu value=? 1"] * bad]), good]
    decoded = codec.decode(messages)
    naive = read_all(codec.read, messages)
    assert decoded.rejects == naive.rejects
    assert decoded.message.tolist() == naive.message.tolist()
    if bad <= REJECTS_MAX:
        assert decoded.message.tolist() == [0, 1, 2]
        assert len(decoded.rejects) == bad
    else:
        assert decoded.message.tolist() == [0, 2]
        (reject,) = decoded.rejects
        assert (reject.message, reject.reason, reject.row) == (1, "limit", None)


class Reading:
    """A reader of partition 0 of a topic of the mock cluster, polled by the test."""

    def __init__(self, brokers, topic, *, letters_per_second=1000, **rules):
        self.telemetry = Telemetry("0")
        settings = KafkaSource(brokers=brokers, topic=topic, start=Start("earliest"))
        rate = DeadLetterRate(
            letters_per_second, on_suppressed=self.telemetry.dead_letters_suppressed.inc
        )
        clock = PartitionClock(LATENESS_NS)
        codec = SievedCodec(
            lambda: NativeJsonCodec(limits=Limits(max_message_bytes=2000)),
            Sieve(Source(**rules), entries_max=100),
        )
        self.reader = KafkaReader(
            KafkaPartition(settings, 0, 0),
            codec=codec,
            intake=Intake(clock, max_ahead_ns=10**18, detectors_of=lambda _: 0, rate=rate),
            skew=Skew(10**18, buffered_rows=lambda: 0, buffered_rows_max=10**9),
            epochs=Epochs(None),
            idle=IdleAdvances(10**18, state=None, given=lambda *_: None),
            batch_rows=100_000,
            batch_age_ns=1,
            stopping=lambda: False,
            telemetry=self.telemetry,
            resume=None,
            resume_from=None,
        )
        self.values, self.letters = [], []

    def read(self, messages):
        self.reader.snapshot()
        until_s = time.monotonic() + PATIENCE_S
        while self.value("messages_in", source="t") < messages and time.monotonic() < until_s:
            polled = self.reader.poll()
            if polled.batch is not None:
                self.values += polled.batch.columns.value.tolist()
            self.letters += polled.dead_letters
        self.reader.close()
        return self

    def value(self, name, **labels):
        return _value(self.telemetry, f"streamgauge_{name}_total", **labels)


def send(brokers, values):
    producer = Producer({"bootstrap.servers": brokers, "message.max.bytes": 8_000_000})
    for value in values:
        producer.produce("t", value, partition=0)
    assert producer.flush(PATIENCE_S) == 0


def test_a_giant_message_is_a_dead_letter_that_fits_into_a_record(mock_cluster):
    good = [message(BEGIN_MS + number, "cpu", number) for number in range(3)]
    giant = b"x" * 5_000_000
    send(mock_cluster, [good[0], giant, *good[1:]])
    with capture_logs() as logs:
        reading = Reading(mock_cluster, "t").read(4)
    assert reading.values == [0, 1, 2]
    assert reading.value("dead_letters", reason="too_large") == 1
    assert {"source": "t", "reason": "too_large"}.items() <= logs[0].items()
    (letter,) = reading.letters
    assert (letter.reason, letter.offset) == (Reason.TOO_LARGE, 1)
    record = dead_letter_record(letter, record_bytes_max=1_000_000)
    size = len(record.value) + sum(len(name) + len(text) for name, text in record.headers)
    assert 900_000 < size < 1_000_000
    assert ("x-dlq-truncated-from", b"5000000") in record.headers


def test_a_storm_of_dead_letters_is_cut_off_and_counted(mock_cluster, monkeypatch):
    monkeypatch.setattr(intake_module, "elapsed_ns", lambda: 5 * SECOND_NS)
    bad = 500
    good = [message(BEGIN_MS + number, "cpu", number) for number in range(10)]
    send(mock_cluster, good[:5] + [b"{"] * bad + good[5:])
    reading = Reading(mock_cluster, "t", letters_per_second=7).read(bad + 10)
    assert reading.values == list(range(10))
    assert len(reading.letters) == 7
    assert reading.value("dead_letters", reason="decode_error") == bad
    assert reading.value("dead_letters_suppressed") == bad - 7


def test_rows_that_the_policy_drops_are_counted(mock_cluster):
    rows = [1.0, "NaN", 2.0, "+Inf", "NaN"]
    send(mock_cluster, [message(BEGIN_MS + step, "cpu", row) for step, row in enumerate(rows)])
    reading = Reading(mock_cluster, "t", nan="drop", infinity="drop").read(5)
    assert reading.values == [1.0, 2.0]
    assert reading.value("rows_dropped", key="nan") == 2
    assert reading.value("rows_dropped", key="infinity") == 1
    assert not reading.letters
