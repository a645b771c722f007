"""Kafka lanes and heartbeats without a real Kafka.

Aim: nothing is lost in silence. Method: librdkafka's mock cluster, and an address without broker.
"""

import json

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from structlog.testing import capture_logs

from engine.config.connections import KafkaSink
from engine.errors import SinkError, UsageError
from engine.events import DeadLetter, Reason, ScoreBlock
from engine.series.blocks import CheckpointId
from engine.series.identity import Series
from engine.sinks import producer, status
from engine.sinks.kafka import KafkaLanes
from engine.sinks.producer import CheckedProducer
from engine.sinks.status import StatusWriter
from engine.sinks.topics import CLEANUP, ensure_topics

TIMEOUT_S = 30
NOBODY = "127.0.0.1:1"
IMPATIENT = {"message.timeout.ms": "300"}
PARTITIONS = 4  # of the mock cluster's topics


def never(captured):
    return None


def lane(brokers, name="dead_letters", **properties):
    sink = KafkaSink(brokers=brokers, prefix="p", properties=properties)
    return KafkaLanes(sink).make_lane(name, None, never)


def letter(number, value=b"x"):
    return DeadLetter("metrics", 0, number, Reason.LATE, "why", b"%d" % number, value, 0)


def read(brokers, topic, count):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "unused"})
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        messages = []
        while len(messages) < count:
            messages += consumer.consume(count - len(messages), TIMEOUT_S)
    finally:
        consumer.close()
    assert [message.error() for message in messages] == [None] * count
    return messages


def test_what_is_written_is_there_after_a_snapshot(mock_cluster):
    letters = lane(mock_cluster)
    letters.write([letter(number) for number in range(100)])
    letters.mark(CheckpointId(1, 1))
    assert letters.snapshot() is None
    found = read(mock_cluster, "p.dead_letters", 100)
    assert sorted(int(message.key()) for message in found) == list(range(100))
    letters.close()


def test_what_is_written_is_there_after_closing(mock_cluster):
    rows = 1000
    series = Series.of("cpu", {"host": "a"})
    columns = [np.arange(rows) / 7] * 6
    index, ts = np.zeros(rows, np.int64), np.arange(rows) * 1_000_000 + 10**18
    scores = lane(mock_cluster, "scores")
    scores.write([ScoreBlock("default", [series], index, ts, *columns)])
    scores.close()

    found = read(mock_cluster, "p.scores", rows)

    assert {message.key() for message in found} == {f"{series.fingerprint:016x}".encode()}
    assert [message.timestamp()[1] for message in found] == (ts // 1_000_000).tolist()  # in order
    assert [json.loads(message.value())["value"] for message in found] == columns[0].tolist()


def test_a_full_queue_holds_the_writer_back(mock_cluster):
    letters = lane(mock_cluster, **{"queue.buffering.max.messages": "10"})
    letters.write([letter(number) for number in range(500)])
    letters.close()
    assert len(read(mock_cluster, "p.dead_letters", 500)) == 500


def test_a_letter_larger_than_a_record_may_be_is_sent_cut(mock_cluster):
    letters = lane(mock_cluster)
    letters.write([letter(1, bytes(5_000_000))])
    letters.close()
    (message,) = read(mock_cluster, "p.dead_letters", 1)
    assert 900_000 < len(message.value()) < 1_000_000
    assert ("x-dlq-truncated-from", b"5000000") in message.headers()


@pytest.mark.parametrize("finish", ["snapshot", "close"])
def test_an_unreachable_broker_is_never_a_normal_end(finish):
    letters = lane(NOBODY, **IMPATIENT)
    letters.write([letter(1)])
    message = rf"topic p\.dead_letters: 1 records not delivered: .*timed out; brokers are {NOBODY}"
    with pytest.raises(SinkError, match=message):
        getattr(letters, finish)()
    with pytest.raises(SinkError, match="not delivered"):
        letters.close()


def test_a_failed_delivery_stops_later_writes():
    letters = lane(NOBODY, **IMPATIENT, **{"queue.buffering.max.messages": "1"})
    with pytest.raises(SinkError, match="1 records not delivered"):
        letters.write([letter(1), letter(2)])  # the second waits for room
    with pytest.raises(SinkError, match="1 records not delivered"):
        letters.write([letter(3)])


def test_waiting_for_deliveries_has_an_end(monkeypatch):
    """Even if the client never says that it gave a record up."""
    monkeypatch.setattr(producer, "_WAITS_BEYOND_TIMEOUT", 0)
    monkeypatch.setattr(producer, "_WAIT_S", 0.1)
    sink = KafkaSink(brokers=NOBODY, prefix="p", properties={"message.timeout.ms": "60000"})
    checked = CheckedProducer(sink, "p.t", linger_ms=0)
    checked._timeout_ms = 300
    checked.send([producer.Record(None, b"x", 0, [])])
    with pytest.raises(SinkError, match=r"topic p\.t: 1 records not delivered within 300 ms"):
        checked.flush()
    checked._producer.purge()


def test_every_output_with_a_lane_has_a_topic_and_an_encoder():
    for name in KafkaLanes.lanes:
        assert name in CLEANUP
        lane(NOBODY, name).close()
    with pytest.raises(KeyError):
        lane(NOBODY, "status")
    assert CLEANUP["drift"] == {"delete"}


def test_a_record_that_the_client_refuses_is_an_error(mock_cluster):
    checked = CheckedProducer(KafkaSink(brokers=mock_cluster), "t", linger_ms=0)
    with pytest.raises(SinkError, match=r"topic t: .*too large"):
        checked.send([producer.Record(None, bytes(2_000_000), 0, [])])


@pytest.mark.parametrize(
    "name", ["bootstrap.servers", "enable.idempotence", "acks", "transactional.id", "on_delivery"]
)
def test_properties_that_delivery_rests_on_are_refused(name):
    with pytest.raises(UsageError, match=rf"can't be set here: {name} \("):
        lane(NOBODY, **{name: "1"})


@pytest.mark.parametrize("make", [lane, lambda *_, **given: status_writer(**given)])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("no.such.property", "1", "No such configuration property"),
        ("linger.ms", "soon", "Invalid value for configuration property"),
    ],
)
def test_properties_that_the_client_does_not_take_are_refused(name, value, message, make):
    with pytest.raises(UsageError, match=rf"sinks\.kafka\.properties: .*{message}"):
        make(NOBODY, **{name: value})


@pytest.mark.parametrize("name", ["message.timeout.ms", "delivery.timeout.ms", "message.max.bytes"])
@pytest.mark.parametrize("value", ["0", "much", "-1"])
def test_limits_must_be_limits(name, value):
    with pytest.raises(UsageError, match=f"{name} must be a whole number above 0"):
        lane(NOBODY, **{name: value})


@pytest.mark.parametrize(
    "properties",
    [
        {"linger.ms": "50", "compression.type": "zstd"},
        {"queue.buffering.max.ms": "50", "compression.codec": "none"},  # the same by other names
        {"delivery.timeout.ms": "20000"},
    ],
)
def test_preferences_can_be_set_otherwise(mock_cluster, properties):
    letters = lane(mock_cluster, **properties)
    letters.write([letter(1)])
    letters.close()
    assert len(read(mock_cluster, "p.dead_letters", 1)) == 1


def status_writer(brokers=NOBODY, **properties):
    return StatusWriter(KafkaSink(brokers=brokers, prefix="p", properties=properties))


def test_a_heartbeat_is_keyed_by_worker(mock_cluster):
    writer = status_writer(mock_cluster)
    writer.write("worker-0", {"watermark": "2026-01-01T00:00:00Z", "lag": 0})
    writer.close()
    (message,) = read(mock_cluster, "p.status", 1)
    assert message.key() == b"worker-0"
    assert json.loads(message.value()) == {"watermark": "2026-01-01T00:00:00Z", "lag": 0}
    assert message.headers() == [("content-type", b"application/json")]


def test_a_missed_heartbeat_is_logged_and_not_raised():
    with capture_logs() as logs:
        writer = status_writer(**IMPATIENT)
        writer.write("worker-0", {})
        writer.close()
    assert [(entry["event"], entry["topic"]) for entry in logs] == [
        ("heartbeat missed", "p.status")
    ]
    assert "timed out" in logs[0]["reason"]


def test_heartbeats_that_find_no_room_or_time_are_logged(monkeypatch):
    monkeypatch.setattr(status, "CLOSE_TIMEOUT_S", 0)
    with capture_logs() as logs:
        writer = status_writer(**{"queue.buffering.max.messages": "1"})
        writer.write("worker-0", {})
        writer.write("worker-0", {})
        writer.close()
    assert ["Queue full" in logs[0]["reason"], logs[1]["reason"]] == [
        True,
        "1 not delivered at the end",
    ]
    writer._producer.purge()


def test_topics_of_an_unreachable_kafka():
    with pytest.raises(SinkError, match=rf"Kafka at {NOBODY}: can't list topics: "):
        ensure_topics(KafkaSink(brokers=NOBODY), timeout_s=0.3)


def test_topics_that_the_brokers_do_not_make(mock_cluster):
    message = rf"Kafka at {mock_cluster}: can't make topic streamgauge\.alerts: "
    with pytest.raises(SinkError, match=message):
        ensure_topics(KafkaSink(brokers=mock_cluster), timeout_s=0.5)


def test_topics_that_cannot_be_looked_at(mock_cluster):
    client = Producer({"bootstrap.servers": mock_cluster})
    for output in CLEANUP:
        client.produce(f"streamgauge.{output}", b"x")
    assert client.flush(TIMEOUT_S) == 0
    message = rf"Kafka at {mock_cluster}: can't look at topic streamgauge\.alerts: "
    with pytest.raises(SinkError, match=message):
        ensure_topics(KafkaSink(brokers=mock_cluster), timeout_s=0.5)
