"""How we talk to Kafka as a reader: client settings, topics, where to begin."""

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import KafkaError as Code
from confluent_kafka import TopicPartition as Position

from engine.clock import elapsed_ns, now_ns, sleep
from engine.config.connections import KafkaSource
from engine.config.durations import MILLISECOND_NS, SECOND_NS
from engine.errors import SourceError, UsageError
from engine.sources.confluent_client import ConfluentClient
from engine.sources.librdkafka import NativeClient, library
from engine.sources.records import RecordClient

_REQUEST_TIMEOUT_S = 5.0
_LEADER_WAIT_S = 0.1
_NO_LEADER_YET = frozenset(
    {Code.NOT_LEADER_FOR_PARTITION, Code.LEADER_NOT_AVAILABLE, Code.UNKNOWN_TOPIC_OR_PART}
)
_QUEUE_KBYTES = 32_768

_OURS: Mapping[str, Any] = {
    # Offsets are committed for lag tools alone; where to go on from stands in our own state.
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # A stored offset that is gone is an error, not a jump to the end.
    "auto.offset.reset": "error",
    # The end of a partition must be known: silence there is not lag.
    "enable.partition.eof": True,
}
_DEFAULTS: Mapping[str, Any] = {
    "queued.max.messages.kbytes": _QUEUE_KBYTES,
    "queued.min.messages": 100_000,
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 50,
    "fetch.error.backoff.ms": 100,
    "reconnect.backoff.max.ms": 5_000,
    # Lost connections are counted and retried; the client's own log would say each on stderr.
    "log_level": 2,
}


def consumer_settings(settings: KafkaSource) -> dict[str, Any]:
    """Settings for librdkafka's consumer.

    Raises
    ------
    UsageError
        If the configuration sets one that streamgauge relies on.
    """
    taken = sorted(set(settings.properties) & {*_OURS, "bootstrap.servers", "group.id"})
    if taken:
        raise UsageError(f"sources[].kafka.properties can't set {', '.join(taken)}")
    return {
        **_DEFAULTS,
        **settings.properties,
        **_OURS,
        "bootstrap.servers": settings.brokers,
        "group.id": settings.group,
    }


def open_client(
    settings: KafkaSource, partition: int, offset: int, *, headers: bool = False
) -> RecordClient:
    """Read a partition from an offset on, in the fastest way that there is.

    With `headers`, records have theirs.

    Raises
    ------
    SourceError
        If the client does not take the settings.
    """
    functions = library()
    place = consumer_settings(settings), settings.topic, partition, offset
    if functions is None:
        return ConfluentClient(*place, headers=headers)
    return NativeClient(functions, *place, headers=headers)


def partitions_of(settings: KafkaSource) -> list[int]:
    """Ask the broker for a topic's partitions.

    Raises
    ------
    ConnectionError
        If no broker answers.
    SourceError
        If the topic isn't there; the message names those that are.
    """
    consumer = Consumer(consumer_settings(settings))
    try:
        metadata = consumer.list_topics(timeout=_REQUEST_TIMEOUT_S)
    except KafkaException as error:
        reason = error.args[0].str()
        raise ConnectionError(f"{settings.brokers} can't be reached: {reason}") from error
    finally:
        consumer.close()
    topic = metadata.topics.get(settings.topic)
    if topic is None or topic.error is not None:
        names = sorted(name for name in metadata.topics if not name.startswith("__"))
        there = ", ".join(names[:20]) or "none"
        raise SourceError(f"topic {settings.topic} isn't on {settings.brokers}; there are: {there}")
    return sorted(topic.partitions)


def offsets_of(consumer: Consumer, place: Position) -> tuple[int, int]:
    """First and next offset of a partition; a leader that is being elected is waited for.

    Raises
    ------
    KafkaException
        If the broker doesn't say.
    """
    until_ns = elapsed_ns() + int(_REQUEST_TIMEOUT_S * SECOND_NS)
    while True:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=_REQUEST_TIMEOUT_S)
            return int(low), int(high)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or elapsed_ns() > until_ns:
                raise
            sleep(_LEADER_WAIT_S)


def start_offset(consumer: Consumer, settings: KafkaSource, partition: int) -> int:
    """Offset to begin with where no state says otherwise.

    Raises
    ------
    SourceError
        If the broker doesn't say.
    """
    place = Position(settings.topic, partition)
    try:
        low, high = offsets_of(consumer, place)
        if settings.start.kind == "earliest":
            return low
        if settings.start.kind == "latest":
            return high
        ts = settings.start.ns if settings.start.kind == "time" else now_ns() - settings.start.ns
        place.offset = ts // MILLISECOND_NS
        found = consumer.offsets_for_times([place], timeout=_REQUEST_TIMEOUT_S)[0].offset
    except KafkaException as error:
        raise SourceError(
            f"{settings.brokers} doesn't say where {settings.topic}/{partition} begins: "
            f"{error.args[0].str()}"
        ) from error
    return int(found) if found >= 0 else high


def resume_offset(
    consumer: Consumer,
    settings: KafkaSource,
    partition: int,
    offset: int,
    warn: Callable[[str], None],
) -> int:
    """Check a stored offset against what the topic still holds.

    Raises
    ------
    SourceError
        If it is gone and the configuration does not say what to do then.
    """
    place = Position(settings.topic, partition)
    try:
        low, high = offsets_of(consumer, place)
    except KafkaException as error:
        raise SourceError(
            f"{settings.brokers} doesn't answer for {settings.topic}/{partition}: "
            f"{error.args[0].str()}"
        ) from error
    if low <= offset <= high:
        return offset
    where = f"stored offset {offset} of {settings.topic}/{partition} is not in {low}..{high}"
    if settings.on_stale_offset == "error":
        raise SourceError(
            f"{where}; set sources[].kafka.on_stale_offset to earliest or latest to accept the gap"
        )
    warn(f"{where}; going on from the {settings.on_stale_offset} one")
    return low if settings.on_stale_offset == "earliest" else high
