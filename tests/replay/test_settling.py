"""Advances of the watermark stand where the run made them, whenever its journal says so.

Method: rows and journal lines come in any order of wall time; the recording is read back and must
be the one that the finished journal asks for.
"""

import msgspec
import numpy as np
import pytest

from engine.replay import settling
from engine.replay.settling import Log, Settling
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.sinks.recording_writer import RecordingWriter
from engine.sources.journal import Journal
from engine.sources.recording_files import open_recording

SERIES = Series.of("cpu", {"host": "a"})
WAIT_NS = 1_000


class Clock:
    def __init__(self):
        self.now_ns = 0

    def elapsed_ns(self):
        return self.now_ns

    def sleep(self, duration_s):
        self.now_ns += int(duration_s * 1e9)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(settling, "elapsed_ns", clock.elapsed_ns)
    monkeypatch.setattr(settling, "sleep", clock.sleep)
    return clock


class Bench:
    """A recording in the making, with the journal of a run beside it."""

    def __init__(self, folder, has_state=True):
        self.folder = folder / "recording"
        self.journal = Journal(folder / "state" / "idle.jsonl")
        if has_state:
            self.journal.path.parent.mkdir()
        self.writer = RecordingWriter(self.folder)
        self.writer.define([SERIES])
        self.settling = Settling(self.journal, wait_ns=WAIT_NS)

    def log(self, offset=0, partition=0):
        log = Log("t", partition, offset, self.writer)
        self.settling.logs.append(log)
        return log

    def add(self, log, offsets, *, end_offset=None):
        """Add rows whose timestamps are their offsets."""
        offsets = np.array(offsets, np.int64)
        rows = len(offsets)
        columns = Columns(
            np.full(rows, SERIES.fingerprint, np.uint64),
            offsets,
            np.zeros(rows),
            np.zeros(rows, np.uint8),
        )
        self.settling.add(
            log, columns, offsets, end_offset=offsets[-1] + 1 if end_offset is None else end_offset
        )

    def written(self):
        """Give the rows of each partition: a number for a sample, ("to", ts) for an advance."""
        self.settling.finish()
        self.writer.close()
        found = {}
        for partition in open_recording(self.folder).partitions:
            rows = found[partition.key] = []
            for block in partition.blocks(100):
                begin = 0
                for position, ts in (*block.advances, (len(block.columns), None)):
                    rows += block.columns.ts[begin:position].tolist()
                    begin = position
                    if ts is not None:
                        rows.append(("to", ts))
        return found


def test_an_advance_stands_before_its_offset(tmp_path, clock):
    bench = Bench(tmp_path)
    bench.journal.write("t/0", 2, 77)
    log = bench.log()
    bench.add(log, [0, 1, 2, 3])
    assert bench.written() == {"t-0.parquet": [0, 1, ("to", 77), 2, 3]}
    assert (bench.settling.samples, bench.settling.advances) == (4, 1)


def test_an_advance_that_is_journaled_after_its_message_was_read_is_in_time(tmp_path, clock):
    bench = Bench(tmp_path)
    log = bench.log()
    bench.add(log, [0, 1])
    bench.settling.settle()
    clock.now_ns += WAIT_NS - 1
    bench.settling.settle()
    bench.journal.write("t/0", 1, 77)
    clock.now_ns += 1
    bench.settling.settle()
    assert bench.settling.samples == 2
    assert bench.written() == {"t-0.parquet": [0, ("to", 77), 1]}


def test_an_advance_in_a_silence_that_goes_on_is_written_once_with_its_furthest(tmp_path, clock):
    bench = Bench(tmp_path)
    log = bench.log()
    bench.add(log, [0])
    for ts in (10, 20, 30):
        bench.journal.write("t/0", 1, ts)
        clock.now_ns += WAIT_NS
        bench.settling.settle()
    bench.add(log, [1])
    bench.journal.write("t/0", 2, 40)
    assert bench.written() == {"t-0.parquet": [0, ("to", 30), 1, ("to", 40)]}


def test_advances_before_the_beginning_and_behind_the_end_are_left_out(tmp_path, clock):
    bench = Bench(tmp_path)
    for offset in (4, 5, 7, 8):
        bench.journal.write("t/0", offset, offset * 10)
    log = bench.log(offset=5)
    bench.add(log, [5, 6])
    assert bench.written() == {"t-0.parquet": [("to", 50), 5, 6, ("to", 70)]}


def test_advances_between_messages_without_good_rows_are_kept(tmp_path, clock):
    bench = Bench(tmp_path)
    bench.journal.write("t/0", 1, 10)
    bench.journal.write("t/0", 4, 40)
    log = bench.log()
    bench.add(log, [], end_offset=3)
    bench.add(log, [5], end_offset=6)
    assert bench.written() == {"t-0.parquet": [("to", 10), ("to", 40), 5]}


def test_each_partition_has_its_own(tmp_path, clock):
    bench = Bench(tmp_path)
    bench.journal.write("t/1", 1, 10)
    bench.journal.write("u/0", 1, 20)
    logs = bench.log(), bench.log(partition=1), bench.log(partition=2)
    bench.add(logs[1], [0, 1])
    bench.add(logs[0], [0, 1])
    assert bench.written() == {"t-0.parquet": [0, 1], "t-1.parquet": [0, ("to", 10), 1]}


def test_a_partition_that_has_nothing_but_advances_reads_back(tmp_path, clock):
    bench = Bench(tmp_path)
    bench.journal.write("t/0", 0, 10)
    bench.log()
    assert bench.written() == {"t-0.parquet": [("to", 10)]}


def test_without_a_state_folder_nothing_waits(tmp_path, clock):
    bench = Bench(tmp_path, has_state=False)
    log = bench.log()
    bench.add(log, [0, 1])
    bench.settling.settle()
    assert bench.settling.samples == 2


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path, clock):
    bench = Bench(tmp_path)
    log = bench.log()
    bench.add(log, [0, 1])
    line = msgspec.json.encode({"partition": "t/0", "offset": 1, "ts": 77})
    bench.journal.path.write_bytes(line[:20])
    bench.settling.settle()
    bench.journal.path.write_bytes(line + b"\n")
    assert bench.written() == {"t-0.parquet": [0, ("to", 77), 1]}


def test_what_waits_is_bounded(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(settling, "ROWS_BUFFERED_MAX", 3)
    bench = Bench(tmp_path)
    log = bench.log()
    bench.add(log, [0, 1])
    assert bench.settling.has_room
    bench.add(log, [], end_offset=3)
    assert not bench.settling.has_room
    clock.now_ns += WAIT_NS
    bench.settling.settle()
    assert bench.settling.has_room
