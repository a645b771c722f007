"""The Kafka sink against a real Kafka: topics, headers, tombstones, timestamps.

Aim: what the mock cluster proves nothing about. Method: topics of a unique prefix, read back by a
plain consumer.
"""

import json
import re
import shlex
import uuid
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from engine.config.connections import KafkaSink
from engine.config.durations import DAY_NS
from engine.errors import SinkError
from engine.events import (
    Alert,
    AlertEvent,
    DeadLetter,
    Reason,
    RuleReference,
    ScoreBlock,
    event_id,
)
from engine.series.identity import Series
from engine.sinks import topics
from engine.sinks.kafka import KafkaLanes
from engine.sinks.status import StatusWriter
from engine.sinks.topics import CLEANUP, ensure_topics

pytestmark = pytest.mark.kafka

TIMEOUT_S = 30
FINGERPRINT = "00ff00ff00ff00ff"
TICK_2001_NS = 1_000_000_000 * 10**9


@pytest.fixture
def sink(kafka_brokers):
    settings = KafkaSink(
        brokers=kafka_brokers, prefix=f"test-{uuid.uuid4().hex}", retention_ns=3 * DAY_NS
    )
    yield settings
    admin = AdminClient({"bootstrap.servers": kafka_brokers})
    made = [name for name in admin.list_topics(timeout=TIMEOUT_S).topics if settings.prefix in name]
    if made:
        for deleted in admin.delete_topics(made).values():
            deleted.result(TIMEOUT_S)


def lane(sink, name):
    return KafkaLanes(sink).make_lane(name, None, lambda _: None)


def read(sink, output, count):
    consumer = Consumer({"bootstrap.servers": sink.brokers, "group.id": "unused"})
    try:
        consumer.assign([TopicPartition(f"{sink.prefix}.{output}", 0, 0)])
        messages = consumer.consume(count, TIMEOUT_S)
    finally:
        consumer.close()
    assert [message.error() for message in messages] == [None] * count
    return messages


def config_of(sink, output):
    admin = AdminClient({"bootstrap.servers": sink.brokers})
    resource = ConfigResource(ResourceType.TOPIC, f"{sink.prefix}.{output}")
    return {
        name: entry.value
        for name, entry in admin.describe_configs([resource])[resource].result(TIMEOUT_S).items()
    }


def make_topic(sink, output, **config):
    admin = AdminClient({"bootstrap.servers": sink.brokers})
    name = f"{sink.prefix}.{output}"
    config = {key.replace("_", "."): value for key, value in config.items()}
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(TIMEOUT_S)


def test_missing_topics_are_made_as_they_must_be(sink):
    ensure_topics(sink)
    for output, policies in CLEANUP.items():
        config = config_of(sink, output)
        assert set(config["cleanup.policy"].split(",")) == policies
        assert config["retention.ms"] == str(3 * 24 * 3600 * 1000)
        assert config["message.timestamp.type"] == "CreateTime"
    ensure_topics(sink)  # finds nothing to do and nothing wrong


def test_a_topic_that_another_process_makes_meanwhile_is_fine(sink):
    ensure_topics(sink)
    admin = AdminClient({"bootstrap.servers": sink.brokers})
    assert topics._create(admin, sink, list(CLEANUP), TIMEOUT_S) == set()


def test_topics_that_are_set_up_otherwise_are_reported_all_at_once(sink):
    make_topic(sink, "alerts", cleanup_policy="delete")
    make_topic(sink, "scores", message_timestamp_type="LogAppendTime")
    with pytest.raises(SinkError) as caught:
        ensure_topics(sink)
    text = str(caught.value)
    assert f"topic {sink.prefix}.alerts: cleanup.policy must be compact,delete" in text
    assert f"topic {sink.prefix}.scores: message.timestamp.type must be CreateTime" in text


def test_a_topic_that_was_not_listed_yet_is_checked_too(sink, monkeypatch):
    class Behind(AdminClient):
        def list_topics(self, *_, **__):
            return SimpleNamespace(topics={})

    monkeypatch.setattr(topics, "AdminClient", Behind)
    make_topic(sink, "alerts", cleanup_policy="delete")
    with pytest.raises(SinkError, match=r"\.alerts: cleanup\.policy must be compact,delete"):
        ensure_topics(sink)


def test_a_topic_that_nobody_knows_is_waited_for_and_then_an_error(kafka_brokers):
    admin = AdminClient({"bootstrap.servers": kafka_brokers})
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC"):
        topics._config_of(admin, "never-made.alerts", 0.3)


def test_the_command_in_the_message_mends_the_topic(sink):
    make_topic(sink, "alerts", cleanup_policy="compact")
    with pytest.raises(SinkError) as caught:
        ensure_topics(sink)
    words = shlex.split(str(caught.value).splitlines()[1])
    assert words[:3] == ["kafka-configs.sh", "--bootstrap-server", sink.brokers]
    assert words[words.index("--entity-name") + 1] == f"{sink.prefix}.alerts"
    name, value = re.fullmatch(r"([a-z.]+)=\[?([^\]]*)\]?", words[-1]).groups()

    resource = ConfigResource(ResourceType.TOPIC, f"{sink.prefix}.alerts")
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(entry)
    admin = AdminClient({"bootstrap.servers": sink.brokers})
    admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)

    ensure_topics(sink)


def test_topics_that_cannot_be_made_are_an_error(sink):
    replicated = msgspec.structs.replace(sink, replication_factor=9)
    with pytest.raises(SinkError, match=r"can't make topic .*\.alerts: .*[Rr]eplication factor"):
        ensure_topics(replicated)


def test_alerts_and_their_tombstones(sink):
    event = AlertEvent(
        id="1" * 32,
        fingerprint=FINGERPRINT,
        status="firing",
        labels={"alertname": "A"},
        annotations={},
        startsAt="2001-09-09T01:46:40Z",
        endsAt="2001-09-09T01:50:40Z",
        generatorURL="",
        activeAt="2001-09-09T01:46:40Z",
        evaluatedAt="2001-09-09T01:46:40Z",
        value=1.0,
        rule=RuleReference("rules.yaml", "g", "A"),
        seq=1,
        reason="because",
    )
    ensure_topics(sink)
    alerts = lane(sink, "alerts")
    alerts.write([Alert(FINGERPRINT, TICK_2001_NS, event), Alert(FINGERPRINT, TICK_2001_NS, None)])
    alerts.close()

    said, tombstone = read(sink, "alerts", 2)

    assert said.key() == tombstone.key() == FINGERPRINT.encode()
    assert said.timestamp() == (TIMESTAMP_CREATE_TIME, TICK_2001_NS // 1_000_000)
    assert json.loads(said.value())["labels"] == {"alertname": "A"}
    headers = dict(said.headers())
    assert (headers["ce_id"], headers["ce_subject"]) == (b"1" * 32, FINGERPRINT.encode())
    assert headers["ce_type"] == b"io.streamgauge.alert.firing.v1"
    assert (tombstone.value(), tombstone.headers()) == (None, None)


def test_scores_keep_their_order_and_ids(sink):
    rows = 5000
    series = Series.of("cpu", {"host": "a"})
    ts = TICK_2001_NS + np.arange(rows) * 10**9
    columns = [np.arange(rows) / 7] * 6
    ensure_topics(sink)
    scores = lane(sink, "scores")
    block = ScoreBlock("default", [series], np.zeros(rows, np.int64), ts, *columns)
    scores.write([block])
    scores.snapshot()

    found = read(sink, "scores", rows)

    fingerprint = f"{series.fingerprint:016x}"
    ids = [event_id("score", "default", fingerprint, at).encode() for at in ts.tolist()]
    assert [dict(message.headers())["ce_id"] for message in found] == ids
    scores.close()


def test_dead_letters_of_any_kind(sink):
    letters = [
        DeadLetter("metrics", 3, 17, Reason.DECODE_ERROR, "why", b"\x00", b"\xff", TICK_2001_NS),
        DeadLetter("metrics", 3, 18, Reason.BAD_TIMESTAMP, "ahead", None, b"{}", 2**62),
        DeadLetter("metrics", 3, 19, Reason.TOO_LARGE, "long", None, bytes(3_000_000), 0),
    ]
    ensure_topics(sink)
    dead = lane(sink, "dead_letters")
    dead.write(letters)
    dead.close()

    first, second, third = read(sink, "dead_letters", 3)

    assert (first.key(), first.value()) == (b"\x00", b"\xff")
    assert first.timestamp()[1] == TICK_2001_NS // 1_000_000
    headers = dict(first.headers())
    assert headers["__connect.errors.topic"] == b"metrics"
    assert headers["__connect.errors.offset"] == b"17"
    assert headers["x-dlq-reason"] == b"decode_error"
    assert (second.key(), second.value()) == (None, b"{}")
    assert dict(third.headers())["x-dlq-truncated-from"] == b"3000000"


def test_a_missing_topic_is_an_error(kafka_brokers):
    sink = KafkaSink(
        brokers=kafka_brokers, prefix="never-made", properties={"message.timeout.ms": "2000"}
    )
    alerts = lane(sink, "alerts")
    alerts.write([Alert(FINGERPRINT, TICK_2001_NS, None)])
    with pytest.raises(SinkError, match=r"topic never-made\.alerts: 1 records not delivered: "):
        alerts.snapshot()


def test_heartbeats(sink):
    ensure_topics(sink)
    writer = StatusWriter(sink)
    writer.write("worker-0", {"lag": 0})
    writer.close()
    (message,) = read(sink, "status", 1)
    assert (message.key(), json.loads(message.value())) == (b"worker-0", {"lag": 0})
