"""The order of an instant query's rows: by value, by label in natural order, by rank in groups."""

import functools
import itertools
import math

import numpy as np
import pytest
from function_cases import ANYTHING, block_of, call, labels, matrix_of, random_matrix
from hypothesis import given
from hypothesis import strategies as st

from engine.promql.functions import result_order
from engine.promql.sorting import natural_order
from engine.promql.syntax import Aggregate, Call, Text

NAMES = ("sort", "sort_desc", "sort_by_label", "sort_by_label_desc")


def ordered(expression, matrix, tick=0):
    return [matrix.table.labels[row] for row in result_order(expression, matrix, tick)]


def by_value(values, name):
    matrix = matrix_of({labels("m", n=f"{n:02}"): [value] for n, value in enumerate(values)})
    return [values[row] for row in result_order(Call(name, (ANYTHING,)), matrix, 0)]


def by_label(values, name="sort_by_label"):
    matrix = matrix_of({labels("m", a=value): [1.0] for value in values})
    rows = ordered(Call(name, (ANYTHING, Text("a"))), matrix)
    return [dict(row).get("a", "") for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_a_matrix_stays_as_it_is(name):
    matrix = matrix_of({labels("m", a="2"): [1.0], labels("m", a="1"): [2.0]})

    assert call(name, matrix, "a", block=block_of(1)) is matrix


def test_nan_is_last_in_either_direction():
    values = [math.nan, 2.0, math.inf, -1.0, math.nan, -math.inf]

    rising, falling = by_value(values, "sort"), by_value(values, "sort_desc")

    assert rising[:4] == [-math.inf, -1.0, 2.0, math.inf]
    assert falling[:4] == [math.inf, 2.0, -1.0, -math.inf]
    assert all(map(math.isnan, rising[4:] + falling[4:]))


@pytest.mark.parametrize("name", ["sort", "sort_desc"])
def test_equal_values_keep_the_order_of_labels(name):
    matrix = matrix_of({labels("m", a=a): [1.0] for a in "cab"})

    assert ordered(Call(name, (ANYTHING,)), matrix) == [labels("m", a=a) for a in "abc"]


def test_only_rows_at_the_tick_are_shown():
    matrix = matrix_of({labels("m", a="1"): [1.0, 5.0], labels("m", a="2"): [None, 2.0]})

    assert result_order(Call("sort", (ANYTHING,)), matrix, 0) == [0]
    assert result_order(Call("sort", (ANYTHING,)), matrix, 1) == [1, 0]
    assert result_order(ANYTHING, matrix, 1) == [0, 1]


def test_numbers_in_labels_count_by_size():
    versions = ["4.5", "4.10", "4.9-rc2", "4.9-rc10", "5", "v10", "v9", ""]

    rising = by_label(versions)

    assert rising == ["", "4.5", "4.9-rc2", "4.9-rc10", "4.10", "5", "v9", "v10"]
    assert by_label(versions, "sort_by_label_desc") == rising[::-1]


def test_labels_are_compared_in_turn_and_then_whole_label_sets():
    rows = [
        labels("m", job=job, cpu=cpu, z=z)
        for job, cpu, z in itertools.product(["b", "a"], ["10", "2"], ["2", "1"])
    ]
    matrix = matrix_of({row: [1.0] for row in rows})
    expression = Call("sort_by_label", (ANYTHING, Text("cpu"), Text("job")))

    result = [(dict(r)["cpu"], dict(r)["job"], dict(r)["z"]) for r in ordered(expression, matrix)]

    assert result == list(itertools.product(["2", "10"], ["a", "b"], ["1", "2"]))


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("", "a"),
        ("a", "ab"),
        ("2", "10"),
        ("a2b", "a10"),
        ("a002", "a10"),
        ("a1b", "a1c"),
        ("1", "a"),
        ("B", "a"),
        ("x9y", "x10"),
        ("a19", "a20"),
        ("cpu-099", "cpu-100"),
    ],
)
def test_natural_order(smaller, larger):
    assert natural_order(smaller, larger) < 0
    assert natural_order(larger, smaller) > 0


@pytest.mark.parametrize(("one", "other"), [("1", "01"), ("a007", "a7"), ("0", "00"), ("", "")])
def test_zeros_in_front_do_not_count(one, other):
    assert natural_order(one, other) == natural_order(other, one) == 0


@given(st.lists(st.integers(1, 10**6), unique=True))
def test_numbered_labels_sort_by_number(numbers):
    texts = [f"cpu{number}x" for number in numbers]

    result = sorted(texts, key=functools.cmp_to_key(natural_order))

    assert result == [f"cpu{number}x" for number in sorted(numbers)]


def test_a_zero_before_a_letter_is_passed_over_as_in_prometheus():
    # So 0x is compared as x, which is behind any digit.
    assert natural_order("cpu0x", "cpu1x") > 0
    assert natural_order("cpu0", "cpu1") < 0


@given(st.text(alphabet="019ab.é"), st.text(alphabet="019ab.é"))
def test_natural_order_is_the_same_from_both_sides(one, other):
    order, back = natural_order(one, other), natural_order(other, one)

    assert (order > 0) == (back < 0)
    assert (order == 0) == (back == 0)


@pytest.mark.parametrize("without", [False, True])
@pytest.mark.parametrize("operator", ["topk", "bottomk"])
@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_ordered_group_by_group(operator, without, seed):
    rng = np.random.default_rng(seed)
    table = [labels("m", g=g, n=str(n)) for g in "ab" for n in range(6)]
    matrix = random_matrix(rng, table, 4)
    grouping = ("n",) if without else ("g",)
    expression = Aggregate(operator, ANYTHING, grouping=grouping, without=without)

    def key(row, tick):
        value = matrix.value[row, tick]
        rank = -value if operator == "topk" else value
        return (dict(matrix.table.labels[row])["g"], math.isnan(value), rank, row)

    for tick in range(4):
        rows = [row for row in range(12) if matrix.present[row, tick]]
        numbers = [row for row in rows if not math.isnan(matrix.value[row, tick])]
        result = result_order(expression, matrix, tick)
        assert sorted(result) == rows
        # NaN can't be compared, so it is looked at by itself.
        wanted = sorted(numbers, key=lambda row: key(row, tick))
        assert [row for row in result if row in numbers] == wanted
        for group in "ab":
            nans = [
                math.isnan(matrix.value[row, tick])
                for row in result
                if dict(matrix.table.labels[row])["g"] == group
            ]
            assert nans == sorted(nans)
