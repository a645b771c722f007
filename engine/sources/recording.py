"""A recording's file as a source partition: the same event time as live, without a clock."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from engine.codecs.predictions import PredictionBatch
from engine.events import DeadLetter, Reason, native_row
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.series.pieces import Progress
from engine.sources.documents import batch_of, document_json
from engine.sources.feedback_files import FeedbackFile
from engine.sources.intake import Intake, Taken
from engine.sources.prediction_files import DocumentFile, DocumentReading
from engine.sources.reader import Epochs, Polled
from engine.sources.recording_blocks import Block
from engine.sources.recording_files import RecordingPartition
from engine.sources.sieve import Sieve
from engine.sources.skew import Skew
from engine.telemetry import Telemetry

_WAIT_S = 0.001
_END_WAIT_S = 0.05


class RecordingReader:
    """Plays one file of a recording in file order.

    A file whose next rows are further ahead of the slowest file than `max_skew` waits, so that
    files of different times don't fill the buffers.

    Parameters
    ----------
    partition : RecordingPartition, FeedbackFile or DocumentFile
    number : int
        Its number in the flow.
    sieve : Sieve
        What is renamed and left out.
    intake : Intake
    skew : Skew
    epochs : Epochs
    rows : int
        Most rows of a batch.
    stopping : callable
        Whether the run is to end early.
    resume : dict or None
        Position of the checkpoint to go on from.
    progress : callable
        Told of rows as they are played.
    telemetry : Telemetry
    """

    def __init__(
        self,
        partition: RecordingPartition | FeedbackFile | DocumentFile,
        number: int,
        *,
        sieve: Sieve,
        intake: Intake,
        skew: Skew,
        epochs: Epochs,
        rows: int,
        stopping: Callable[[], bool],
        resume: dict[str, Any] | None,
        progress: Callable[[int], None],
        telemetry: Telemetry,
    ) -> None:
        self.partition = partition
        self.number = number
        self.sieve = sieve
        self.intake = intake
        self.epochs = epochs
        self._skew = skew
        self._stopping = stopping
        self._progress = progress
        self._telemetry = telemetry
        self._next_row = resume["row"] if resume else 0
        if resume:
            intake.clock.advance_to(resume["newest"] - intake.clock.lateness_ns)
        self._learning: DocumentReading | None = None
        self._learned = b""
        reading: RecordingPartition | FeedbackFile | DocumentReading
        if isinstance(partition, DocumentFile):
            reading = self._learning = partition.reading(resume.get("codec") if resume else None)
        else:
            reading = partition
        self._blocks: Iterator[Block] = reading.blocks(rows, self._next_row)
        self._block: Block | None = None
        self._series: dict[int, Series] = {}
        self._ended = False
        skew.join(number)

    def poll(self) -> Polled:
        """Play the next block, or say that the file has ended."""
        if self._ended or self._stopping():
            ends = self.epochs.end(self.number, self._skew)
            return Polled(end=ends, pause_s=_END_WAIT_S)
        self._block = self._block or self._next_block()
        if self._block is None:
            self._ended = True
            self._skew.report(self.number, claim=self.intake.clock.newest, holds=False, ended=True)
            return self._said(Taken(Columns.empty()))
        if len(self._block.columns):
            position = int(self._block.columns.ts[0])
            self._skew.report(self.number, claim=position, holds=True)
            if self._skew.must_wait(self.number):
                waiting = self._said(Taken(Columns.empty())) if self.epochs.due() else Polled()
                waiting.pause_s = _WAIT_S
                return waiting
        block, self._block = self._block, None
        return self._play(block)

    def snapshot(self) -> dict[str, Any]:
        """Close the epoch."""
        position: dict[str, Any] = {"row": self._next_row, "newest": self.intake.clock.newest}
        if self._learning is not None and self.epochs.takes_position():
            position["codec"] = self._learned if self._block else self._learning.state()
        self.epochs.close(position)
        return {"checkpoints": self.epochs.state()}

    def close(self) -> None:
        """Nothing is held open."""

    def _next_block(self) -> Block | None:
        """Read on; a block that waits must not be in what is known where the reading goes on."""
        if self._learning is not None and self.epochs.plan is not None:
            self._learned = self._learning.state()
        return next(self._blocks, None)

    def _play(self, block: Block) -> Polled:
        if block.documents is None:
            block = self._sifted(block)
        new_series = block.new_series
        parts = []
        begin = 0
        for position, ts in (*block.advances, (len(block.columns), None)):
            taken = self.intake.take(block.columns.take(slice(begin, position)), new_series)
            taken.refused = [(row + begin, why, detail) for row, why, detail in taken.refused]
            parts.append(taken)
            new_series = []
            if ts is not None:
                self.intake.clock.advance_to(ts)
            begin = position
        self._next_row = block.next_row
        self._progress(len(block.columns))
        self._count(block, parts)
        polled = self._said(joined(parts), block.documents)
        for taken in parts:
            for row, reason, detail in taken.refused:
                polled.dead_letters.append(self._row_letter(block, row, reason, detail))
        allowed = self.intake.rate.allow(len(block.rejects))
        for reject in block.rejects[:allowed]:
            letter = self._letter(
                reject.message, Reason(reject.reason), reject.detail, reject.row or b"", 0
            )
            polled.dead_letters.append(letter)
        return polled

    def _sifted(self, block: Block) -> Block:
        columns, new_series, dropped = self.sieve.sift(block.columns, block.new_series)
        for key, count in dropped.items():
            self._telemetry.rows_dropped.labels(key).inc(count)
        for series in new_series:
            self._series[series.fingerprint] = series
        return replace(block, columns=columns, new_series=new_series)

    def _said(self, taken: Taken, documents: PredictionBatch | None = None) -> Polled:
        progress = Progress(
            partition=self.number,
            claim=self.intake.clock.claim,
            newest=self.intake.clock.newest,
            ended=self._ended,
            checkpoint=self.epochs.due(),
        )
        return Polled(batch=batch_of(progress, taken, documents))

    def _count(self, block: Block, parts: list[Taken]) -> None:
        self._telemetry.rows_in.labels("recording").inc(len(block.columns))
        for taken in parts:
            for reason, count in taken.counts.items():
                self._telemetry.dead_letters.labels(reason.value).inc(count)
        for reject in block.rejects:
            self._telemetry.dead_letters.labels(reject.reason).inc()

    def _row_letter(self, block: Block, row: int, reason: Reason, detail: str) -> DeadLetter:
        ts = int(block.columns.ts[row])
        if block.documents is not None:
            value = document_json(block.documents, block.columns, row)
        else:
            series = self._series[int(block.columns.fingerprint[row])]
            value = native_row(series, ts, float(block.columns.value[row]))
        return self._letter(int(block.row[row]), reason, detail, value, ts)

    def _letter(self, row: int, reason: Reason, detail: str, value: bytes, ts: int) -> DeadLetter:
        return DeadLetter(
            source=self.partition.key,
            partition=self.number,
            offset=row,
            reason=reason,
            detail=detail,
            key=None,
            value=value,
            ts=ts,
        )


def joined(parts: list[Taken]) -> Taken:
    """Put parts of one block together."""
    if len(parts) == 1:
        return parts[0]
    columns = Columns(
        np.concatenate([part.columns.fingerprint for part in parts]),
        np.concatenate([part.columns.ts for part in parts]),
        np.concatenate([part.columns.value for part in parts]),
        np.concatenate([part.columns.flags for part in parts]),
    )
    whole = Taken(columns)
    if any(part.place is not None for part in parts):
        whole.place = np.concatenate(
            [part.columns.fingerprint if part.place is None else part.place for part in parts]
        )
    for part in parts:
        whole.definitions += part.definitions
        whole.population += part.population
        for reason, count in part.counts.items():
            whole.counts[reason] = whole.counts.get(reason, 0) + count
    return whole
