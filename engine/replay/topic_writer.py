"""A Kafka topic that the demo makes and fills."""

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs export too little
    AdminClient,
    NewTopic,
)

from engine.clock import now_ns
from engine.errors import SinkError

_MILLISECOND_NS = 1_000_000
_MINUTE_NS = 60_000_000_000
_TIMEOUT_S = 30.0
_KNOWN = "TOPIC_ALREADY_EXISTS"


def shift_to_now(newest_ns: int) -> int:
    """Give the whole minutes, in nanoseconds, that bring a time up to now, but not ahead of it."""
    return (now_ns() - newest_ns) // _MINUTE_NS * _MINUTE_NS


class TopicWriter:
    """Writes messages; the topic is made if it is missing.

    Parameters
    ----------
    brokers : str
    topic : str
    partitions : int
        It must have at least as many.

    Raises
    ------
    SinkError
        The broker can't be reached, or the topic has too few partitions.
    """

    def __init__(self, brokers: str, topic: str, partitions: int) -> None:
        self._brokers = brokers
        self._topic = topic
        self._make(partitions)
        self._failures: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "linger.ms": 20,
                "enable.idempotence": True,
                "on_delivery": self._delivered,
            }
        )

    def send(self, value: bytes, ts: int, partition: int = 0) -> None:
        """Send a message that is dated `ts`, nanoseconds since the epoch."""
        while True:
            try:
                self._producer.produce(
                    self._topic, value, partition=partition, timestamp=ts // _MILLISECOND_NS
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def poll(self) -> None:
        """Hear of what was delivered."""
        self._producer.poll(0)

    def close(self) -> None:
        """Wait until all is delivered.

        Raises
        ------
        SinkError
            The broker does not take it.
        """
        left = self._producer.flush(_TIMEOUT_S)
        if self._failures or left:
            why = self._failures[0] if self._failures else f"{left} messages are not acknowledged"
            raise SinkError(f"{self._topic} on {self._brokers} does not take the messages: {why}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error:
            self._failures.append(error.str())

    def _make(self, partitions: int) -> None:
        admin = AdminClient({"bootstrap.servers": self._brokers})
        topic = self._topic
        # Samples of the past must not fall to the broker's retention at once.
        new = NewTopic(topic, partitions, 1, config={"retention.ms": "-1"})
        try:
            admin.create_topics([new], request_timeout=_TIMEOUT_S)[topic].result(_TIMEOUT_S)
        except (KafkaException, TimeoutError) as error:
            if _KNOWN not in str(error):
                message = f"topic {topic} can't be made on {self._brokers}: {error}"
                raise SinkError(message) from error
        held = len(admin.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions)
        if held < partitions:
            raise SinkError(f"topic {topic} has {held} partitions, {partitions} are needed")
