"""Wild clocks and late rows go out, in log order; new series are announced with their beginning."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.population import EXACT_MAX
from engine.events import Reason
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.sources import intake as intake_module
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.partition_clock import PartitionClock

SERIES = [Series.of("m", {"i": str(i)}) for i in range(4)]
LATENESS, AHEAD = 10, 20
LOG = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 120), st.integers(0, 120)), max_size=60
)  # (series, ts, record ts)


def intake_of(*, detectors_of=lambda series: 1, rate=10**9):
    return Intake(
        PartitionClock(LATENESS),
        max_ahead_ns=AHEAD,
        detectors_of=detectors_of,
        rate=DeadLetterRate(rate),
    )


def columns_of(rows):
    return Columns(
        np.array([SERIES[number].fingerprint for number, _, _ in rows], np.uint64),
        np.array([ts for _, ts, _ in rows], np.int64),
        np.arange(len(rows), dtype=np.float64),
        np.zeros(len(rows), np.uint8),
    )


def take(intake, rows, known):
    new = [SERIES[n] for n in dict.fromkeys(row[0] for row in rows) if n not in known]
    known |= {row[0] for row in rows}
    return intake.take(
        columns_of(rows), new, np.array([record for _, _, record in rows], np.int64)
    )  # fmt: skip


def naive_verdicts(log):
    newest, verdicts = None, []
    for _, ts, record in log:
        if ts > record + AHEAD:
            verdicts.append(Reason.BAD_TIMESTAMP)
        elif newest is not None and ts <= newest - LATENESS:
            verdicts.append(Reason.LATE)
        else:
            verdicts.append(None)
            newest = ts if newest is None else max(newest, ts)
    return verdicts


@settings(max_examples=200, deadline=None, derandomize=True)
@given(LOG, st.sets(st.integers(1, 60), max_size=6))
def test_equals_the_rules_at_any_cut(log, cuts):
    intake, known = intake_of(), set()
    expected = naive_verdicts(log)
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    begins, announced = {}, {}
    for begin, end in itertools.pairwise(edges):
        taken = take(intake, log[begin:end], known)
        verdicts = dict.fromkeys(range(end - begin))
        verdicts |= {row: reason for row, reason, _ in taken.refused}
        assert [verdicts[row] for row in range(end - begin)] == expected[begin:end]
        good = [row for row, verdict in verdicts.items() if verdict is None]
        assert taken.columns.value.tolist() == good
        assert sum(taken.counts.values()) == len(taken.refused)
        for row in good:
            number, ts, _ = log[begin + row]
            begins[number] = min(ts, begins.get(number, ts))
        for definition in taken.definitions:
            number = SERIES.index(definition.series)
            # Said again only when a row turns up that is earlier than the first.
            assert definition.first_ts < announced.get(number, definition.first_ts + 1)
            announced[number] = definition.first_ts
        assert taken.population == taken.definitions
        assert announced == begins


def test_a_wild_clock_moves_nothing():
    intake = intake_of()
    rows = [(0, 100, 100), (0, 121, 100), (0, 95, 100)]
    taken = take(intake, rows, set())
    assert [(row, reason) for row, reason, _ in taken.refused] == [(1, Reason.BAD_TIMESTAMP)]
    assert intake.clock.newest == 100
    assert len(taken.columns) == 2


def test_without_record_timestamps_no_clock_is_wild():
    taken = intake_of().take(columns_of([(0, 10**6, 0)]), SERIES[:1])
    assert taken.refused == []
    assert taken.counts == {}


def test_a_series_is_announced_with_its_first_good_row():
    intake, known = intake_of(), set()
    take(intake, [(0, 100, 100)], known)
    assert take(intake, [(1, 5, 5)], known).definitions == []
    definitions = take(intake, [(1, 99, 99)], known).definitions
    assert [(item.series, item.first_ts) for item in definitions] == [(SERIES[1], 99)]


def test_series_that_nothing_watches_are_not_told_to_all_shards():
    intake = intake_of(detectors_of=lambda series: 2 * (series is SERIES[1]))
    taken = take(intake, [(0, 1, 1), (1, 1, 1)], set())
    assert {item.series: item.detectors for item in taken.definitions} == {
        SERIES[0]: 0, SERIES[1]: 2,
    }  # fmt: skip
    assert [item.series for item in taken.population] == [SERIES[1]]


def test_all_shards_are_told_of_as_many_as_they_count():
    intake = intake_of()
    series = [Series.of("m", {"i": str(i)}) for i in range(EXACT_MAX + 50)]
    told = 0
    for begin in range(0, len(series), 500):
        part = series[begin : begin + 500]
        columns = Columns(
            np.array([item.fingerprint for item in part], np.uint64),
            np.full(len(part), 7), np.zeros(len(part)), np.zeros(len(part), np.uint8),
        )  # fmt: skip
        taken = intake.take(columns, part)
        assert len(taken.definitions) == len(part)
        told += len(taken.population)
    assert told == EXACT_MAX


def test_a_flood_of_bad_rows_is_counted_and_written_in_part(monkeypatch):
    monkeypatch.setattr(intake_module, "elapsed_ns", lambda: 5 * 10**9)
    intake = intake_of(rate=3)
    taken = take(intake, [(0, 100, 100)] + [(0, 1, 1)] * 8, set())
    assert [row for row, _, _ in taken.refused] == [1, 2, 3]
    assert taken.counts == {Reason.LATE: 8}
    assert intake.rate.suppressed == 5


def test_the_rate_is_one_of_each_second(monkeypatch):
    now = [0]
    monkeypatch.setattr(intake_module, "elapsed_ns", lambda: now[0])
    rate = DeadLetterRate(10)
    allowed = []
    for second in (0.0, 0.5, 0.999, 1.0, 7.25):
        now[0] = int(second * 10**9)
        allowed.append(rate.allow(6))
    assert allowed == [6, 4, 0, 6, 6]
    assert rate.suppressed == 8


@pytest.mark.parametrize("rows", [[], [(0, 5, 5)]])
def test_empty_calls_change_nothing(rows):
    intake = intake_of()
    take(intake, rows, set())
    claim = intake.clock.claim
    taken = intake.take(Columns.empty(), [])
    assert (len(taken.columns), taken.definitions, intake.clock.claim) == (0, [], claim)
