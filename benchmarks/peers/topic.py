"""The peers' topic: the load of ``benchmarks/load.py`` with a spike now and then.

The load itself never lies six deviations off, so that alerts could not be compared.
"""

import time

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from load import INTERVAL_MS, PARTITIONS, columns, make_topic, series_texts

GROUP = "streamgauge-peers"
SPIKE_EVERY = 1009
# Far above the noise, yet below the bounds of the twenty rules.
SPIKE = 80.0


def values(rows: int, series: int) -> np.ndarray:
    """Values of all rows, shape (rows,), float64."""
    _, _, value = columns(rows, series, begin_ms=0)
    value[::SPIKE_EVERY] += SPIKE
    return value


def fill(brokers: str, rows: int, series: int) -> str:
    """Give the topic, filled now unless an earlier run has left it there."""
    topic = f"streamgauge-peers-{rows}-{series}"
    held = _records_in(brokers, topic)
    if held == rows:
        return topic
    if held:
        raise SystemExit(f"topic {topic} holds {held:,} rows: an earlier fill broke off; delete it")
    make_topic(brokers, topic, config={"retention.ms": "-1"})
    producer = Producer(
        {"bootstrap.servers": brokers, "linger.ms": 50, "queue.buffering.max.messages": 500_000}
    )
    texts = series_texts(series)
    begin_ms = int(time.time()) * 1000 - rows // series * INTERVAL_MS
    for number, value in enumerate(values(rows, series).tolist()):
        at = begin_ms + number * INTERVAL_MS // series
        message = b'{"ts":%d,%s%.14f}' % (at, texts[number % series], value)
        while True:
            try:
                producer.produce(topic, message, partition=number % PARTITIONS, timestamp=at)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return topic


def _records_in(brokers: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": GROUP})
    try:
        if topic not in consumer.list_topics(timeout=10).topics:
            return 0
        ends = (
            consumer.get_watermark_offsets(TopicPartition(topic, number), 10)
            for number in range(PARTITIONS)
        )
        return sum(high - low for low, high in ends)
    finally:
        consumer.close()
