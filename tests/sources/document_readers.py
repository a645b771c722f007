"""Readers of predictions on logs and files that tests make; no broker takes part."""

from unittest.mock import patch

from engine.config.connections import KafkaSource
from engine.sources import kafka
from engine.sources.idle import IdleAdvances
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.kafka import KafkaPartition, KafkaReader
from engine.sources.partition_clock import PartitionClock
from engine.sources.reader import CheckpointPlan, Epochs
from engine.sources.recording import RecordingReader
from engine.sources.records import Fetched, records_of
from engine.sources.sieve import Sieve
from engine.sources.skew import Skew
from engine.telemetry import Telemetry

SECOND_NS = 10**9
LATENESS_NS = 5 * SECOND_NS


class FakeClient:
    """A partition's log of (value, headers, timestamp in ms); all of it is there at once."""

    def __init__(self, log, offset, *, headers):
        self.log, self.offset, self.headers = log, offset, headers

    def fetch(self, count):
        rows = self.log[self.offset : self.offset + count]
        begin, self.offset = self.offset, self.offset + len(rows)
        at_end = self.offset == len(self.log)
        if not rows:
            return Fetched(None, at_end)
        records = records_of(
            [value for value, _, _ in rows],
            [b"key"] * len(rows),
            range(begin, self.offset),
            [stamp for _, _, stamp in rows],
            [headers for _, headers, _ in rows] if self.headers else None,
        )
        return Fetched(records, at_end)

    def high(self):
        return len(self.log)

    def commit(self, _offset, *, wait):
        return wait or True

    def close(self):
        pass


def intake():
    return Intake(
        PartitionClock(LATENESS_NS),
        max_ahead_ns=60 * SECOND_NS,
        detectors_of=lambda _: 1,
        rate=DeadLetterRate(1000),
    )


def skew():
    return Skew(10**6 * SECOND_NS, buffered_rows_max=10**9)


def kafka_reader(log, codec, **options):
    """Read a log in memory; options are those of `topic_reader`."""

    def client(_settings, _partition, at, *, headers):
        return FakeClient(log, at, headers=headers)

    with patch.object(kafka, "open_client", client):
        return topic_reader(KafkaSource(brokers="none", topic="t"), codec, **options)


def topic_reader(settings, codec, *, rows=1000, plan=None, begin=None):
    """Read partition 0 of a topic; the first epoch has closed."""
    reader = KafkaReader(
        KafkaPartition(settings, 0, 0),
        codec=codec,
        intake=intake(),
        skew=skew(),
        epochs=Epochs(plan),
        idle=IdleAdvances(10**6 * SECOND_NS, state=None, given=lambda *_: None),
        batch_rows=rows,
        batch_age_ns=0,
        stopping=lambda: False,
        telemetry=Telemetry("test"),
        resume=None,
        resume_from=begin or {"offset": 0},
    )
    reader.snapshot()
    return reader


def file_reader(file, source, *, rows=1000, plan=None, begin=None):
    return RecordingReader(
        file,
        0,
        sieve=Sieve(source, entries_max=10),
        intake=intake(),
        skew=skew(),
        epochs=Epochs(plan),
        rows=rows,
        stopping=lambda: False,
        resume=begin,
        progress=lambda _: None,
        telemetry=Telemetry("test"),
    )


def every_epoch(run=1):
    """A plan with a checkpoint at the close of every epoch."""
    return CheckpointPlan(run=run, every=1)


def poll_to_end(reader, polls=10_000):
    """Read all; gives the batches' documents and the dead letters."""
    documents, letters = [], []
    for _ in range(polls):
        polled = reader.poll()
        letters += polled.dead_letters
        if polled.batch is not None and polled.batch.documents is not None:
            documents.append(polled.batch.documents)
        ended = isinstance(reader, RecordingReader) and polled.batch and polled.batch.progress.ended
        if ended or (isinstance(reader, KafkaReader) and reader.lag() == 0):
            return documents, letters
    raise AssertionError("the reader does not end")
