"""What a source leaves out is counted, and event time has seen it."""

import math

import numpy as np
import pytest

from engine.codecs.native_json import NativeJsonCodec
from engine.config.connections import Source
from engine.config.relabel import RelabelConfig
from engine.events import Reason
from engine.series.columns import FLAG_DROPPED, FLAG_STALE, STALE_NAN_BITS, Columns
from engine.series.identity import Series
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.partition_clock import PartitionClock
from engine.sources.sieve import Sieve, SievedCodec

STALE = int(FLAG_STALE)
SERIES = Series.of("m", {})
VALUES = (1.0, math.nan, math.inf, -math.inf, math.nan, 2.0)
FLAGS = (0, 0, 0, 0, STALE, 0)  # the second NaN is a stale marker already


def sifted(**rules):
    columns = Columns(
        np.full(len(VALUES), SERIES.fingerprint, np.uint64),
        np.arange(len(VALUES)),
        np.array(VALUES),
        np.array(FLAGS, np.uint8),
    )
    return Sieve(Source(**rules), entries_max=10).sift(columns, [SERIES])


@pytest.mark.parametrize(
    ("rules", "left", "dropped"),
    [
        ({}, [0, 1, 2, 3, 4, 5], {}),
        ({"nan": "drop"}, [0, 2, 3, 4, 5], {"nan": 1}),
        ({"infinity": "drop"}, [0, 1, 4, 5], {"infinity": 2}),
        ({"nan": "drop", "infinity": "drop"}, [0, 4, 5], {"nan": 1, "infinity": 2}),
        ({"relabel": (RelabelConfig(action="drop", match="m"),)}, [], {"relabel": 6}),
        ({"relabel": (RelabelConfig(action="drop", match="n"),)}, [0, 1, 2, 3, 4, 5], {}),
    ],
)
def test_rows_are_marked_and_counted(rules, left, dropped):
    columns, _, counts = sifted(**rules)
    assert len(columns) == len(VALUES)
    assert np.flatnonzero(columns.flags & FLAG_DROPPED == 0).tolist() == left
    assert counts == dropped


def test_a_nan_can_end_its_series():
    columns, new_series, dropped = sifted(nan="stale")
    assert columns.flags.tolist() == [0, STALE, 0, 0, STALE, 0]
    assert columns.value.view(np.uint64)[1] == STALE_NAN_BITS
    assert (new_series, dropped) == ([SERIES], {})


def taken_of(rows, *, lateness_ns=10, max_ahead_ns=1000, **rules):
    """Take rows (name, ts, record_ts) as JSON through the sieve and the intake."""
    intake = Intake(
        PartitionClock(lateness_ns),
        max_ahead_ns=max_ahead_ns,
        detectors_of=lambda _: 0,
        rate=DeadLetterRate(100),
    )
    codec = SievedCodec(NativeJsonCodec, Sieve(Source(**rules), entries_max=10))
    decoded = codec.decode([b'{"ts":%d,"name":"%b","value":1}' % (ts, n) for n, ts, _ in rows])
    stamps = np.array([record_ts for _, _, record_ts in rows]) * 10**6
    return intake, intake.take(decoded.columns, decoded.new_series, stamps)


def test_what_is_left_out_counts_as_event_time_but_not_as_late():
    rules = {"relabel": (RelabelConfig(action="drop", match="out"),)}
    rows = [
        (b"in", 100, 100),
        (b"out", 500, 500),  # moves the clock
        (b"in", 200, 500),  # so this is late
        (b"out", 100, 500),  # as this would be
        (b"out", 9_000, 500),  # a wild clock moves nothing
        (b"in", 501, 501),
    ]
    intake, taken = taken_of(rows, lateness_ns=10 * 10**6, max_ahead_ns=10**9, **rules)
    assert taken.columns.ts.tolist() == [100 * 10**6, 501 * 10**6]
    assert taken.counts == {Reason.LATE: 1}
    assert [definition.series.name for definition in taken.definitions] == ["in"]
    assert intake.clock.newest == 501 * 10**6


def test_a_partition_of_nothing_else_holds_nothing_back():
    rules = {"relabel": (RelabelConfig(action="drop", match="out"),)}
    intake, taken = taken_of([(b"out", 500, 500)], **rules)
    assert len(taken.columns) == 0
    assert intake.clock.newest == 500 * 10**6
