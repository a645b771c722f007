"""Leaves give at each tick what a look at all samples gives, however the stream is cut."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_leaves import leaf_at

from engine.promql.parse import Language, parse_condition
from engine.promql.prepare import leaf_of
from engine.promql.syntax import VectorSelector
from engine.rules.leaves import RAW, Leaves
from engine.rules.queries import Query
from engine.rules.reads import ended
from engine.series.identity import Series
from engine.series.order import ordered

SECOND_NS = 10**9
LOOKBACK_NS = 20 * SECOND_NS
SLOTS = 3
SERIES = [Series.of("m", {"i": str(slot)}) for slot in range(SLOTS)]
EXPRESSIONS = (
    "m", "m > 0.5", 'm{i="1"} <= 0', 'm{i!="0"} offset 7s', "m offset 25s != 1",
    "sum_over_time(m[12s])", "max_over_time(m[30s]) >= 1", "avg_over_time(m[9s] offset 11s)",
    "last_over_time(m[15s])", "count_over_time(m[10s]) > 1", 'stddev_over_time({i="2"}[1m])',
    "timestamp(m)", "timestamp(m offset 7s) > 30", "ended(m)", "ended(m offset 9s)",
    "quantile_over_time(0.3, m[40s])", "predict_linear(m[1m], 60)", "changes(m[33s] offset 5s)",
    "rate(m[45s])", "max_over_time(m[5s]) != 1",
)  # fmt: skip
LANES = ((0,), (1,), (0, 1))


def queries_of(intervals=(10, 15)):
    """All expressions, each at one of the intervals (seconds), and the plain selector at all."""
    queries = [query(text, intervals[i % len(intervals)]) for i, text in enumerate(EXPRESSIONS)]
    return tuple(queries + [query("m", interval) for interval in intervals[1:]])


def query(text, interval_s):
    return Query(leaf_called(text), interval_s * SECOND_NS)


def leaf_called(text):
    language = Language(60 * SECOND_NS, 10**15)
    if not text.startswith("ended("):
        return leaf_of(parse_condition(text, language))
    # What tells that a source ended a series has no name in the language.
    selector = parse_condition(text.removeprefix("ended(").removesuffix(")"), language)
    assert isinstance(selector, VectorSelector)
    return leaf_of(ended(selector))


def leaves_of(queries, *, samples_max=1000, lookback=LOOKBACK_NS):
    lanes_of = [LANES[number % len(LANES)] for number in range(len(queries))]
    leaves = Leaves(queries, lanes_of, samples_max=samples_max)
    leaves.grow(np.full(SLOTS, lookback))
    leaves.add(RAW, np.arange(SLOTS, dtype=np.int32), SERIES)
    return leaves


def rows_between(samples, after, until):
    inside = [sample for sample in samples if after < sample[1] <= until]
    slot, ts, value, flags = zip(*inside, strict=True) if inside else ((), (), (), ())
    return ordered(
        np.array(slot, np.int32), np.array(ts, np.int64), np.array(value, np.float64),
        np.array(flags, np.uint8), SLOTS,
    )  # fmt: skip


def said(found):
    """Results as a set, values by their bits."""
    rows = [
        (*row, value.hex())
        for part in found
        for *row, value in zip(
            part.query.tolist(), part.tick.tolist(), part.slot.tolist(), part.value.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    assert len(rows) == len(set(rows))
    return set(rows)


def run(leaves, samples, watermarks, after=-(2**63)):
    results = set()
    for watermark in watermarks:
        rows = rows_between(samples, after, watermark)
        new = said(leaves.evaluate(rows, {RAW: rows.value}, watermark))
        assert not new & results
        results |= new
        after = watermark
    return results


def naive(queries, samples, until, lookback=LOOKBACK_NS):
    """Look at all samples for every tick, query and series."""
    series = {
        slot: sorted((ts, value, flags & 1) for at, ts, value, flags in samples if at == slot)
        for slot in range(SLOTS)
    }
    first = min((sample[1] for sample in samples), default=until + 1)
    results = set()
    for number, asked in enumerate(queries):
        interval = asked.interval_ns
        for tick in range(-(-first // interval) * interval, until + 1, interval):
            for slot, kept in series.items():
                selector = asked.leaf.selector
                if selector.matches(SERIES[slot].name, dict(SERIES[slot].labels)):
                    value = leaf_at(asked.leaf, kept, tick, lookback)
                    if value is not None:
                        results.add((number, tick, slot, float(value).hex()))
    return results


END_S = 150
CELLS = st.dictionaries(
    st.tuples(st.integers(0, SLOTS - 1), st.integers(0, END_S * 2)),  # slot, half seconds
    st.tuples(
        st.sampled_from([0.0, 1.0, 0.1, -2.5, 1e9, math.inf, math.nan]),
        st.sampled_from([0, 0, 0, 0, 1]),
    ),
    max_size=40,
)
CUTS = st.lists(st.integers(0, END_S * 2 - 1), max_size=12, unique=True).map(sorted)
HALF_NS = SECOND_NS // 2


def samples_of(cells):
    return [(slot, half * HALF_NS, value, flags) for (slot, half), (value, flags) in cells.items()]


@settings(max_examples=120, deadline=None, derandomize=True)
@given(CELLS, CUTS)
def test_any_cut_gives_what_all_samples_give(cells, cuts):
    samples, queries = samples_of(cells), queries_of()
    watermarks = [cut * HALF_NS for cut in (*cuts, END_S * 2)]
    got = run(leaves_of(queries), samples, watermarks)
    assert got == naive(queries, samples, watermarks[-1])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(CELLS, CUTS, st.integers(0, 12))
def test_a_restored_state_goes_on(cells, cuts, at):
    samples, queries = samples_of(cells), queries_of()
    watermarks = [cut * HALF_NS for cut in (*cuts, END_S * 2)]
    at = min(at, len(watermarks) - 1)
    leaves = leaves_of(queries)
    before = run(leaves, samples, watermarks[:at])
    again = leaves_of(queries)
    again.restore({name: array.copy() for name, array in leaves.arrays().items()}, leaves.meta())
    after = watermarks[at - 1] if at else -(2**63)
    for continued in (leaves, again):
        rest = run(continued, samples, watermarks[at:], after)
        assert before | rest == naive(queries, samples, watermarks[-1])


def test_a_first_sample_between_ticks_is_seen_at_the_next_tick():
    # The watermark passes the sample before a tick is due, and nothing else arrives.
    leaves = leaves_of((query("m", 10),))
    samples = [(0, 3 * SECOND_NS, 1.0, 0)]
    got = run(leaves, samples, [4 * SECOND_NS, 9 * SECOND_NS, 31 * SECOND_NS])
    assert {tick for _, tick, _, _ in got} == {10 * SECOND_NS, 20 * SECOND_NS}


def test_nothing_is_due_before_the_first_sample():
    leaves = leaves_of((query("m", 10),))
    assert run(leaves, [], [500 * SECOND_NS, 900 * SECOND_NS]) == set()
    assert leaves.next_tick(900 * SECOND_NS)


def test_each_slot_has_its_own_lookback():
    queries = query("m", 10), query("m offset 10s", 10)
    leaves = Leaves(queries, [(0,), (0,)], samples_max=10)
    leaves.grow(np.array([10, 50, 10]) * SECOND_NS)
    leaves.add(RAW, np.arange(SLOTS, dtype=np.int32), SERIES)
    samples = [(0, 5 * SECOND_NS, 1.0, 0), (1, 5 * SECOND_NS, 1.0, 0)]
    got = {(number, slot, tick // SECOND_NS) for number, tick, slot, _ in
           run(leaves, samples, [200 * SECOND_NS])}  # fmt: skip
    assert got == {
        (0, 0, 10), *((0, 1, tick) for tick in range(10, 51, 10)),
        (1, 0, 20), *((1, 1, tick) for tick in range(20, 61, 10)),
    }  # fmt: skip


def test_results_go_where_their_queries_do():
    queries = queries_of()
    leaves = leaves_of(queries)
    samples = [(slot, second * SECOND_NS, 1.0, 0) for slot in range(SLOTS) for second in (1, 50)]
    rows = rows_between(samples, 0, 10**12)
    found = leaves.evaluate(rows, {RAW: rows.value}, 60 * SECOND_NS)
    assert {part.lanes for part in found} == set(LANES)
    pairs = {}
    for part in found:
        for pair, number, slot in zip(
            part.pair.tolist(), part.query.tolist(), part.slot.tolist(), strict=True
        ):
            assert part.lanes == LANES[number % len(LANES)]
            assert part.interval_ns == queries[number].interval_ns
            assert pairs.setdefault(pair, (number, slot)) == (number, slot)
    assert len(set(pairs.values())) == len(pairs) <= leaves.pairs


@settings(max_examples=40, deadline=None, derandomize=True)
@given(CELLS, CUTS)
def test_evaluating_at_given_ticks_remembers_nothing(cells, cuts):
    samples, queries = samples_of(cells), queries_of((10, 10))
    leaves, after = leaves_of(queries), -(2**63)
    expected = naive(queries, samples, END_S * SECOND_NS)
    first = min((sample[1] for sample in samples), default=0)
    done = -(-first // (10 * SECOND_NS)) * 10 * SECOND_NS
    for cut in (*cuts, END_S * 2):
        until = cut * HALF_NS
        rows = rows_between(samples, after, until)
        ticks = range(done, until + 1, 10 * SECOND_NS)
        for _ in range(2):
            found = leaves.evaluate_at(rows, {RAW: rows.value}, 10 * SECOND_NS, ticks)
            assert said(found) == {row for row in expected if row[1] in ticks}
        done += len(ticks) * 10 * SECOND_NS
        leaves.remember(rows, {RAW: rows.value}, done)
        after = until


def test_before_a_first_tick_all_is_kept():
    leaves = leaves_of((query("sum_over_time(m[40s])", 10),))
    rows = rows_between([(0, 5 * SECOND_NS, 1.0, 0)], 0, 10**12)
    leaves.remember(rows, {RAW: rows.value}, -(2**63))
    assert leaves.arrays()[f"{RAW}|pool|count"].sum() == 1


def test_series_that_come_later_join_their_queries():
    queries = (query("sum_over_time(m[40s])", 10),)
    leaves = Leaves(queries, [(0,)], samples_max=10)
    samples = [(slot, (10 * slot + 1) * SECOND_NS, 1.0, 0) for slot in range(SLOTS)]
    got, after = set(), -(2**63)
    for slot in range(SLOTS):
        leaves.grow(np.array([LOOKBACK_NS]))
        leaves.add(RAW, np.array([slot], np.int32), SERIES[slot : slot + 1])
        watermark = (10 * slot + 5) * SECOND_NS
        rows = rows_between(samples, after, watermark)
        # A block has an edge for every slot that is known now.
        rows = ordered(rows.slot, rows.ts, rows.value, rows.flags, slot + 1)
        got |= said(leaves.evaluate(rows, {RAW: rows.value}, watermark))
        after = watermark
    got |= run(leaves, samples, [100 * SECOND_NS], after)
    assert got == naive(queries, samples, 100 * SECOND_NS)


def test_streams_are_told_apart():
    anomalies = [Series.of("anomaly_onset", {"i": str(slot)}) for slot in range(SLOTS)]
    queries = (query("m", 10), query("max_over_time(anomaly_onset[10s]) > 1", 10))
    leaves = leaves_of(queries)
    assert leaves.wants("anomaly_onset")
    assert not leaves.wants("anomaly_state")
    leaves.add("watch|onset", np.arange(SLOTS, dtype=np.int32), anomalies)
    rows = rows_between([(0, SECOND_NS, 5.0, 0), (1, SECOND_NS, 6.0, 0)], 0, 10**12)
    values = {RAW: rows.value, "watch|onset": np.array([0.5, 3.0])}
    found = leaves.evaluate(rows, values, 10 * SECOND_NS)
    assert {(part.query[0], part.stream, tuple(part.value.tolist())) for part in found} == {
        (0, RAW, (5.0, 6.0)), (1, "watch|onset", (3.0,)),
    }  # fmt: skip


def test_a_full_window_loses_its_oldest_samples_and_counts_them():
    leaves = leaves_of((query("count_over_time(m[50s])", 10),), samples_max=5)
    samples = [(0, second * SECOND_NS, 1.0, 0) for second in range(1, 31)]
    got = run(leaves, samples, [second * SECOND_NS for second in range(1, 41)])
    assert {value for _, _, _, value in got} == {(5.0).hex(), (6.0).hex()}
    assert leaves.samples_lost == 25


def test_a_query_that_is_new_after_a_restart_keeps_to_its_own_ticks():
    samples = [(0, second * SECOND_NS, float(second), 0) for second in range(1, 200, 5)]
    leaves = leaves_of((query("m", 10),))
    run(leaves, samples, [100 * SECOND_NS])
    changed = (query("m", 10), query("m", 45))
    again = leaves_of(changed)
    again.restore(leaves.arrays(), leaves.meta())
    got = run(again, samples, [200 * SECOND_NS], 100 * SECOND_NS)
    ticks = {tick // SECOND_NS for number, tick, _, _ in got if number == 1}
    assert ticks == {135, 180}


def test_a_window_that_is_gone_after_a_restart_holds_nothing():
    samples = [(0, second * SECOND_NS, 1.0, 0) for second in range(1, 400)]
    leaves = leaves_of((query("sum_over_time(m[30s])", 10),))
    run(leaves, samples, [100 * SECOND_NS])
    again = leaves_of((query("m", 10),))
    again.restore(leaves.arrays(), leaves.meta())
    run(again, samples, [second * SECOND_NS for second in range(110, 400, 10)], 100 * SECOND_NS)
    arrays = again.arrays()
    assert arrays[f"{RAW}|pool|count"].sum() == 0


@pytest.mark.parametrize("text", ["m", "sum_over_time(m[5m])"])
def test_years_of_rare_samples_cost_what_the_samples_do(text):
    # Three years of hourly samples at ticks of 15 s: 6.3 million ticks, most without a sample.
    leaves = leaves_of((query(text, 15),), lookback=300 * SECOND_NS)
    hours = 3 * 365 * 24
    ts = np.arange(1, hours + 1, dtype=np.int64) * 3600 * SECOND_NS
    rows = ordered(np.zeros(hours, np.int32), ts, np.ones(hours), np.zeros(hours, np.uint8), SLOTS)
    found = leaves.evaluate(rows, {RAW: rows.value}, int(ts[-1]) + 3600 * SECOND_NS)
    assert [len(part.tick) for part in found] == [hours * 20]
    assert found[0].tick[:3].tolist() == [(3600 + 15 * i) * SECOND_NS for i in range(3)]


def test_a_flow_without_rules_asks_nothing_and_keeps_nothing():
    leaves = Leaves((), (), samples_max=10)
    leaves.grow(np.full(1, LOOKBACK_NS))
    leaves.add(RAW, np.zeros(1, np.int32), SERIES[:1])
    one = np.ones(1)
    rows = ordered(
        np.zeros(1, np.int32), np.full(1, SECOND_NS), one, np.zeros(1, np.uint8), 1
    )  # fmt: skip
    assert leaves.evaluate(rows, {RAW: one}, 60 * SECOND_NS) == []
    assert not leaves.next_tick(120 * SECOND_NS)
    assert leaves.arrays() == {}
