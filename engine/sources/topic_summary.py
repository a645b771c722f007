"""What a topic holds, at a look: for the configuration that `streamgauge init` proposes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, Message
from confluent_kafka import KafkaError as Code
from confluent_kafka import TopicPartition as Position
from msgspec.structs import replace
from numpy.typing import NDArray

from engine.clock import elapsed_ns
from engine.codecs.cloud_events import Record
from engine.codecs.formats import FORMATS, limits_of, make_codec
from engine.codecs.recognise import recognise
from engine.config.connections import KafkaSource
from engine.config.durations import MILLISECOND_NS, SECOND_NS
from engine.config.schema import LimitsConfig
from engine.errors import SourceError
from engine.series.columns import Columns
from engine.sources.document_topic import TopicDocuments, look_at_records
from engine.sources.kafka_client import consumer_settings, offsets_of, partitions_of

MESSAGES_MAX = 2_000
TIMEOUT_NS = 5 * SECOND_NS
_REQUEST_TIMEOUT_S = 5.0
_POLL_S = 0.2
_RECOGNISED_FROM = 100  # messages; each is tried in every format


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSummary:
    """A look at the newest messages of a topic.

    Attributes
    ----------
    partitions, messages : int
        Partitions that there are; messages that were read.
    format : str
        What the messages are in, as `KafkaSource.format` names it; ``json`` if it is none of them.
    keyed : bool
        Whether all messages have a key, so that a series stays in one partition.
    documents : TopicDocuments or None
        What they hold where that is predictions, labels or LLM calls; what follows is none then.
    metrics : tuple of str
        Metric names, sorted.
    series, samples, rejects : int
        What the messages held; rejects are messages and rows that can't be used.
    first_reject : str
        What is wrong with the first of them; empty without any.
    interval_ns : int or None
        Usual distance of samples in a series; None if no series has two.
    wild : int
        Samples with timestamps too far ahead of their records', which a run leaves out.
    out_of_order_ns : dict of int to int
        How far rows lie behind earlier rows of their partition at most, by partition; wild ones
        are left out.
    """

    partitions: int
    messages: int
    format: str
    keyed: bool
    documents: TopicDocuments | None = None
    metrics: tuple[str, ...] = ()
    series: int = 0
    samples: int = 0
    rejects: int = 0
    first_reject: str = ""
    interval_ns: int | None = None
    wild: int = 0
    out_of_order_ns: dict[int, int] = field(default_factory=dict)


def look_at_topic(
    settings: KafkaSource,
    *,
    max_ahead_ns: int,
    messages_max: int = MESSAGES_MAX,
    timeout_ns: int = TIMEOUT_NS,
) -> TopicSummary:
    """Summarise the newest messages of a topic, in the format that they are seen to be in.

    Where most are in no format of metrics, they are tried as predictions, labels and LLM calls.

    Parameters
    ----------
    settings : KafkaSource
        Where the topic is; its `start` and `format` do not matter.
    max_ahead_ns : int
        A sample further ahead of its record's timestamp is wild.
    messages_max : int
        Messages to look at, shared evenly by the partitions.
    timeout_ns : int
        How long to read.

    Raises
    ------
    ConnectionError
        If no broker answers.
    SourceError
        If the topic isn't there or can't be read.
    """
    partitions = partitions_of(settings)
    messages = _newest(settings, partitions, messages_max, timeout_ns)
    # Offset order is the order of each log; consumers give partitions by turns.
    messages.sort(key=lambda message: (message.partition() or 0, message.offset() or 0))
    keyed = bool(messages) and all(message.key() is not None for message in messages)
    payloads = [message.value() or b"" for message in messages]
    seen_format = _recognised(settings, payloads)
    documents = None if seen_format else _documents(settings.topic, messages, max_ahead_ns)
    if documents is not None:
        return TopicSummary(
            partitions=len(partitions),
            messages=len(messages),
            format=documents.form.format,
            keyed=keyed,
            documents=documents,
        )
    seen_format = seen_format or "json"
    codec = make_codec(replace(settings, format=seen_format), LimitsConfig())
    decoded = codec.decode(payloads)
    wild = decoded.columns.ts > _latest_ns(messages, max_ahead_ns)[decoded.message]
    columns = decoded.columns.take(~wild)
    partition = np.array([message.partition() for message in messages], np.int64)
    of_row = partition[decoded.message[~wild]]
    return TopicSummary(
        partitions=len(partitions),
        messages=len(messages),
        format=seen_format,
        keyed=keyed,
        metrics=tuple(sorted({series.name for series in decoded.new_series})),
        series=len(decoded.new_series),
        samples=len(decoded.columns),
        rejects=len(decoded.rejects),
        first_reject=decoded.rejects[0].detail if decoded.rejects else "",
        interval_ns=_usual_interval_ns(columns),
        wild=int(wild.sum()),
        out_of_order_ns={
            int(one): _out_of_order_ns(columns.ts[of_row == one]) for one in np.unique(of_row)
        },
    )


def _recognised(settings: KafkaSource, payloads: list[bytes]) -> str | None:
    """Name the format of metrics that messages are in, looking at some from all over them."""
    limits = limits_of(LimitsConfig())
    readers = {name: make(settings, limits).read for name, make in FORMATS.items()}
    return recognise(payloads[:: _step(payloads)], readers)


def _documents(topic: str, messages: list[Message], max_ahead_ns: int) -> TopicDocuments | None:
    """Look at messages as predictions, labels or LLM calls; None if they are none."""
    records: dict[int, list[Record]] = {}
    for message in messages:
        kind, stamp = message.timestamp()
        ts = None if kind == TIMESTAMP_NOT_AVAILABLE else stamp * MILLISECOND_NS
        headers: Any = message.headers()  # pairs; a dictionary is for producers
        record = Record(message.value() or b"", headers or (), ts)
        records.setdefault(message.partition() or 0, []).append(record)
    every = [record for _, some in sorted(records.items()) for record in some]
    return look_at_records(
        records,
        every[:: _step(every)],
        topic=topic,
        max_ahead_ns=max_ahead_ns,
        limits=limits_of(LimitsConfig()),
    )


def _step(messages: Sequence[object]) -> int:
    return max(1, len(messages) // _RECOGNISED_FROM)


def _newest(
    settings: KafkaSource, partitions: list[int], messages_max: int, timeout_ns: int
) -> list[Message]:
    """Read the last messages of each partition, up to its end or until time is up."""
    share = max(1, messages_max // len(partitions))
    consumer = Consumer(consumer_settings(settings))
    until_ns = elapsed_ns() + timeout_ns
    messages: list[Message] = []
    ended: set[int] = set()
    try:
        places = []
        for partition in partitions:
            place = Position(settings.topic, partition)
            low, high = offsets_of(consumer, place)
            place.offset = max(low, high - share)
            places.append(place)
        consumer.assign(places)
        while len(ended) < len(partitions) and elapsed_ns() < until_ns:
            if len(messages) >= messages_max:
                break
            for message in consumer.consume(messages_max - len(messages), _POLL_S):
                error = message.error()
                if error is None:
                    messages.append(message)
                elif error.code() == Code._PARTITION_EOF:  # noqa: SLF001
                    ended.add(message.partition() or 0)
                elif error.fatal() or error.code() == Code.TOPIC_AUTHORIZATION_FAILED:
                    raise SourceError(f"{settings.topic} can't be read: {error.str()}")
    except KafkaException as error:
        raise SourceError(f"{settings.topic} can't be read: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return messages


def _latest_ns(messages: list[Message], max_ahead_ns: int) -> NDArray[np.int64]:
    """For each message the latest timestamp that its samples may have."""
    stamps = [message.timestamp() for message in messages]
    return np.array(
        [
            np.iinfo(np.int64).max
            if kind == TIMESTAMP_NOT_AVAILABLE
            else stamp * MILLISECOND_NS + max_ahead_ns
            for kind, stamp in stamps
        ],
        np.int64,
    )


def _out_of_order_ns(ts: NDArray[np.int64]) -> int:
    return int((np.maximum.accumulate(ts) - ts).max())


def _usual_interval_ns(columns: Columns) -> int | None:
    """Median over all distances of a series' samples; None without two in a series."""
    order = np.lexsort((columns.ts, columns.fingerprint))
    distances = np.diff(columns.ts[order])[np.diff(columns.fingerprint[order]) == 0]
    distances = distances[distances > 0]
    return int(np.median(distances)) if len(distances) else None
