"""Writes what Kafka topics hold as a recording that replays as the live run went.

Rows are taken in the order of each partition's log, after decoding and after the check for wild
clocks. Late rows are among them, since a replay decides lateness anew. The watermark's advances in
silences come from the journal of the run, if one uses the same state folder.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import numpy as np
import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, Message
from confluent_kafka import KafkaError as Code
from confluent_kafka import TopicPartition as Position
from msgspec.structs import replace
from numpy.typing import NDArray

from engine.clock import elapsed_ns, sleep
from engine.codecs.formats import make_codec
from engine.codecs.samples import Codec
from engine.config.connections import DOCUMENT_KINDS, KafkaSource, Source
from engine.config.durations import MILLISECOND_NS, SECOND_NS
from engine.config.scalars import Start
from engine.config.schema import Config
from engine.errors import SourceError, UsageError
from engine.events import Reason
from engine.replay.call_lines import CallLineReader
from engine.replay.document_lines import LineReader, advance_line
from engine.replay.settling import Log, Settling
from engine.series.columns import FLAG_DOCUMENT, Columns
from engine.series.identity import Series
from engine.sinks.line_writer import LineWriter
from engine.sinks.recording_writer import RecordingWriter
from engine.sources.journal import Journal
from engine.sources.kafka_client import consumer_settings, partitions_of, start_offset

_POLL_S = 0.05
_FLUSH_EVERY_NS = 60 * SECOND_NS
_NO_RECORD_TS = np.iinfo(np.int64).max // 2

_ENDING = {
    Code._AUTO_OFFSET_RESET,  # noqa: SLF001
    Code._UNKNOWN_PARTITION,  # noqa: SLF001
    Code.OFFSET_OUT_OF_RANGE,
    Code.UNKNOWN_TOPIC_OR_PART,
    Code.TOPIC_AUTHORIZATION_FAILED,
}

_log = structlog.get_logger()


class RecordSummary(msgspec.Struct, kw_only=True):
    """What was recorded.

    Attributes
    ----------
    partitions : int
        Of all topics.
    messages, samples, series : int
        What was read, and what of it is in the recording.
    rejected : dict of str to int
        What is not: messages and rows by reason, ``bad_timestamp`` for wild clocks, too.
    advances : int
        Advances of the watermark, from the run's journal.
    at_end : bool
        Whether the ends of all partitions were reached.
    """

    partitions: int
    messages: int
    samples: int
    series: int
    rejected: dict[str, int]
    advances: int
    at_end: bool


def record(
    config: Config,
    folder: Path,
    *,
    start: Start | None = None,
    duration_ns: int | None = None,
    until_end: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> RecordSummary:
    """Record the Kafka sources of a configuration.

    Parameters
    ----------
    config : Config
    folder : Path
        For the recording; a file ``<topic>-<partition>.parquet`` for each partition of metrics,
        ``<topic>-<partition>.jsonl`` with native messages for each of predictions, labels or LLM
        calls.
    start : Start or None
        Where to begin, instead of what the sources say.
    duration_ns : int or None
        How long to record; None for no end.
    until_end : bool
        Whether to stop once the end of every partition was reached.
    stopping : callable
        Whether to stop now.
    on_progress : callable
        Told of samples as they are read.

    Raises
    ------
    UsageError
        If there is no Kafka source, a topic stands twice, or the folder holds a recording.
    ConnectionError
        If a broker can't be reached.
    SourceError
        If a topic can't be read; what was read before is in the recording.
    SinkError
        If the folder can't be written.
    """
    sources = _sources(config, start)
    lines = LineWriter(folder, advance_line=advance_line)
    with RecordingWriter(folder) as writer, ExitStack() as opened:
        recorder = _Recorder(config, writer, lines, on_progress)
        consumers = [
            opened.enter_context(_reading(source, kafka, recorder)) for source, kafka in sources
        ]
        begun_ns = flushed_ns = elapsed_ns()
        try:
            while not (stopping() or (until_end and recorder.at_end)):
                now_ns = elapsed_ns()
                if duration_ns is not None and now_ns - begun_ns >= duration_ns:
                    break
                if not recorder.rows.has_room:
                    sleep(_POLL_S)
                else:
                    for consumer in consumers:
                        batch = consumer.consume(config.batch.rows, _POLL_S / len(consumers))
                        recorder.take(batch)
                recorder.rows.settle()
                if now_ns - flushed_ns >= _FLUSH_EVERY_NS:
                    flushed_ns = now_ns
                    writer.flush()
        except SourceError:
            recorder.rows.finish()
            writer.close()
            raise
        recorder.rows.finish()
    return recorder.summary()


class _Recorder:
    """Decodes the messages of all partitions and hands their good rows on."""

    def __init__(
        self,
        config: Config,
        writer: RecordingWriter,
        lines: LineWriter,
        on_progress: Callable[[int], None],
    ) -> None:
        limits = config.limits
        self.rows = Settling(
            Journal(Path(config.state.dir) / "idle.jsonl"),
            wait_ns=2 * config.state.epoch_ns + SECOND_NS,
        )
        self._config = config
        self._writer = writer
        self._lines = lines
        self._readers: dict[str, LineReader | CallLineReader] = {}
        self._on_progress = on_progress
        self._max_ahead_ns = config.time.max_ahead_ns
        self._series_max = limits.series
        self._limits = limits
        self._codecs: dict[str, Codec] = {}
        self._logs: dict[tuple[str, int], Log] = {}
        self._series: set[int] = set()
        self._messages = 0
        self._rejected: dict[str, int] = {}

    @property
    def at_end(self) -> bool:
        """Whether the end of every partition was reached."""
        return all(log.at_end for log in self._logs.values())

    def open(self, source: Source, kafka: KafkaSource, partition: int, offset: int) -> None:
        """Record a partition from `offset` on."""
        is_document = source.kind in DOCUMENT_KINDS
        writer = self._lines if is_document else self._writer
        log = Log(kafka.topic, partition, offset, writer)
        self._logs[kafka.topic, partition] = log
        self.rows.logs.append(log)
        if source.kind == "llm":
            self._readers[log.key] = CallLineReader(self._config, kafka, source.model)
        elif is_document:
            self._readers[log.key] = LineReader(self._config, kafka)
        elif kafka.topic not in self._codecs:
            self._codecs[kafka.topic] = make_codec(kafka, self._limits)

    def take(self, messages: list[Message]) -> None:
        """Take messages and events of one consumer, in the order of each log."""
        by_log: dict[tuple[str, int], list[Message]] = {}
        for message in messages:
            place = str(message.topic()), int(message.partition() or 0)
            error = message.error()
            if error is None:
                by_log.setdefault(place, []).append(message)
            elif error.code() == Code._PARTITION_EOF:  # noqa: SLF001
                self._logs[place].at_end = True
            elif error.fatal() or error.code() in _ENDING:
                raise SourceError(f"{place[0]}/{place[1]} can't be read on: {error.str()}")
            else:
                _log.warning("source error", topic=place[0], error=error.str())
        for place, good in by_log.items():
            log = self._logs[place]
            if log.key in self._readers:
                self._read_lines(log, good)
            else:
                self._decode(log, good)

    def summary(self) -> RecordSummary:
        """Say what was recorded."""
        return RecordSummary(
            partitions=len(self._logs),
            messages=self._messages,
            samples=self.rows.samples,
            series=len(self._series),
            rejected=dict(sorted(self._rejected.items())),
            advances=self.rows.advances,
            at_end=self.at_end,
        )

    def _decode(self, log: Log, messages: list[Message]) -> None:
        decoded = self._codecs[log.topic].decode([message.value() or b"" for message in messages])
        for reject in decoded.rejects:
            self._reject(reject.reason, 1)
        wild = decoded.columns.ts > _record_ts(messages)[decoded.message] + self._max_ahead_ns
        self._reject(Reason.BAD_TIMESTAMP, int(wild.sum()))
        unknown = ~wild & ~self._known(decoded.columns, decoded.new_series)
        self._reject(Reason.LIMIT, int(unknown.sum()))
        good = ~wild & ~unknown
        columns = decoded.columns.take(good)
        offsets = np.array([message.offset() for message in messages], np.int64)
        self.rows.add(log, columns, offsets[decoded.message[good]], end_offset=int(offsets[-1]) + 1)
        self._messages += len(messages)
        self._on_progress(len(columns))

    def _read_lines(self, log: Log, messages: list[Message]) -> None:
        """Take messages of documents, without rows whose clock is wild."""
        reader = self._readers[log.key]
        lines: list[bytes] = []
        ts: list[int] = []
        offsets: list[int] = []
        for message, written_ts in zip(messages, _record_ts(messages).tolist(), strict=True):
            read = reader.read(message)
            for reject in read.rejects:
                self._reject(reject.reason, 1)
            latest = written_ts + self._max_ahead_ns
            good = [place for place, at in enumerate(read.ts) if at <= latest]
            self._reject(Reason.BAD_TIMESTAMP, len(read.ts) - len(good))
            lines += [read.lines[place] for place in good]
            ts += [read.ts[place] for place in good]
            offsets += [int(message.offset() or 0)] * len(good)
        columns = Columns(
            np.zeros(len(ts), np.uint64),
            np.array(ts, np.int64),
            np.array(self._lines.hold(lines), np.float64),
            np.full(len(ts), FLAG_DOCUMENT),
        )
        end_offset = int(messages[-1].offset() or 0) + 1
        self.rows.add(log, columns, np.array(offsets, np.int64), end_offset=end_offset)
        self._messages += len(messages)
        self._on_progress(len(columns))

    def _known(self, columns: Columns, new_series: list[Series]) -> NDArray[np.bool_]:
        """Define new series as long as there is room; tell which rows are of defined ones."""
        new = [series for series in new_series if series.fingerprint not in self._series]
        taken = new[: self._series_max - len(self._series)]
        self._writer.define(taken)
        self._series.update(series.fingerprint for series in taken)
        if len(self._series) < self._series_max:
            return np.ones(len(columns), np.bool_)
        known = np.fromiter(self._series, np.uint64, len(self._series))
        return np.isin(columns.fingerprint, known)

    def _reject(self, reason: str, count: int) -> None:
        if count:
            self._rejected[str(reason)] = self._rejected.get(str(reason), 0) + count


def _sources(config: Config, start: Start | None) -> list[tuple[Source, KafkaSource]]:
    """Give the Kafka sources that are recorded: feedback is not."""
    kinds = {"metrics", *DOCUMENT_KINDS}
    services = {source.model for source in config.sources if source.kind == "llm"}
    if len(services) > 1:
        # Native calls do not say of which service they are.
        _log.warning("LLM calls of several services: record each with a configuration of its own")
        kinds.discard("llm")
    sources = [
        (source, source.kafka)
        for source in config.sources
        if source.kafka is not None and source.kind in kinds
    ]
    if not sources:
        raise UsageError(f"{config.file}: there is no Kafka source to record")
    if len({kafka.topic for _, kafka in sources}) < len(sources):
        raise UsageError(f"{config.file}: a topic stands twice in the sources; record it once")
    if start is None:
        return sources
    return [(source, replace(kafka, start=start)) for source, kafka in sources]


@contextmanager
def _reading(source: Source, kafka: KafkaSource, recorder: _Recorder) -> Iterator[Consumer]:
    """Open a consumer of all partitions of a topic, each from where the source says."""
    partitions = partitions_of(kafka)
    consumer = Consumer(consumer_settings(kafka))
    try:
        places = []
        for partition in partitions:
            offset = start_offset(consumer, kafka, partition)
            recorder.open(source, kafka, partition, offset)
            places.append(Position(kafka.topic, partition, offset))
        consumer.assign(places)
        yield consumer
    finally:
        consumer.close()


def _record_ts(messages: list[Message]) -> NDArray[np.int64]:
    """Kafka timestamps of records in nanoseconds; without one, no clock is wild."""
    stamps = [message.timestamp() for message in messages]
    return np.array(
        [
            _NO_RECORD_TS if kind == TIMESTAMP_NOT_AVAILABLE else stamp * MILLISECOND_NS
            for kind, stamp in stamps
        ],
        np.int64,
    )
