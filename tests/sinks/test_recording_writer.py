"""What the writer appends reads back bit for bit: whole, in parts, and after a crash."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import SinkError, UsageError
from engine.series.columns import FLAG_DELTA, FLAG_RESET, FLAG_STALE, STALE_NAN_BITS, Columns
from engine.series.identity import Series
from engine.sinks.recording_writer import RecordingWriter
from engine.sources.recording_files import open_recording

SERIES = [
    Series.of("cpu_usage", {"host": "web-1"}),
    Series.of("cpu_usage", {"host": 'a"b\\c\n{é}', "zone": "🦆"}),
    Series.of("up", {}),
    Series.of("name with spaces", {"label with spaces": "\x01"}),
]
SPECIAL_BITS = [int(STALE_NAN_BITS), 0x7FF8000000000001, 0x8000000000000000, 0x7FF0000000000000]


def columns_of(rows):
    """Columns from (series index, ts, value bits, flags)."""
    return Columns(
        np.array([SERIES[one].fingerprint for one, *_ in rows], np.uint64),
        np.array([ts for _, ts, *_ in rows], np.int64),
        np.array([bits for *_, bits, _ in rows], np.uint64).view(np.float64),
        np.array([flags for *_, flags in rows], np.uint8),
    )


def log_of(blocks):
    """Samples and advances of blocks as one list, in order, bits and all."""
    log = []
    for block in blocks:
        assert not block.rejects
        samples = list(
            zip(
                block.columns.fingerprint.tolist(),
                block.columns.ts.tolist(),
                block.columns.value.view(np.uint64).tolist(),
                block.columns.flags.tolist(),
                strict=True,
            )
        )
        begin = 0
        for position, ts in block.advances:
            log += [*samples[begin:position], ("advance", ts)]
            begin = position
        log += samples[begin:]
    return log


def write(writer, partition, batches):
    writer.define(SERIES)
    for rows, advances in batches:
        writer.append(partition, columns_of(rows), advances=advances)


def expected_log(batches):
    log = []
    for rows, advances in batches:
        begin = 0
        for position, ts in [*advances, (len(rows), None)]:
            log += [(SERIES[one].fingerprint, *rest) for one, *rest in rows[begin:position]]
            log += [] if ts is None else [("advance", ts)]
            begin = position
    return log


times = st.integers(-(2**63) + 1, 2**63 - 1)
values = st.sampled_from(SPECIAL_BITS) | st.integers(0, 2**64 - 1)
row_lists = st.lists(
    st.tuples(st.integers(0, len(SERIES) - 1), times, values, st.integers(0, 7)), max_size=12
)


@st.composite
def batch_lists(draw):
    batches = []
    for rows in draw(st.lists(row_lists, min_size=1, max_size=4)):
        positions = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=3)))
        batches.append((rows, [(position, draw(times)) for position in positions]))
    return batches


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=batch_lists(),
    buffered=st.integers(1, 20),
    rows=st.integers(1, 7),
    crash=st.booleans(),
)
def test_what_is_written_reads_back_bit_for_bit(tmp_path_factory, batches, buffered, rows, crash):
    folder = tmp_path_factory.mktemp("recording")
    writer = RecordingWriter(folder, rows_buffered_max=buffered)
    write(writer, "metrics/0", batches)
    if crash:
        writer.flush()
    else:
        writer.close()
    expected = expected_log(batches)
    if not expected:
        return
    (partition,) = open_recording(folder).partitions
    assert partition.key == ("metrics/0.parts" if crash else "metrics/0.parquet")
    assert log_of(partition.blocks(rows)) == expected
    assert log_of(partition.blocks(rows, start_row=2)) == expected[2:]
    used = {entry[0] for entry in expected} - {"advance"}
    new = [one for block in partition.blocks(rows) for one in block.new_series]
    assert {one.fingerprint for one in new} == used
    assert len(new) == len(used)


def rows_at(*times, flags=0):
    return [(0, ts, 0, flags) for ts in times]


@pytest.mark.parametrize(
    ("bits", "flags", "stored"),
    [
        (0, 0, False),
        (int(STALE_NAN_BITS), int(FLAG_STALE), False),
        (int(STALE_NAN_BITS), 0, True),
        (0, int(FLAG_STALE), True),
        (0, int(FLAG_DELTA), True),
        (0, int(FLAG_RESET), True),
    ],
)
def test_flags_take_a_column_only_where_the_value_does_not_say_them(tmp_path, bits, flags, stored):
    with RecordingWriter(tmp_path) as writer:
        write(writer, "p", [([(0, 1, bits, flags)], [])])
    (partition,) = open_recording(tmp_path).partitions
    assert partition.layout.has_flags == stored
    (block,) = partition.blocks(10)
    assert block.columns.flags.tolist() == [flags]


def test_a_crash_loses_only_what_was_not_flushed(tmp_path):
    writer = RecordingWriter(tmp_path)
    write(writer, "p", [(rows_at(1, 2), [])])
    writer.flush()
    write(writer, "p", [(rows_at(3), [])])
    del writer
    (tmp_path / "p.parts" / "part-000001.parquet.tmp").write_bytes(b"half a file")
    (partition,) = open_recording(tmp_path).partitions
    assert [block.columns.ts.tolist() for block in partition.blocks(10)] == [[1, 2]]


def test_parts_beside_their_merged_file_are_left_over(tmp_path):
    with RecordingWriter(tmp_path) as writer:
        write(writer, "p", [(rows_at(1, 2), [])])
    other = RecordingWriter(tmp_path / "other")
    write(other, "p", [(rows_at(1), [])])
    other.flush()
    (tmp_path / "other" / "p.parts").rename(tmp_path / "p.parts")
    (partition,) = open_recording(tmp_path).partitions
    assert partition.key == "p.parquet"


def test_leaving_with_an_exception_keeps_the_parts(tmp_path):
    def fail():
        with RecordingWriter(tmp_path, rows_buffered_max=1) as writer:
            write(writer, "p", [(rows_at(1), [])])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["p.parts"]


def test_partitions_are_files_of_their_own(tmp_path):
    with RecordingWriter(tmp_path, rows_buffered_max=1) as writer:
        write(writer, "b", [(rows_at(2), [])])
        write(writer, "a", [(rows_at(1), []), (rows_at(3), [])])
    found = open_recording(tmp_path).partitions
    assert [one.key for one in found] == ["a.parquet", "b.parquet"]
    assert log_of(found[0].blocks(10)) == expected_log([(rows_at(1, 3), [])])


def test_a_folder_with_a_recording_is_refused(tmp_path):
    with RecordingWriter(tmp_path) as writer:
        write(writer, "p", [(rows_at(1), [])])
    with pytest.raises(UsageError, match="another folder"):
        RecordingWriter(tmp_path)


@pytest.mark.parametrize("key", ["", "../p", "/p", "a/../../p"])
def test_a_key_can_not_leave_the_folder(tmp_path, key):
    writer = RecordingWriter(tmp_path / "r")
    with pytest.raises(UsageError, match="inside the recording"):
        write(writer, key, [(rows_at(1), [])])


def test_samples_of_an_undefined_series_are_refused(tmp_path):
    writer = RecordingWriter(tmp_path)
    with pytest.raises(KeyError):
        writer.append("p", columns_of(rows_at(1)))


def test_a_disk_that_does_not_take_it_is_a_sink_error(tmp_path):
    writer = RecordingWriter(tmp_path)
    write(writer, "p", [(rows_at(1), [])])
    (tmp_path / "p.parts").write_text("a file where the folder should be")
    with pytest.raises(SinkError, match=r"part-000000\.parquet: can't be written"):
        writer.flush()


def test_parts_can_be_opened_by_themselves(tmp_path):
    writer = RecordingWriter(tmp_path)
    write(writer, "p", [(rows_at(1, 2), [])])
    writer.flush()
    (partition,) = open_recording(tmp_path / "p.parts").partitions
    assert log_of(partition.blocks(10)) == expected_log([(rows_at(1, 2), [])])
