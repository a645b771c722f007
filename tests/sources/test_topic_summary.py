"""A look at a topic tells what `init` needs to know.

Method: messages go to the mock cluster, which has 4 partitions for every topic.
"""

import json

import pytest
from confluent_kafka import Producer

from engine.config.connections import KafkaSource
from engine.config.durations import MINUTE_NS, SECOND_NS
from engine.errors import SourceError
from engine.sources.topic_summary import look_at_topic

BASE_MS = 1_760_000_000_000


def send(brokers, messages, *, topic="t"):
    """Send (partition, key, body); records are stamped with the base time."""
    producer = Producer({"bootstrap.servers": brokers})
    for partition, key, body in messages:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        producer.produce(topic, payload, key=key, partition=partition, timestamp=BASE_MS)
    assert producer.flush(30) == 0


def row(at_s, *, name="cpu", host="a"):
    return {"ts": BASE_MS + at_s * 1000, "name": name, "labels": {"host": host}, "value": 1}


def look(brokers, *, topic="t", **options):
    settings = KafkaSource(brokers=brokers, topic=topic)
    return look_at_topic(settings, max_ahead_ns=MINUTE_NS, **options)


def test_series_names_and_intervals(mock_cluster):
    hosts = [(partition, host) for partition, host in ((0, "a"), (1, "b"))]
    send(
        mock_cluster,
        [
            (partition, host.encode(), [row(at, name=name, host=host) for name in ("mem", "cpu")])
            for at in range(0, 50, 10)
            for partition, host in hosts
        ],
    )
    seen = look(mock_cluster)
    assert (seen.partitions, seen.messages, seen.samples, seen.series) == (4, 10, 20, 4)
    assert seen.metrics == ("cpu", "mem")
    assert seen.interval_ns == 10 * SECOND_NS
    assert seen.out_of_order_ns == {0: 0, 1: 0}
    assert (seen.keyed, seen.rejects, seen.first_reject, seen.wild) == (True, 0, "", 0)


def test_the_format_is_recognised(mock_cluster):
    lines = [b"cpu,host=a used=%d,free=1 %d" % (at, (BASE_MS + at) * 10**6) for at in range(9)]
    send(mock_cluster, [(0, None, line) for line in lines], topic="lines")
    seen = look(mock_cluster, topic="lines")
    assert (seen.format, seen.metrics, seen.samples) == ("influx", ("cpu_free", "cpu_used"), 18)
    send(mock_cluster, [(0, None, b"\xff\x00 nothing known")], topic="noise")
    seen = look(mock_cluster, topic="noise")
    assert (seen.format, seen.samples, seen.rejects) == ("json", 0, 1)


def test_disorder_is_that_of_each_partition(mock_cluster):
    at = ((0, 0), (0, 20), (0, 5), (1, 50), (0, 12), (1, 49))
    send(mock_cluster, [(partition, b"k", row(at_s)) for partition, at_s in at])
    assert look(mock_cluster).out_of_order_ns == {0: 15 * SECOND_NS, 1: SECOND_NS}


def test_wild_clocks_are_counted_and_disturb_nothing(mock_cluster):
    send(mock_cluster, [(0, b"k", row(at)) for at in (0, 60, 61, 10_000, 59)])
    seen = look(mock_cluster)
    assert (seen.samples, seen.wild) == (5, 2)
    assert seen.out_of_order_ns == {0: SECOND_NS}


def test_unusable_messages_are_counted_with_the_first_reason(mock_cluster):
    send(mock_cluster, [(0, b"k", b"junk"), (0, b"k", row(0)), (0, b"k", {"name": "x"})])
    seen = look(mock_cluster)
    assert (seen.samples, seen.rejects) == (1, 2)
    assert "JSON" in seen.first_reject


@pytest.mark.parametrize(("keys", "keyed"), [((b"k", b"k"), True), ((b"k", None), False)])
def test_a_topic_is_keyed_if_all_its_messages_are(mock_cluster, keys, keyed):
    send(mock_cluster, [(0, key, row(0)) for key in keys])
    assert look(mock_cluster).keyed is keyed


def test_only_the_newest_messages_are_read(mock_cluster):
    send(mock_cluster, [(at % 4, b"k", row(at - 400)) for at in range(400)])
    seen = look(mock_cluster, messages_max=40)
    assert seen.messages == 40
    assert seen.interval_ns == SECOND_NS  # the last ten of each partition are 40 s in a row


def test_an_interval_needs_two_samples_of_a_series(mock_cluster):
    send(mock_cluster, [(0, b"k", row(0)), (0, b"k", row(5, host="b"))])
    assert look(mock_cluster).interval_ns is None


def test_a_missing_topic_is_an_error(mock_cluster):
    send(mock_cluster, [(0, b"k", row(0))])
    with pytest.raises(SourceError, match=r"topic u isn't on .*; there are: t"):
        look(mock_cluster, topic="u")


@pytest.mark.kafka
def test_an_empty_topic_is_one_without_messages(kafka_brokers, kafka_topic):
    seen = look(kafka_brokers, topic=kafka_topic(partitions=3))
    assert (seen.partitions, seen.messages, seen.series, seen.interval_ns) == (3, 0, 0, None)
    assert (seen.keyed, seen.out_of_order_ns) == (False, {})
