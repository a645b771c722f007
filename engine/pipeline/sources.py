"""Opens the sources of a configuration as partitions of the flow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Consumer
from msgspec.structs import replace

from engine.codecs.feedback import FeedbackCodec
from engine.codecs.formats import limits_of, make_codec, make_feedback_codec
from engine.codecs.samples import Codec
from engine.config.connections import DOCUMENT_KINDS, KafkaSource, RecordingSource, Source
from engine.config.scalars import Start
from engine.config.schema import Config
from engine.errors import UsageError
from engine.pipeline.document_sources import (
    document_codec,
    document_files,
    keys_of_kind,
    llm_model,
)
from engine.pipeline.plan import FlowPlan
from engine.series.blocks import CheckpointId, CheckpointStore
from engine.sources.feedback import FeedbackIntake
from engine.sources.feedback_files import FeedbackFile, open_feedback
from engine.sources.idle import IdleAdvances
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.journal import Journal
from engine.sources.kafka import KafkaPartition, KafkaReader
from engine.sources.kafka_client import consumer_settings, partitions_of, resume_offset
from engine.sources.partition_clock import PartitionClock
from engine.sources.prediction_files import (
    DocumentFile,
    keys_by_kind,
)
from engine.sources.reader import CheckpointPlan, Epochs, Reader
from engine.sources.recording import RecordingReader
from engine.sources.recording_files import RecordingPartition, open_recording
from engine.sources.sieve import Sieve, SievedCodec
from engine.sources.skew import Skew
from engine.telemetry import Telemetry

_SERIES_REMEMBERED_MIN = 1 << 20
_SERIES_BEGINNING_MIN = 1 << 16

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SourcePartition:
    """A partition, and the source of the configuration that it belongs to."""

    source: Source
    of: KafkaPartition | RecordingPartition | FeedbackFile | DocumentFile


def list_partitions(config: Config) -> dict[str, SourcePartition]:
    """Find all partitions of all sources, by key.

    Raises
    ------
    ConnectionError
        A broker can't be reached.
    SourceError
        A topic is missing.
    UsageError
        A recording can't be read.
    """
    found: dict[str, SourcePartition] = {}
    for source in config.sources:
        if source.kafka is not None:
            for partition in partitions_of(source.kafka):
                of = KafkaPartition(source.kafka, partition, len(found))
                if of.key in found:
                    raise UsageError(f"topic {source.kafka.topic} stands in two sources")
                found[of.key] = SourcePartition(source, of)
        elif source.recording is not None:
            for part in _files(config, source, source.recording):
                key = f"{Path(source.recording.path).name}:{part.key}"
                if key in found:
                    raise UsageError(f"two recordings hold {key}; rename one of them")
                found[key] = SourcePartition(source, part)
    return found


def documents_among(partitions: Mapping[str, SourcePartition]) -> frozenset[str]:
    """Give the keys of partitions that hold predictions, labels or LLM calls."""
    return frozenset(key for key, one in partitions.items() if one.source.kind in DOCUMENT_KINDS)


def _files(
    config: Config, source: Source, recording: RecordingSource
) -> Sequence[RecordingPartition | FeedbackFile | DocumentFile]:
    """The files of a recording, of samples, feedback or predictions."""
    if source.kind in DOCUMENT_KINDS:
        return document_files(config, source, recording)
    path = config.beside(recording.path)
    if source.kind == "feedback":
        names = dict.fromkeys(detector.use for detector in config.detectors)
        codec = FeedbackCodec(tuple(names), limits=limits_of(config.limits))
        return open_feedback(path, unit=recording.timestamp_unit, codec=codec)
    return open_recording(
        path,
        name=recording.name,
        labels=recording.labels,
        exclude=recording.exclude,
        timestamp_unit=recording.timestamp_unit,
        keys=keys_of_kind(path, "metrics"),
    ).partitions


def recorded_feedback(config: Config) -> tuple[Source, ...]:
    """The sources of a configuration that are files of feedback: a replay plays them, too."""
    return tuple(
        source
        for source in config.sources
        if source.kind == "feedback" and source.recording is not None
    )


def recorded_sources(config: Config, recording: RecordingSource) -> tuple[Source, ...]:
    """Make a source of each kind that a recording holds: metrics, predictions, LLM calls.

    Parameters
    ----------
    config : Config
    recording : RecordingSource
        Its path is relative to the working directory.

    Raises
    ------
    UsageError
        Sources differ in what they rename and leave out, and the recording can't do both; it holds
        LLM calls and the configuration does not say of which model; or there is nothing to read.
    """
    recording = replace(recording, path=str(Path(recording.path).resolve()))
    if recording.model:
        return (Source(recording=recording, kind="predictions"),)
    plain = replace(recording, name=None, labels={}, exclude=())
    sources: list[Source] = []
    for kind in keys_by_kind(Path(recording.path)):
        if kind == "metrics":
            sources.append(recorded_source(config, recording))
        elif kind == "llm":
            sources.append(Source(recording=plain, kind="llm", model=llm_model(config)))
        else:
            sources.append(Source(recording=plain, kind="predictions"))
    return tuple(sources)


def recorded_source(config: Config, recording: RecordingSource) -> Source:
    """Make a source of a recording of metrics that sifts as all sources of the configuration do.

    Raises
    ------
    UsageError
        Sources differ in what they rename and leave out, and the recording can't do both.
    """
    recording = replace(recording, path=str(Path(recording.path).resolve()))
    rules = {
        (source.relabel, source.nan, source.infinity)
        for source in config.sources
        if source.kind == "metrics"
    }
    if len(rules) > 1:
        raise UsageError(
            f"{config.file}: sources differ in `relabel`, `nan` or `infinity`; play each one's "
            "recording with a configuration of its own"
        )
    relabel, nan, infinity = next(iter(rules), ((), "keep", "keep"))
    return Source(recording=recording, relabel=relabel, nan=nan, infinity=infinity)


@dataclass(kw_only=True)
class SourceOpener:
    """Opens partitions when Bytewax asks for them, each from where it has to go on.

    Attributes
    ----------
    stopping : callable
        Whether the run is to end.
    progress : callable
        Told of rows of recordings as they are played.
    buffered_rows : callable
        Rows that wait for their tick in all shards.
    """

    plan: FlowPlan
    partitions: dict[str, SourcePartition]
    checkpoints: CheckpointPlan | None
    store: CheckpointStore | None
    journal: Journal
    telemetry: Telemetry
    stopping: Callable[[], bool]
    progress: Callable[[int], None]
    buffered_rows: Callable[[], int]
    skew: Skew = field(init=False)
    rate: DeadLetterRate = field(init=False)
    _open: dict[str, Reader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.skew = Skew(
            self.plan.config.time.max_skew_ns,
            buffered_rows=self.buffered_rows,
            buffered_rows_max=self.plan.limits.buffered_rows,
        )
        self.rate = DeadLetterRate(
            self.plan.limits.dead_letters_per_second, on_suppressed=self._suppressed
        )

    def openers(self) -> dict[str, Callable[[Any | None], Reader]]:
        """Functions that open each partition, given its resume state."""
        return {key: self._opener(key, number) for number, key in enumerate(self.partitions)}

    def lag(self) -> dict[str, int]:
        """Records behind the end, by Kafka partition."""
        return {
            key: reader.lag()
            for key, reader in list(self._open.items())
            if isinstance(reader, KafkaReader)
        }

    def _suppressed(self, count: int) -> None:
        self.telemetry.dead_letters_suppressed.inc(count)
        _log.warning("more dead letters than limits.dead_letters_per_second: counted, not written")

    def _opener(self, key: str, number: int) -> Callable[[Any | None], Reader]:
        def open_partition(resume: Any | None) -> Reader:
            partition = self.partitions[key]
            epochs = Epochs(self.checkpoints)
            begin = None
            if resume is not None:
                epochs.restore(resume["checkpoints"])
                begin = self._resume_position(epochs)
            self._open[key] = reader = (
                self._open_kafka(partition.of, partition.source, epochs, resume, begin)
                if isinstance(partition.of, KafkaPartition)
                else self._open_recording(partition.of, partition.source, number, epochs, begin)
            )
            return reader

        return open_partition

    def _resume_position(self, epochs: Epochs) -> dict[str, Any] | None:
        """The partition's position at the newest checkpoint that is whole on all parts."""
        if self.store is None:
            return None
        captured: tuple[CheckpointId, ...] = tuple(epochs.positions)
        checkpoint = self.store.newest_usable(captured)
        return None if checkpoint is None else epochs.positions[checkpoint]

    @property
    def _series_remembered(self) -> int:
        """Of how many series a partition remembers something; well above `limits.series`."""
        return max(_SERIES_REMEMBERED_MIN, 2 * self.plan.limits.series)

    def _intake(self, source: Source, *, undefined_max: int | None) -> Intake:
        time = self.plan.config.time
        is_feedback = source.kind == "feedback"
        return (FeedbackIntake if is_feedback else Intake)(
            # Verdicts are dated so that none is late.
            PartitionClock(0 if is_feedback else time.lateness_ns),
            max_ahead_ns=time.max_ahead_ns,
            detectors_of=self.plan.detectors_of,
            place_of=self.plan.place_of,
            rate=self.rate,
            undefined_max=undefined_max,
            beginning_max=max(_SERIES_BEGINNING_MIN, 2 * self.plan.limits.series),
        )

    def _open_recording(
        self,
        partition: RecordingPartition | FeedbackFile | DocumentFile,
        source: Source,
        number: int,
        epochs: Epochs,
        begin: dict[str, Any] | None,
    ) -> RecordingReader:
        return RecordingReader(
            partition,
            number,
            sieve=self._sieve(source),
            # A recording gives each series once; all of them are in memory while it is read.
            intake=self._intake(source, undefined_max=None),
            skew=self.skew,
            epochs=epochs,
            rows=self.plan.config.batch.rows,
            stopping=self.stopping,
            resume=begin,
            progress=self.progress,
            telemetry=self.telemetry,
        )

    def _open_kafka(
        self,
        partition: KafkaPartition,
        source: Source,
        epochs: Epochs,
        resume: dict[str, Any] | None,
        begin: dict[str, Any] | None,
    ) -> KafkaReader:
        config = self.plan.config
        if resume is not None:
            begin = self._checked(partition, begin or resume["start"])
        settings = partition.settings
        if resume is None and self.store is not None and self.store.usable:
            # The partition is new since the state was written: all that it holds is.
            settings = replace(settings, start=Start("earliest"))
        return KafkaReader(
            KafkaPartition(settings, partition.partition, partition.number),
            codec=self._codec(source, settings),
            intake=self._intake(source, undefined_max=self._series_remembered),
            skew=self.skew,
            epochs=epochs,
            idle=IdleAdvances(
                config.time.idle_timeout_ns,
                state=resume["idle"] if resume else None,
                given=lambda offset, claim: self.journal.write(partition.key, offset, claim),
            ),
            batch_rows=config.batch.rows,
            batch_age_ns=config.batch.age_ns,
            stopping=self.stopping,
            telemetry=self.telemetry,
            resume=resume,
            resume_from=begin,
        )

    def _codec(self, source: Source, settings: KafkaSource) -> Codec:
        limits = self.plan.config.limits
        if source.kind == "feedback":
            return make_feedback_codec(settings, limits, self.plan.detector_names)
        if source.kind in DOCUMENT_KINDS:
            return document_codec(self.plan.config, source, settings)
        return SievedCodec(lambda: make_codec(settings, limits), self._sieve(source))

    def _sieve(self, source: Source) -> Sieve:
        return Sieve(source, entries_max=self._series_remembered)

    def _checked(self, partition: KafkaPartition, begin: dict[str, Any]) -> dict[str, Any]:
        """Check that the topic still holds the place to go on from."""
        consumer = Consumer(consumer_settings(partition.settings))
        try:
            offset = resume_offset(
                consumer,
                partition.settings,
                partition.partition,
                int(begin["offset"]),
                _log.warning,
            )
        finally:
            consumer.close()
        return {**begin, "offset": offset}
