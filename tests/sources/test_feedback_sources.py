"""When verdicts take effect: by their records, in log order, never in the past; files by time."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from engine.codecs.feedback import FeedbackCodec
from engine.codecs.samples import Limits
from engine.codecs.verdicts import UNIT_NS, unpacked
from engine.errors import UsageError
from engine.events import Reason
from engine.sources.feedback import FeedbackIntake
from engine.sources.feedback_files import open_feedback
from engine.sources.intake import DeadLetterRate
from engine.sources.kafka import record_ns
from engine.sources.partition_clock import NOT_YET, PartitionClock
from engine.sources.records import records_of

SECOND_NS = 10**9
BEGIN_NS = 1_760_000_000 * SECOND_NS
CODEC = FeedbackCodec(("default",), limits=Limits())


def at(seconds):
    return BEGIN_NS + seconds * SECOND_NS


def row(judged, given="", series="a"):
    """A record of a verdict on a sample, `judged` seconds after the begin."""
    moment = f', "at": {at(given) // 10**6}' if given != "" else ""
    text = f'{{"ts": {at(judged) // 10**6}, "series": "{series}", "verdict": "miss"{moment}}}'
    return text.encode()


def intake():
    return FeedbackIntake(
        PartitionClock(0),
        max_ahead_ns=60 * SECOND_NS,
        detectors_of=lambda _: 1,
        rate=DeadLetterRate(1000),
        place_of=lambda series: 77 if series.name == "placed" else None,
    )


def taken(given, rows, written):
    decoded = CODEC.decode(rows)
    return given.take(decoded.columns, decoded.new_series, np.array(written, np.int64))


def test_a_verdict_takes_effect_when_it_was_written():
    given = intake()
    columns = taken(given, [row(0), row(0, given=5), row(9)], [at(3), at(4), at(8)]).columns
    # The second says itself when; the last one judges what is newer than its record.
    assert columns.ts.tolist() == [at(3), at(5), at(9)]
    assert unpacked(columns.value, columns.ts)[2].tolist() == [at(0), at(0), at(9)]
    assert given.clock.claim == at(9)


def test_verdicts_keep_the_order_of_their_log():
    columns = taken(intake(), [row(0)] * 3, [at(5), at(5), at(2)]).columns
    assert columns.ts.tolist() == [at(5), at(5) + UNIT_NS, at(5) + 2 * UNIT_NS]


def test_no_verdict_is_late_after_a_silence():
    given = intake()
    given.clock.advance_to(at(60) + 1)
    columns = taken(given, [row(0)], [at(1)]).columns
    assert columns.ts.tolist() == [at(60) + UNIT_NS]


def test_a_wild_clock_is_refused():
    given = intake()
    found = taken(given, [row(100), row(0, given=100), row(0)], [at(1), at(1), at(1)])
    assert [(number, reason) for number, reason, _ in found.refused] == [
        (0, Reason.BAD_TIMESTAMP),
        (1, Reason.BAD_TIMESTAMP),
    ]
    assert found.columns.ts.tolist() == [at(1)]
    assert taken(given, [row(500)], [at(1)]).definitions == []


def test_a_record_without_a_timestamp_takes_effect_right_after_the_sample():
    none = record_ns(records_of([b""], [None], [0], [-1]))
    assert taken(intake(), [row(4)], none).columns.ts.tolist() == [at(4)]


def test_series_go_along_with_their_place_but_begin_nothing():
    found = taken(intake(), [row(0), row(0, series="placed")], [at(1), at(1)])
    assert [item.detectors for item in found.definitions] == [0, 0]
    assert [item.place for item in found.definitions][1] == 77
    assert found.place.tolist() == [found.columns.fingerprint[0], 77]
    assert found.population == []


def blocks_of(path, rows=10, start_row=0):
    (file,) = open_feedback(path, unit="auto", codec=CODEC)
    return list(file.blocks(rows, start_row))


FIELDS = {
    "ts": ["2025-10-09 08:53:25", "1760000000", "2025-10-09T08:53:22.5+00:00", "", "2025-10-09"],
    "series": ["a", "b", "c", "d", "e"],
    "verdict": ["miss"] * 5,
}


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_file_is_played_by_time(tmp_path, kind):
    path = tmp_path / f"feedback.{kind}"
    frame = pl.DataFrame(FIELDS)
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[kind](
        path
    )
    first, *others = blocks_of(path)
    assert [(item.message, item.reason) for item in first.rejects] == [(3, "bad_timestamp")]
    midnight = BEGIN_NS // (86_400 * SECOND_NS) * 86_400 * SECOND_NS
    assert first.advances == [(0, midnight - 1)]
    assert [block.columns.ts.tolist() for block in others] == [
        [midnight],
        [at(0), at(2) + SECOND_NS // 2, at(5)],
    ]
    assert [block.row.tolist() for block in others] == [[4], [1, 2, 0]]
    # Between verdicts the file promises that none comes.
    assert others[0].advances == [(1, at(0) - 1)]
    assert others[1].advances == []
    assert [block.next_row for block in (first, *others)] == [0, 1, 4]


def test_a_file_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "feedback.csv"
    pl.DataFrame(FIELDS).write_csv(path)
    _, *whole = blocks_of(path, rows=2)
    assert [len(block.columns) for block in whole] == [1, 2, 1]
    again = blocks_of(path, rows=2, start_row=3)
    assert [block.columns.ts.tolist() for block in again] == [whole[2].columns.ts.tolist()]


def test_verdicts_of_the_same_time_follow_each_other(tmp_path):
    path = tmp_path / "feedback.jsonl"
    lines = [row(0, given=1), b"", row(0, given=1), row(0, given=0, series="b")]
    path.write_bytes(b"\n".join(lines))
    columns = blocks_of(path)[1].columns
    assert columns.ts.tolist() == [at(0) + UNIT_NS, at(1), at(1) + UNIT_NS]
    assert unpacked(columns.value, columns.ts)[2].tolist() == [at(0)] * 3


def test_times_of_a_table_may_be_dates_and_times(tmp_path):
    path = tmp_path / "feedback.parquet"
    moment = dt.datetime(2025, 10, 9, 8, 53, 20, tzinfo=dt.UTC)
    frame = pl.DataFrame({"ts": [moment], "series": ["a"], "verdict": ["miss"]})
    frame.with_columns(at=pl.col("ts").dt.replace_time_zone(None)).write_parquet(path)
    assert blocks_of(path)[1].columns.ts.tolist() == [at(0) + UNIT_NS]


def test_a_table_without_the_fields_is_refused(tmp_path):
    path = tmp_path / "feedback.csv"
    path.write_text("ts,value\n1,2\n")
    with pytest.raises(UsageError, match="no column series or verdict; feedback has ts, series"):
        open_feedback(path, unit="auto", codec=CODEC)


def test_an_empty_file_ends_at_once(tmp_path):
    path = tmp_path / "feedback.jsonl"
    path.write_bytes(b"")
    (block,) = blocks_of(path)
    assert (len(block.columns), block.advances) == (0, [])
    assert intake().clock.claim == NOT_YET
