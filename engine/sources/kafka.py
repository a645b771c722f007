"""A Kafka topic's partition as a source: bounded, resumable, and sure of what silence means.

Not Bytewax' own connector, which can lose and skip data and is invisible to Kafka's lag tools.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer
from confluent_kafka import KafkaError as Code
from numpy.typing import NDArray

from engine.clock import elapsed_ns
from engine.codecs.document_codec import DocumentCodec
from engine.codecs.predictions import PredictionBatch
from engine.codecs.samples import Codec, read_all
from engine.config.connections import KafkaSource
from engine.config.durations import MILLISECOND_NS, SECOND_NS
from engine.errors import SourceError
from engine.events import DeadLetter, Reason, native_row
from engine.series.columns import Columns, Decoded
from engine.series.pieces import Progress
from engine.sources.documents import batch_of, decode_records, document_json, documents_of
from engine.sources.idle import IdleAdvances
from engine.sources.intake import Intake, Taken
from engine.sources.kafka_client import consumer_settings, open_client, start_offset
from engine.sources.reader import Epochs, Polled
from engine.sources.records import ClientError, Records, joined_records
from engine.sources.skew import Skew
from engine.telemetry import Telemetry

_COMMIT_EVERY_NS = 5 * SECOND_NS
_POLL_PAUSE_S = 0.005
_NO_RECORD_MS = np.iinfo(np.int64).max // 2 // MILLISECOND_NS

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KafkaPartition:
    """Which partition of which topic; `number` is its number in the flow."""

    settings: KafkaSource
    partition: int
    number: int

    @property
    def key(self) -> str:
        """Name of the partition in the state."""
        return f"{self.settings.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class _Decoding:
    """Records that are being decoded; `next_offset` is where the log goes on after them."""

    records: Records
    record_ts: NDArray[np.int64]
    decoded: Future[Decoded]
    next_offset: int


class KafkaReader:
    """Reads one partition of a topic.

    Parameters
    ----------
    of : KafkaPartition
    codec : Codec
    intake : Intake
    skew : Skew
    epochs : Epochs
    idle : IdleAdvances
        What the partition promises while it is silent.
    batch_rows, batch_age_ns : int
        A batch goes on when it is so large or so old.
    stopping : callable
        Whether the run is to end.
    telemetry : Telemetry
    resume : dict or None
        The snapshot to go on from.
    resume_from : dict or None
        The position of the checkpoint to go on from; None: where the snapshot's run began.
    """

    def __init__(
        self,
        of: KafkaPartition,
        *,
        codec: Codec,
        intake: Intake,
        skew: Skew,
        epochs: Epochs,
        idle: IdleAdvances,
        batch_rows: int,
        batch_age_ns: int,
        stopping: Callable[[], bool],
        telemetry: Telemetry,
        resume: dict[str, Any] | None,
        resume_from: dict[str, Any] | None,
    ) -> None:
        self.of = of
        self.codec = codec
        self.intake = intake
        self.epochs = epochs
        self.idle = idle
        self._skew = skew
        self._batch_rows = batch_rows
        self._batch_age_ns = batch_age_ns
        self._stopping = stopping
        self._telemetry = telemetry
        self._held: list[Records] = []
        self._held_rows = 0
        self._decoding: _Decoding | None = None
        # Compiled code runs beside the interpreter: one thread decodes while the flow goes on.
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._held_since_ns = 0
        self._at_end = False
        self._committed_ns = 0
        self._durable: int | None = None
        begin = resume_from or (resume["start"] if resume else None)
        if begin is None:
            begin = {"offset": first_offset(of)}
        self._start = resume["start"] if resume else begin
        self._offset = int(begin["offset"])
        if "newest" in begin:
            intake.clock.advance_to(begin["newest"] - intake.clock.lateness_ns)
        # What such a codec has learned belongs to a place in the log, as the offset does.
        self._learning = codec if isinstance(codec, DocumentCodec) else None
        if self._learning and "codec" in begin:
            self._learning.restore(begin["codec"])
        wants_headers = self._learning is not None and self._learning.wants_headers
        self._client = open_client(of.settings, of.partition, self._offset, headers=wants_headers)
        skew.join(of.number)
        self._report()

    def poll(self) -> Polled:
        """Read what is there; a batch goes on when it is full, old or before the end."""
        if self.epochs.number == 0:
            # Nothing is said before the place to begin is durable: `latest` is another later.
            return Polled(pause_s=_POLL_PAUSE_S)
        if self._stopping():
            ends = self.epochs.end(self.of.number, self._skew)
            return Polled(end=ends, pause_s=_POLL_PAUSE_S)
        advanced = self._apply_advances(self._offset)
        self._commit()
        self._fetch()
        now_ns = elapsed_ns()
        full = self._held_rows >= self._batch_rows
        old = bool(self._held) and now_ns - self._held_since_ns >= self._batch_age_ns
        if self._decoding is not None:
            return self._take_decoded(pause_s=0.0)
        if full or old:
            self._decode_held()
            # A full batch is decoded while the next one is fetched; not by a codec that learns,
            # since it would be ahead of the offset at a snapshot.
            ahead = full and self._learning is None
            pause_s = 0.0 if full else _POLL_PAUSE_S
            return Polled() if ahead else self._take_decoded(pause_s=pause_s)
        self._watch_silence(now_ns)
        if advanced or self.epochs.due():
            said = self._said(Taken(Columns.empty()))
            said.pause_s = _POLL_PAUSE_S
            return said
        return Polled(pause_s=_POLL_PAUSE_S)

    def snapshot(self) -> dict[str, Any]:
        """Close the epoch; an idle partition's next promise is stored here before it is given."""
        position: dict[str, Any] = {"offset": self._offset, "newest": self.intake.clock.newest}
        if self._learning is not None and self.epochs.takes_position():
            position["codec"] = self._learning.state()
        self.epochs.close(position)
        if not self._held and self._decoding is None:
            self.idle.plan(self._offset, self.intake.clock.claim, self._skew)
        oldest = min((item["offset"] for item in self.epochs.positions.values()), default=0)
        self.idle.forget_before(oldest)
        self._durable = self._offset
        return {
            "start": self._start,
            "checkpoints": self.epochs.state(),
            "idle": self.idle.state(),
        }

    def lag(self) -> int:
        """Records between our place and the end, as far as the client has heard."""
        return max(0, self._client.high() - self._offset)

    def close(self) -> None:
        """Leave the broker."""
        self._commit(now=True)
        self._decoder.shutdown()
        self._client.close()

    def _fetch(self) -> None:
        """Take records over from the client, unless this partition is too far ahead."""
        if self._held_rows >= self._batch_rows:
            return
        if self._must_wait():
            self.idle.heard()  # what is paused has not been silent
            return
        fetched = self._client.fetch(self._batch_rows - self._held_rows)
        if fetched.at_end is not None:
            self._at_end = fetched.at_end
        for error in fetched.errors:
            self._check(error)
        if fetched.records is not None:
            if not self._held:
                self._held_since_ns = elapsed_ns()
            self._held.append(fetched.records)
            self._held_rows += len(fetched.records)
            self.idle.heard()

    def _check(self, error: ClientError) -> None:
        topic = self.of.settings.topic
        if error.code in (Code._AUTO_OFFSET_RESET, Code.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            raise SourceError(
                f"offset {self._offset} of {self.of.key} is no longer in the topic; set "
                "sources[].kafka.on_stale_offset to earliest or latest to accept the gap"
            )
        if error.code in (Code.UNKNOWN_TOPIC_OR_PART, Code._UNKNOWN_PARTITION):  # noqa: SLF001
            raise SourceError(f"topic {topic} or its partition {self.of.partition} is gone")
        if error.fatal or error.code == Code.TOPIC_AUTHORIZATION_FAILED:
            raise SourceError(f"{self.of.key} can't be read: {error.text}")
        self._telemetry.source_errors.labels(topic).inc()

    def _must_wait(self) -> bool:
        return self._skew.must_wait(self.of.number)

    def _decode_held(self) -> None:
        """Begin to decode the held records, up to a recorded advance if one lies among them."""
        records = joined_records(self._held)
        self._held, self._held_rows = [], 0
        next_offset = int(records.offset[-1]) + 1
        advance = self.idle.next_offset()
        if advance is not None and advance < next_offset:
            cut = int(np.searchsorted(records.offset, advance))
            self._held, self._held_rows = [records.take(slice(cut, None))], len(records) - cut
            records = records.take(slice(0, cut))
            next_offset = advance
        size = int(records.values.length.sum())
        self._telemetry.bytes_in.labels(self.of.settings.topic).inc(size)
        decoded = self._decoder.submit(decode_records, self.codec, records)
        self._decoding = _Decoding(records, record_ns(records), decoded, next_offset)

    def _take_decoded(self, *, pause_s: float) -> Polled:
        """Take what was decoded; only now is its place in the log ours."""
        decoding, self._decoding = self._decoding, None
        if decoding is None or not len(decoding.records):
            self._offset = max(self._offset, decoding.next_offset if decoding else 0)
            return self._said(Taken(Columns.empty()))
        records, decoded = decoding.records, decoding.decoded.result()
        record_ts = decoding.record_ts[decoded.message]
        taken = self.intake.take(decoded.columns, decoded.new_series, record_ts)
        self._offset = max(self._offset, decoding.next_offset)
        self._report()
        self._count(len(records), decoded, taken)
        said = self._said(taken, documents_of(decoded))
        said.pause_s = pause_s
        said.dead_letters = self._letters(records, decoded, taken)
        return said

    def _apply_advances(self, offset: int) -> bool:
        """Give the promises that belong at this place of the log, now that they are durable."""
        claims = self.idle.due(offset)
        for claim in claims:
            self.intake.clock.advance_to(claim)
        if claims:
            self._report()
        return bool(claims)

    def _watch_silence(self, now_ns: int) -> None:
        if self._at_end and not self._held:
            if self.idle.silent(now_ns):
                self._report()
        else:
            self.idle.heard()

    def _report(self) -> None:
        empty = self._at_end and self.intake.clock.newest < 0
        self._skew.report(
            self.of.number,
            claim=self.intake.clock.claim,
            holds=not (self.idle.is_idle or empty),
        )

    def _said(self, taken: Taken, documents: PredictionBatch | None = None) -> Polled:
        progress = Progress(
            partition=self.of.number,
            claim=self.intake.clock.claim,
            newest=self.intake.clock.newest,
            # In a backlog more than one batch waits; where it ends is not always told at once.
            caught_up=self._at_end or self.lag() <= self._batch_rows,
            checkpoint=self.epochs.due(),
        )
        return Polled(batch=batch_of(progress, taken, documents))

    def _commit(self, *, now: bool = False) -> None:
        """Tell the broker how far we are, for lag tools only; the state has its own offsets."""
        due = elapsed_ns() - self._committed_ns > _COMMIT_EVERY_NS
        if self._durable is None or not (due or now):
            return
        self._committed_ns = elapsed_ns()
        offset, self._durable = self._durable, None
        if not self._client.commit(offset, wait=now):
            self._telemetry.source_errors.labels(self.of.settings.topic).inc()

    def _count(self, messages: int, decoded: Decoded, taken: Taken) -> None:
        key = self.of.settings.topic
        self._telemetry.messages_in.labels(key).inc(messages)
        self._telemetry.rows_in.labels(key).inc(len(decoded.columns))
        for reason, count in taken.counts.items():
            self._telemetry.dead_letters.labels(reason.value).inc(count)
        for reject in decoded.rejects:
            self._telemetry.dead_letters.labels(reject.reason).inc()
        for setting, count in decoded.dropped.items():
            self._telemetry.rows_dropped.labels(setting).inc(count)

    def _letters(self, records: Records, decoded: Decoded, taken: Taken) -> list[DeadLetter]:
        """Dead letters of rejected messages and rows, and of refused good rows."""
        letters = [
            self._letter(
                records,
                reject.message,
                Reason(reject.reason),
                reject.detail,
                row=reject.row,
            )
            for reject in decoded.rejects[: self.intake.rate.allow(len(decoded.rejects))]
        ]
        # Refused rows of one message follow each other: it is read again once, not for each.
        read_again, named = -1, {}
        documents = documents_of(decoded)
        for row, reason, detail in taken.refused:
            message = int(decoded.message[row])
            if documents is not None:
                value: bytes | None = document_json(documents, decoded.columns, row)
                letters.append(self._letter(records, message, reason, detail, row=value))
                continue
            if message != read_again:
                again = read_all(self.codec.read, [records.values[message]])
                read_again = message
                named = {series.fingerprint: series for series in again.new_series}
            series = named.get(int(decoded.columns.fingerprint[row]))
            columns = decoded.columns
            value = (
                None
                if series is None
                else native_row(series, int(columns.ts[row]), float(columns.value[row]))
            )
            letters.append(self._letter(records, message, reason, detail, row=value))
        return letters

    def _letter(
        self, records: Records, message: int, reason: Reason, detail: str, *, row: bytes | None
    ) -> DeadLetter:
        # The same line is let through once in a while.
        _log.warning("dead letters", source=self.of.settings.topic, reason=reason.value)
        return DeadLetter(
            source=self.of.settings.topic,
            partition=self.of.partition,
            offset=int(records.offset[message]),
            reason=reason,
            detail=detail,
            key=records.key(message),
            value=records.values[message] if row is None else row,
            ts=int(records.timestamp_ms[message]) * MILLISECOND_NS,
        )


def first_offset(of: KafkaPartition) -> int:
    """Ask the broker where to begin without a stored offset."""
    consumer = Consumer(consumer_settings(of.settings))
    try:
        return start_offset(consumer, of.settings, of.partition)
    finally:
        consumer.close()


def record_ns(records: Records) -> NDArray[np.int64]:
    """Kafka timestamps of records in nanoseconds; the largest where there is none."""
    stamps = records.timestamp_ms
    return np.where(stamps > 0, stamps, _NO_RECORD_MS) * MILLISECOND_NS
