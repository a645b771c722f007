"""The mock cluster of tests/conftest.py, which needs no broker."""

from confluent_kafka import Consumer, Producer, TopicPartition

TIMEOUT_S = 30


def test_the_mock_cluster_keeps_what_it_is_sent(mock_cluster):
    producer = Producer({"bootstrap.servers": mock_cluster})
    producer.produce("any", b"x", partition=0)
    assert producer.flush(TIMEOUT_S) == 0

    consumer = Consumer({"bootstrap.servers": mock_cluster, "group.id": "unused"})
    try:
        consumer.assign([TopicPartition("any", 0, 0)])
        (message,) = consumer.consume(1, TIMEOUT_S)
    finally:
        consumer.close()

    assert message.value() == b"x"
