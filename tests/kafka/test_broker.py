"""Smoke tests of the broker that the other Kafka tests rely on.

Aim: a failure here is the broker's or its settings', not the engine's.
Method: plain confluent-kafka.
"""

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Position

pytestmark = pytest.mark.kafka

TIMEOUT_S = 30
YEAR_2001_MS = 1_000_000_000_000
YEAR_2100_MS = 4_102_444_800_000


def send(producer, topic, values, *, partition=0, timestamp_ms=YEAR_2001_MS):
    failures = []
    for value in values:
        producer.produce(
            topic,
            value,
            key=b"key",
            partition=partition,
            timestamp=timestamp_ms,
            headers=[("id", b"\x00\xff")],
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    assert producer.flush(TIMEOUT_S) == 0
    assert failures == []


def read(brokers, topic, count, *, partition=0, isolation="read_committed") -> list[Message]:
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "unused", "isolation.level": isolation}
    )
    try:
        consumer.assign([Position(topic, partition, 0)])
        messages = consumer.consume(count, TIMEOUT_S)
    finally:
        consumer.close()
    assert [message.error() for message in messages] == [None] * count
    return messages


def test_what_is_produced_is_consumed_in_order_by_partition(kafka_brokers, kafka_topic):
    topic = kafka_topic(partitions=2)
    producer = Producer({"bootstrap.servers": kafka_brokers, "enable.idempotence": True})
    send(producer, topic, [b"a", b"b"], partition=0)
    send(producer, topic, [b"c"], partition=1)

    first, second = read(kafka_brokers, topic, 2, partition=0)
    (third,) = read(kafka_brokers, topic, 1, partition=1)

    assert [first.value(), second.value(), third.value()] == [b"a", b"b", b"c"]
    assert [first.offset(), second.offset(), third.offset()] == [0, 1, 0]
    assert (first.key(), first.headers()) == (b"key", [("id", b"\x00\xff")])


@pytest.mark.parametrize("timestamp_ms", [YEAR_2001_MS, YEAR_2100_MS])
def test_record_timestamps_far_from_now_are_kept(kafka_brokers, kafka_topic, timestamp_ms):
    topic = kafka_topic()
    send(Producer({"bootstrap.servers": kafka_brokers}), topic, [b"x"], timestamp_ms=timestamp_ms)

    (message,) = read(kafka_brokers, topic, 1)

    assert message.timestamp() == (TIMESTAMP_CREATE_TIME, timestamp_ms)


def test_an_aborted_transaction_is_not_read(kafka_brokers, kafka_topic):
    topic = kafka_topic()
    producer = Producer({"bootstrap.servers": kafka_brokers, "transactional.id": topic})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    send(producer, topic, [b"aborted"])
    producer.abort_transaction(TIMEOUT_S)
    producer.begin_transaction()
    send(producer, topic, [b"committed"])
    producer.commit_transaction(TIMEOUT_S)

    (message,) = read(kafka_brokers, topic, 1)

    assert message.value() == b"committed"


def test_a_newer_producer_fences_the_older_one(kafka_brokers, kafka_topic):
    topic = kafka_topic()
    older, newer = (
        Producer({"bootstrap.servers": kafka_brokers, "transactional.id": topic}) for _ in range(2)
    )
    older.init_transactions(TIMEOUT_S)
    older.begin_transaction()
    newer.init_transactions(TIMEOUT_S)

    older.produce(topic, b"zombie")
    with pytest.raises(KafkaException, match="_FENCED"):
        older.commit_transaction(TIMEOUT_S)


def test_topics_are_not_made_by_accident(kafka_brokers):
    consumer = Consumer({"bootstrap.servers": kafka_brokers, "group.id": "unused"})
    try:
        metadata = consumer.list_topics("never-created", TIMEOUT_S)
    finally:
        consumer.close()

    assert metadata.topics["never-created"].error is not None
