"""Rows of the demo's models on a real Kafka: moved in time, all of them, and readable."""

import uuid

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from engine.clock import now_ns
from engine.replay.publisher import publish_rows
from engine.replay.topic_writer import TopicWriter

pytestmark = pytest.mark.kafka

TIMEOUT_S = 30
MINUTE_MS = 60_000
ROWS = [(1_760_000_000_000 + 500 * number, {"model": "m", "n": number}) for number in range(9000)]


@pytest.fixture
def topic(kafka_brokers):
    name = f"test-{uuid.uuid4().hex}"
    yield name
    admin = AdminClient({"bootstrap.servers": kafka_brokers})
    admin.delete_topics([name])[name].result(TIMEOUT_S)


def messages(brokers, topic, count):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": topic})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = []
        while len(found) < count:
            found += consumer.consume(count - len(found), TIMEOUT_S)
        return found
    finally:
        consumer.close()


def test_rows_are_sent_in_order_and_end_now(kafka_brokers, topic):
    told = []
    assert publish_rows({topic: ROWS}, kafka_brokers, on_progress=told.append) == len(ROWS)
    assert sum(told) == len(ROWS)
    found = messages(kafka_brokers, topic, len(ROWS))
    sent = [msgspec.json.decode(message.value()) for message in found]
    assert [row["n"] for row in sent] == list(range(len(ROWS)))
    shifts = {row["ts"] - ts for row, (ts, _) in zip(sent, ROWS, strict=True)}
    assert len(shifts) == 1
    assert shifts.pop() % MINUTE_MS == 0
    assert [message.timestamp()[1] for message in found] == [row["ts"] for row in sent]
    behind_ms = now_ns() // 1_000_000 - sent[-1]["ts"]
    assert 0 <= behind_ms < MINUTE_MS + TIMEOUT_S * 1000


def test_a_topic_that_is_there_is_filled_further(kafka_brokers, topic):
    for value in (b"1", b"2"):
        writer = TopicWriter(kafka_brokers, topic, 1)
        writer.send(value, 1_760_000_000_000_000_000)
        writer.close()
    assert [message.value() for message in messages(kafka_brokers, topic, 2)] == [b"1", b"2"]
