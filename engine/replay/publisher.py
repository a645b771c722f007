"""Sends a recording's samples to a Kafka topic, as native JSON messages that end now."""

from collections.abc import Callable

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs export too little
    AdminClient,
    NewTopic,
)

from engine.clock import now_ns
from engine.errors import SinkError
from engine.events import native_row
from engine.series.identity import Series
from engine.sources.recording_files import Recording, RecordingPartition

_BLOCK_ROWS = 4096
_MILLISECOND_NS = 1_000_000
_MINUTE_NS = 60_000_000_000
_TIMEOUT_S = 30.0
_KNOWN = "TOPIC_ALREADY_EXISTS"


def publish(
    recording: Recording,
    brokers: str,
    topic: str,
    *,
    on_progress: Callable[[int], None],
) -> int:
    """Send all samples, each file to a partition of its own; gives their number.

    The topic is made if it is missing. Times are moved by whole minutes, so that the last sample
    is the newest that is not ahead of now.

    Raises
    ------
    SinkError
        The broker can't be reached or does not take them.
    """
    _make_topic(brokers, topic, len(recording.partitions))
    end = max(
        int(block.columns.ts.max())
        for partition in recording.partitions
        for block in partition.blocks(_BLOCK_ROWS)
        if len(block.columns)
    )
    shift = (now_ns() - end) // _MINUTE_NS * _MINUTE_NS
    failures: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "linger.ms": 20,
            "enable.idempotence": True,
            "on_delivery": lambda error, _: failures.append(error.str()) if error else None,
        }
    )
    sent = 0
    for number, partition in enumerate(recording.partitions):
        sent += _send(producer, topic, number, partition, shift, on_progress)
    left = producer.flush(_TIMEOUT_S)
    if failures or left:
        why = failures[0] if failures else f"{left} messages are not acknowledged"
        raise SinkError(f"{topic} on {brokers} does not take the samples: {why}")
    return sent


def _make_topic(brokers: str, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": brokers})
    # Samples of the past must not fall to the broker's retention at once.
    new = NewTopic(topic, partitions, 1, config={"retention.ms": "-1"})
    try:
        admin.create_topics([new], request_timeout=_TIMEOUT_S)[topic].result(_TIMEOUT_S)
    except (KafkaException, TimeoutError) as error:
        if _KNOWN not in str(error):
            raise SinkError(f"topic {topic} can't be made on {brokers}: {error}") from error
    held = len(admin.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions)
    if held < partitions:
        raise SinkError(f"topic {topic} has {held} partitions, {partitions} are needed")


def _send(
    producer: Producer,
    topic: str,
    number: int,
    partition: RecordingPartition,
    shift: int,
    on_progress: Callable[[int], None],
) -> int:
    known: dict[int, Series] = {}
    sent = 0
    for block in partition.blocks(_BLOCK_ROWS):
        known |= {series.fingerprint: series for series in block.new_series}
        columns = block.columns
        for fingerprint, ts, value in zip(
            columns.fingerprint.tolist(),
            (columns.ts + shift).tolist(),
            columns.value.tolist(),
            strict=True,
        ):
            while True:
                try:
                    producer.produce(
                        topic,
                        native_row(known[fingerprint], ts, value),
                        partition=number,
                        timestamp=ts // _MILLISECOND_NS,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
        sent += len(columns)
        on_progress(len(columns))
    return sent
