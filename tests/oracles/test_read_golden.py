"""The golden cases can be read, cover the language, and the comparison with them is strict."""

import math
from collections import Counter

import numpy as np
import pytest
from golden_coverage import constructs_of, count
from promql_calls import (
    CALENDAR,
    EXACT_FUNCTIONS,
    LOGARITHMS,
    PARAMETRIC_AGGREGATIONS,
    PLAIN_AGGREGATIONS,
    RANGE_FUNCTIONS,
    TRIGONOMETRIC,
)
from promql_operators import ARITHMETIC, COMPARISONS, SETS
from read_golden import difference, golden_files, read_all, read_golden, read_header, same

FUNCTIONS = (
    *RANGE_FUNCTIONS,
    *EXACT_FUNCTIONS,
    *LOGARITHMS,
    *TRIGONOMETRIC,
    *CALENDAR,
    *("absent", "absent_over_time", "histogram_quantile", "label_join", "label_replace", "pi"),
    *("scalar", "sort", "sort_by_label", "sort_by_label_desc", "sort_desc", "time", "timestamp"),
    "vector",
)
OTHERS = (
    *("by", "without", "on", "ignoring", "group_left", "group_right"),
    *("group_left with labels", "group_right with labels", "offset", "@ time", "@ start()"),
    *("@ end()", "subquery, step", "subquery, default step", "subquery offset", "unary -"),
    *("matcher =", "matcher !=", "matcher =~", "matcher !~", "selector without name", "(scalar)"),
    *(f"{operator} bool" for operator in COMPARISONS),
)
ANSWERED_MIN = 15


@pytest.fixture(scope="module")
def cases():
    return list(read_all())


def output(values, *, start=60_000, **labels):
    ts_ms = start + 60_000 * np.arange(len(values), dtype=np.int64)
    return labels, ts_ms, np.array(values, dtype=np.float64)


def test_files_come_from_prometheus_3_with_experimental_functions():
    headers = [read_header(path) for path in golden_files()]
    assert len(headers) == 12
    assert all(header["prometheus"].startswith("3.") for header in headers)
    assert all("promql-experimental-functions" in header["flags"][0] for header in headers)


def test_golden_files_are_small():
    assert sum(path.stat().st_size for path in golden_files()) < 3_000_000


def test_there_are_enough_cases_and_few_are_empty_or_fail(cases):
    failing = sum(isinstance(case.result, str) for case in cases)
    empty = sum(case.result == [] for case in cases)
    assert len(cases) == 12_000
    assert empty <= len(cases) // 3
    assert 0 < failing <= len(cases) // 10


def test_every_construct_has_cases_with_answers(cases):
    _, answered, failing = count(cases)
    wanted = {f"{name}()" for name in FUNCTIONS} | {*OTHERS, *ARITHMETIC, *COMPARISONS, *SETS}
    wanted |= {*PLAIN_AGGREGATIONS, *PARAMETRIC_AGGREGATIONS}
    assert {name: answered[name] for name in wanted if answered[name] < ANSWERED_MIN} == {}
    kinds = ("error: duplicate match", "error: many-to-many", "error: equal label sets")
    assert {kind: failing[kind] for kind in kinds if failing[kind] < ANSWERED_MIN} == {}


def test_samples_and_answers_have_the_promised_form(cases):
    for case in cases:
        for _, ts_ms, values, stale in case.series:
            assert (np.diff(ts_ms) > 0).all()
            assert len(ts_ms) == len(values) == len(stale)
            assert np.isnan(values[stale]).all()
        assert case.step_ms > 0
        assert case.ticks_ms[-1] == case.end_ms
        if isinstance(case.result, str):
            assert case.failing_ms
            assert set(case.failing_ms) <= set(case.ticks_ms.tolist())
            continue
        assert case.failing_ms == ()
        for _, ts_ms, values in case.result:
            assert len(ts_ms) == len(values) > 0
            assert np.isin(ts_ms, case.ticks_ms).all()
        if case.kind == "scalar":
            assert [labels for labels, _, _ in case.result] == [{}]
            assert np.array_equal(case.result[0][1], case.ticks_ms)


def test_data_hold_what_makes_promql_hard(cases):
    seen = Counter()
    for series in {id(case.series): case.series for case in cases}.values():
        assert 3 <= len(series) <= 12
        for labels, ts_ms, values, stale in series:
            numbers = values[~stale]
            seen["stale"] += stale.any()
            seen["nan"] += np.isnan(numbers).any()
            seen["infinite"] += np.isinf(numbers).any()
            seen["gap"] += (np.diff(ts_ms) > 300_000).any()
            seen["irregular"] += len(set(np.diff(ts_ms).tolist())) > 10
            seen["reset"] += labels["__name__"].endswith("_total") and (np.diff(numbers) < 0).any()
            seen["bucket"] += "le" in labels
    kinds = ("stale", "nan", "infinite", "gap", "irregular", "reset", "bucket")
    assert {kind: int(seen[kind]) for kind in kinds if seen[kind] < 10} == {}


def test_ticks_lie_on_samples_and_between_them(cases):
    on_sample = [
        any(np.isin(case.ticks_ms, ts_ms).any() for _, ts_ms, _, _ in case.series) for case in cases
    ]
    assert len(cases) // 10 < sum(on_sample) < len(cases) * 9 // 10


def test_a_case_equals_itself_read_twice():
    path = golden_files()[0]
    pairs = zip(read_golden(path), read_golden(path), strict=True)
    assert all(same(one.result, other.result, 0.0) for one, other in pairs)


def test_values_may_differ_by_the_tolerance_only():
    expected = [output([1.0, 2.0], job="a")]
    assert same([output([1.0 + 5e-10, 2.0], job="a")], expected, 0.0)
    assert not same([output([1.0 + 5e-9, 2.0], job="a")], expected, 0.0)
    assert same([output([1.0 + 5e-9, 2.0], job="a")], expected, 10.0)


def test_special_values_must_be_met():
    expected = [output([math.nan, math.inf, -math.inf, 0.0])]
    assert same([output([math.nan, math.inf, -math.inf, -0.0])], expected, 1e300)
    for wrong in (
        [1.0, math.inf, -math.inf, 0.0],
        [math.nan, -math.inf, -math.inf, 0.0],
        [math.nan, 1e308, -math.inf, 0.0],
        [math.nan, math.inf, math.nan, 0.0],
        [math.nan, math.inf, -math.inf, math.nan],
    ):
        assert not same([output(wrong)], expected, 1e300)


@pytest.mark.parametrize(
    ("result", "what"),
    [
        ([], "missing series"),
        ([output([1.0], job="b")], "missing series"),
        ([output([1.0], job="a"), output([1.0], job="b")], "not expected"),
        ([output([1.0], job="a"), output([1.0], job="a")], "equal labels"),
        ([output([1.0, 1.0], job="a")], "ticks"),
        ([output([1.0], start=120_000, job="a")], "ticks"),
        ([output([1.5], job="a")], "values"),
        ("many-to-many", "error"),
    ],
)
def test_difference_names_what_is_wrong(result, what):
    assert what in difference(result, [output([1.0], job="a")], 1.0)


def test_empty_labels_and_series_without_ticks_are_as_if_not_there():
    expected = [output([1.0], job="a")]
    assert same([output([1.0], job="a", zone=""), output([], job="b")], expected, 1.0)


def test_errors_are_the_same_whatever_their_text():
    assert same("many-to-many", "execution: multiple matches", 1.0)
    assert difference([], "execution: multiple matches", 1.0) is not None


def test_scale_is_that_of_the_series_which_the_expression_names(cases):
    case = next(
        case
        for case in cases
        if case.expression.startswith("cpu_seconds_total") and "memory" not in case.expression
    )
    named = [v for labels, _, v, _ in case.series if labels["__name__"] == "cpu_seconds_total"]
    assert case.scale == max(np.nanmax(np.abs(values)) for values in named)


def test_constructs_are_found_in_an_expression():
    assert constructs_of('a offset 1m / on (x) group_left (y) -b{c=~"d"} > bool 1') == {
        *("offset", "/", "on", "group_left", "group_left with labels", "unary -", "matcher =~"),
        *("> number", "> bool"),
    }
