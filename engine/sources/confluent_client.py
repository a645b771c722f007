"""A partition's records through confluent-kafka: a Python object for each, on any platform."""

from operator import itemgetter
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import KafkaError as Code
from confluent_kafka import TopicPartition as Position

from engine.sources.records import ClientError, Fetched, Headers, records_of


class ConfluentClient:
    """The fallback of `librdkafka.NativeClient`, and what it must equal.

    Parameters
    ----------
    settings : dict
        librdkafka's.
    topic, partition, offset : str, int, int
        Where to read.
    headers : bool
        Whether to read the records' headers.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        topic: str,
        partition: int,
        offset: int,
        *,
        headers: bool = False,
    ) -> None:
        self._headers = headers
        self._topic, self._partition = topic, partition
        self._consumer = Consumer(settings)
        self._consumer.assign([Position(topic, partition, offset)])

    def fetch(self, count: int) -> Fetched:
        """Take over up to so many records and events, without waiting."""
        messages = self._consumer.consume(count, 0)
        told = (is_end(m) for m in reversed(messages) if m.error() is None or is_end(m))
        at_end = next(told, None)
        errors = [
            ClientError(error.code(), error.str(), error.fatal())
            for message in messages
            if (error := message.error()) is not None and not is_end(message)
        ]
        good = [message for message in messages if message.error() is None]
        if not good:
            return Fetched(None, at_end, errors)
        records = records_of(
            list(map(Message.value, good)),
            list(map(Message.key, good)),
            [offset_of(message) for message in good],
            list(map(itemgetter(1), map(Message.timestamp, good))),
            list(map(headers_of, good)) if self._headers else None,
        )
        return Fetched(records, at_end, errors)

    def high(self) -> int:
        """Offset behind the last record, as far as the client has heard; negative if it has not."""
        try:
            place = Position(self._topic, self._partition)
            return int(self._consumer.get_watermark_offsets(place, cached=True)[1])
        except RuntimeError:
            return -1  # closed: the heartbeat may ask while the flow ends

    def commit(self, offset: int, *, wait: bool) -> bool:
        """Tell the broker where we are; whether that was taken."""
        place = Position(self._topic, self._partition, offset)
        try:
            if wait:
                self._consumer.commit(offsets=[place], asynchronous=False)
            else:
                self._consumer.commit(offsets=[place], asynchronous=True)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def is_end(message: Message) -> bool:
    """Whether a message is the event of a partition's end."""
    error = message.error()
    return error is not None and error.code() == Code._PARTITION_EOF  # noqa: SLF001


def offset_of(message: Message) -> int:
    """Offset of a message that was consumed, which always has one."""
    offset = message.offset()
    return -1 if offset is None else offset


def headers_of(message: Message) -> Headers:
    """Headers of a message that was consumed, in their order."""
    given = message.headers() or []
    pairs = given.items() if isinstance(given, dict) else given
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]
