"""A small world in simulated time: producers, a broker's logs, and streamgauge reading them.

The readers are the engine's own, with their clocks, intake and idle advances; only the client below
them and the passing of time are made here. The client always knows where the log ends.
"""

import math
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from unittest.mock import patch

import msgspec
from direct_flow import DirectFlow

from engine.codecs.samples import Limits, PlainCodec, Sample
from engine.config.connections import KafkaSource
from engine.series.columns import FLAG_STALE
from engine.series.identity import Series
from engine.sources import idle, intake, kafka
from engine.sources.idle import IdleAdvances
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.kafka import KafkaPartition, KafkaReader
from engine.sources.partition_clock import PartitionClock
from engine.sources.reader import Epochs
from engine.sources.records import Fetched, records_of
from engine.sources.skew import Skew
from engine.telemetry import Telemetry

SECOND_NS = 10**9
BEGIN_NS = 1_700_000_100 * SECOND_NS  # a whole multiple of five minutes
STEP_S = 5
LATENESS_S = 20
IDLE_TIMEOUT_S = 30
MAX_AHEAD_S = 60
MAX_SKEW_S = 300
STALE = math.nan
"""The value of a sample that is a stale marker."""


@dataclass(frozen=True)
class Row:
    """A sample on its way; times are seconds since the beginning.

    `written` is when the broker has it, `readable` when the consumer can get it. What is not `true`
    is no part of what happened: a wild clock's samples, or those that come too late to count.
    """

    series: Series
    ts: float
    value: float
    partition: int = 0
    written: float = 0
    readable: float = 0
    true: bool = True

    @property
    def sample(self):
        """The sample as the engine has it: series, ts (ns), value, flags."""
        flags = int(FLAG_STALE) if math.isnan(self.value) else 0
        return self.series, BEGIN_NS + round(self.ts * SECOND_NS), self.value, flags


@dataclass
class Clock:
    """Simulated time, which is the engine's while the world runs."""

    now_s: float = 0

    def __call__(self):
        return BEGIN_NS + round(self.now_s * SECOND_NS)

    @contextmanager
    def running(self):
        """Let the engine's readers take their time from here."""
        with (
            patch.object(kafka, "elapsed_ns", self),
            patch.object(idle, "elapsed_ns", self),
            patch.object(intake, "elapsed_ns", self),
        ):
            yield self


class LogClient:
    """A `RecordClient` of a log in memory."""

    def __init__(self, log, offset, clock, arrived):
        self._log, self._offset, self._clock, self._arrived = log, offset, clock, arrived

    def fetch(self, count):
        """Give what is readable by now."""
        found = []
        while (
            len(found) < count
            and self._offset < len(self._log)
            and self._log[self._offset].readable <= self._clock.now_s
        ):
            found.append((self._offset, self._log[self._offset]))
            self._offset += 1
        at_end = self._offset == self.high()
        if not found:
            return Fetched(None, at_end)
        offsets, rows = zip(*found, strict=True)
        self._arrived.extend((self._clock.now_s, row) for row in rows)
        records = records_of(
            [message(row) for row in rows], [None] * len(rows), offsets,
            [(BEGIN_NS + int(row.written * SECOND_NS)) // 10**6 for row in rows],
        )  # fmt: skip
        return Fetched(records, at_end)

    def high(self):
        """Offset behind what is written by now."""
        return sum(row.written <= self._clock.now_s for row in self._log)

    def commit(self, offset, *, wait):
        """Take a place in the log."""
        return True

    def close(self):
        """Leave."""


def message(row):
    """A row as a message."""
    series, ts, value, flags = row.sample
    shown = None if math.isnan(value) else value
    return msgspec.json.encode((series.name, dict(series.labels), ts, shown, flags))


def read_message(payload, index):
    """Read what `message` wrote."""
    name, labels, ts, value, flags = msgspec.json.decode(payload)
    return [Sample(Series.of(name, labels), ts, math.nan if value is None else value, flags)], []


def logs_of(rows):
    """The log of each partition, in the order of writing; none is readable before those ahead."""
    logs = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.written):
        logs[row.partition].append(row)
    for log in logs.values():
        ready = 0
        for place, row in enumerate(log):
            ready = max(ready, row.written, row.readable)
            log[place] = replace(row, readable=ready)
    return [logs[number] for number in range(max(logs) + 1)]


@dataclass
class World:
    """streamgauge on some logs.

    Parameters
    ----------
    plan : FlowPlan
        With a partition for each log.
    logs : list of list of Row
    batch_rows : int

    Attributes
    ----------
    arrived : list of (float, Row)
        What was read, and when.
    said : dict of (float, Alert)
        Every record once, with the time at which it was first said.
    journals : list of list of (int, int)
        The idle advances of each partition.
    """

    plan: object
    logs: list
    batch_rows: int = 1000
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self):
        self.journals = [[] for _ in self.logs]
        self.letters = []
        self.said = {}
        self.said_again = 0
        self.arrived = []
        self._kept = None
        self._open(DirectFlow(self.plan), [None] * len(self.logs), [None] * len(self.logs))

    def live(self, until_s, *, stands=(), crash=None):
        """Let time pass.

        Parameters
        ----------
        until_s : float
        stands : sequence of (float, float)
            Stretches in which the process does not run.
        crash : (float, float) or None
            When the last checkpoint before a crash is taken, and when the process is there again.
        """
        with self.clock.running():
            while self.clock.now_s <= until_s:
                now = self.clock.now_s
                if not any(begin < now < end for begin, end in stands):
                    if crash and now == crash[1]:
                        self._restart()
                    self._read_all()
                    if crash and now == crash[0]:
                        self._checkpoint()
                self.clock.now_s += STEP_S
        return self

    def replay(self, journals):
        """Read the logs as fast as they can be read, with the idle advances of a live run."""
        self.close()
        self.clock.now_s = 10**6
        self._open(
            DirectFlow(self.plan), [{"idle": journal} for journal in journals],
            [None] * len(self.logs),
        )  # fmt: skip
        with self.clock.running():
            while self._read_all():
                pass
        return self

    def close(self):
        """End the readers."""
        for reader in self.readers:
            reader.close()

    def _open(self, flow, snapshots, positions):
        self.flow = flow
        self._heard = 0
        self._clients = []
        skew = Skew(MAX_SKEW_S * SECOND_NS, buffered_rows_max=10**9)
        self.readers = [
            self._reader(number, snapshot, position, skew)
            for number, (snapshot, position) in enumerate(zip(snapshots, positions, strict=True))
        ]
        for reader in self.readers:
            reader.snapshot()

    def _reader(self, number, snapshot, position, skew):
        def client(settings, partition, offset, *, headers):
            self._clients.append(LogClient(self.logs[number], offset, self.clock, self.arrived))
            return self._clients[-1]

        def given(offset, claim):
            self.journals[number].append((offset, claim))

        settings = KafkaSource(brokers="simulated", topic="t")
        with patch.object(kafka, "open_client", client):
            return KafkaReader(
                KafkaPartition(settings, number, number),
                codec=PlainCodec(read_message, limits=Limits()),
                intake=Intake(
                    PartitionClock(LATENESS_S * SECOND_NS),
                    max_ahead_ns=MAX_AHEAD_S * SECOND_NS,
                    detectors_of=self.plan.detectors_of,
                    rate=DeadLetterRate(10**9),
                ),
                skew=skew,
                epochs=Epochs(None),
                idle=IdleAdvances(
                    IDLE_TIMEOUT_S * SECOND_NS,
                    state=(snapshot or {}).get("idle"),
                    given=given,
                ),
                batch_rows=self.batch_rows,
                batch_age_ns=0,
                stopping=lambda: False,
                telemetry=Telemetry("0"),
                resume={"start": {"offset": 0}},
                resume_from=position,
            )

    def _read_all(self):
        """Read what there is and close an epoch; whether there was anything."""
        found = False
        for reader in self.readers:
            empty = 0
            while empty < 2:  # a full batch is given by the poll after the one that took it
                polled = reader.poll()
                self.letters += polled.dead_letters
                empty = empty + 1 if polled.batch is None else 0
                if polled.batch is not None:
                    self.flow.feed(polled.batch)
                    found = True
        for reader in self.readers:
            reader.snapshot()
        self._listen()
        return found

    def _listen(self):
        """Note what was said; what is said again must be the same."""
        alerts = [alert for alerts in self.flow.alerts.values() for alert in alerts]
        for alert in alerts[self._heard :]:
            said = None if alert.event is None else msgspec.json.encode(alert.event)
            key = alert.fingerprint, alert.tick, said
            self.said_again += key in self.said
            self.said.setdefault(key, (self.clock.now_s, alert))
        self._heard = len(alerts)

    def _checkpoint(self):
        """Keep the state of this moment, as the flow does at the close of an epoch."""
        positions = [
            {"offset": client.high() - reader.lag(), "newest": reader.intake.clock.newest}
            for client, reader in zip(self._clients, self.readers, strict=True)
        ]
        snapshots = [reader.snapshot() for reader in self.readers]
        self._kept = self.flow.state(), snapshots, positions

    def _restart(self):
        """Go on from the last checkpoint."""
        self.close()
        state, snapshots, positions = self._kept
        self._open(DirectFlow(self.plan).restore(state), snapshots, positions)
