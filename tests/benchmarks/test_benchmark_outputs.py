"""Comparison of what two runs said."""

from collections import Counter

import pytest
from benchmark_modules import benchmark_module

outputs = benchmark_module("outputs")


def said(number, *, value=b"{}", output="alerts"):
    return outputs.Said(output, number, b"key", b"id%d" % number, value)


def test_order_does_not_matter():
    one, two = said(1), said(2)
    assert outputs.difference(Counter([one, two]), Counter([two, one])) == ""


def test_a_record_that_is_said_twice_differs():
    how = outputs.difference(Counter([said(1)]), Counter([said(1), said(1)]))
    assert how.startswith("1 alerts differ (0 missing, 1 more)")


def test_another_value_under_the_same_id_differs():
    how = outputs.difference(
        Counter([said(1, output="scores")]), Counter([said(1, output="scores", value=b"[]")])
    )
    assert how.startswith("2 scores differ (1 missing, 1 more)")


@pytest.mark.kafka
def test_records_are_read_from_topics_up_to_a_time(kafka_brokers, kafka_topic):
    from confluent_kafka import Producer

    topic = kafka_topic(partitions=2)
    producer = Producer({"bootstrap.servers": kafka_brokers})
    for at_ms in (1_000, 2_000, 3_000):
        producer.produce(topic, b"{}", b"key", timestamp=at_ms, headers=[("ce_id", b"%d" % at_ms)])
    producer.produce(topic, None, b"key", timestamp=2_500)
    producer.flush()
    found = outputs.said_in(kafka_brokers, topic, output="alerts", until_ms=2_500)
    assert found == Counter(
        [
            outputs.Said("alerts", 1_000, b"key", b"1000", b"{}"),
            outputs.Said("alerts", 2_000, b"key", b"2000", b"{}"),
            outputs.Said("alerts", 2_500, b"key", b"", b""),
        ]
    )
