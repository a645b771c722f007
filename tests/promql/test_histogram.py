"""Quantiles and fractions of classic histograms: equal to the twin, and what Prometheus gives."""

import math

import naive_vector_functions as naive
import numpy as np
import pytest
from function_cases import (
    FAILED,
    block_of,
    call,
    evaluated,
    function,
    labels,
    matrix_of,
    random_scalar,
    same,
    vectors,
)

from engine.promql.histogram import bound_of
from engine.promql.matrix import DUPLICATE_LABELS, Matrix, Scalar, Table

BOUNDS = ("-5", "-1", "0", "0.1", "1", "1e0", "2.5", "10", "+Inf")


def constant(value, ticks=1):
    return Scalar(np.full(ticks, float(value)))


def histogram(*counts, **bounds):
    """One histogram at one tick, with the label `h`."""
    return matrix_of({labels("h", le=le): [count] for le, count in (*counts, *bounds.items())})


def quantile(q, *buckets):
    (result,) = evaluated("histogram_quantile", constant(q), histogram(*buckets), block=block_of(1))
    return result[()]


def fraction(lower, upper, *buckets):
    (result,) = evaluated(
        "histogram_fraction", constant(lower), constant(upper), histogram(*buckets),
        block=block_of(1),
    )  # fmt: skip
    return result[()]


def random_histograms(rng, ticks):
    """Some histograms with holes, in which counts fall at times by a lot or a rounding error."""
    rows = {}
    for name, job in (("a", "x"), ("a", "y"), ("b", "y")):
        bounds = rng.choice(BOUNDS[:-1], size=rng.integers(0, 7), replace=False)
        chosen = sorted(bounds, key=float) + (["+Inf"] if rng.random() < 0.9 else [])
        counts = np.cumsum(rng.integers(0, 4, size=(len(chosen), ticks)), axis=0).astype(float)
        counts *= rng.choice([1.0, 0.0, 0.1, 1e300], size=ticks, p=[0.5, 0.1, 0.2, 0.2])
        counts *= rng.choice([1.0, 1 + 1e-15, 1 - 1e-13, 0.5], size=counts.shape)
        counts[rng.random(counts.shape) < 0.02] = math.inf
        for le, values in zip(chosen, counts, strict=True):
            holes = rng.random(ticks) < 0.1
            rows[labels(name, job=job, le=le)] = [
                None if hole else float(v) for v, hole in zip(values, holes, strict=True)
            ]
    rows[labels("a", job="x")] = [1.0] * ticks
    rows[labels("a", job="x", le="many")] = [1.0] * ticks
    return matrix_of(rows)


@pytest.mark.parametrize("seed", range(60))
def test_quantiles_equal_the_twin(seed):
    rng = np.random.default_rng(seed)
    matrix = random_histograms(rng, 20)
    q = Scalar(rng.choice([0, 0.1, 0.5, 0.9, 1, -1, 2, math.nan, 0.25], size=20))
    block = block_of(20)
    before = vectors(matrix, block)

    result = evaluated("histogram_quantile", q, matrix, block=block)

    for k, vector in enumerate(before):
        with np.errstate(all="ignore"):
            expected = naive.histogram_quantile(float(q.value[k]), vector)
        assert same(result[k], expected)
    assert set(block.errors.values()) <= {DUPLICATE_LABELS}


@pytest.mark.parametrize("seed", range(60))
def test_fractions_equal_the_twin(seed):
    rng = np.random.default_rng(seed)
    matrix = random_histograms(rng, 20)
    lower, upper = random_scalar(rng, 20, scale=3.0), random_scalar(rng, 20, scale=6.0)
    block = block_of(20)
    before = vectors(matrix, block)

    result = evaluated("histogram_fraction", lower, upper, matrix, block=block)

    for k, vector in enumerate(before):
        expected = naive.histogram_fraction(float(lower.value[k]), float(upper.value[k]), vector)
        assert same(result[k], expected)


THIRDS = (("0", 0.0), ("2", 1.0), ("4", 2.0), ("6", 3.0), ("+Inf", 3.0))


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (1 / 6, THIRDS, 1.0),
        (0.5, THIRDS, 3.0),
        (5 / 6, THIRDS, 5.0),
        (-0.1, THIRDS, -math.inf),
        (1.01, THIRDS, math.inf),
        (math.nan, THIRDS, math.nan),
        (-0.1, (("1", 1.0),), -math.inf),  # the quantile is looked at first
        (0.5, (("1", 1.0), ("2", 2.0)), math.nan),  # no +Inf
        (0.5, (("+Inf", 2.0),), math.nan),  # one bucket
        (0.5, (("inf", 1.0), ("+Inf", 1.0)), math.nan),  # one bucket, written twice
        (0.5, (("1", 0.0), ("+Inf", 0.0)), math.nan),  # no observations
        (0.0, (("1", 1.0), ("+Inf", 2.0)), 0.0),
        (0.9, (("1", 1.0), ("7", 1.0), ("+Inf", 2.0)), 7.0),  # in the last bucket
        (0.1, (("-3", 1.0), ("+Inf", 2.0)), -3.0),  # a first bucket without lower end
        (0.5, (("0.1", 1.0), ("0.10", 1.0), ("1e-1", 2.0), ("+Inf", 4.0)), 0.05),
    ],
)
def test_quantiles_of_small_histograms(q, buckets, expected):
    assert quantile(q, *buckets) == pytest.approx(expected, rel=1e-15, nan_ok=True)


def test_counts_that_fall_are_raised():
    buckets = (("0.1", 20.0), ("1", 10.0), ("10", 50.0), ("100", 40.0), ("1000", 90.0))
    with_last = (*buckets, ("+Inf", 80.0))

    assert quantile(0.5, *with_last) == pytest.approx(8.5)
    assert quantile(0.01, *with_last) == pytest.approx(0.0045)
    assert quantile(0.99, *with_last) == pytest.approx(979.75)


def test_rounding_errors_between_counts_are_levelled_in_both_directions():
    # A rise by less than the tolerance is none either, so the last bucket has no observation.
    almost = 100.0 * (1 + 1e-13)

    assert quantile(1.0, ("1", 100.0), ("2", almost), ("+Inf", almost)) == 1.0
    assert quantile(1.0, ("1", 100.0), ("2", 100.0 * (1 + 1e-11)), ("+Inf", 101.0)) == 2.0
    assert quantile(1.0, ("1", 100.0), ("2", 100.0 * (1 + 1e-11)), ("+Inf", 100.0)) > 1.0


@pytest.mark.parametrize(
    ("lower", "upper", "buckets", "expected"),
    [
        (0, 4, THIRDS, 2 / 3),
        (0, 3.5, THIRDS, 1.75 / 3),
        (-math.inf, math.inf, THIRDS, 1.0),
        (2, 2, THIRDS, 0.0),
        (4, 2, THIRDS, 0.0),
        (math.nan, 1, THIRDS, math.nan),
        (0, math.nan, THIRDS, math.nan),
        (0, 5, (("1", 0.0), ("+Inf", 0.0)), math.nan),
        (0, 1, (("1", 1.0), ("2", 2.0)), math.nan),
        (0, 1, (("+Inf", 5.0),), 0.0),
        (-4, -2, (("-3", 10.0), ("-2", 12.0), ("+Inf", 100.0)), 0.02),
        (-math.inf, -2.5, (("-3", 10.0), ("-2", 12.0), ("+Inf", 100.0)), 0.11),
        (400, math.inf, (("3", 6.0), ("+Inf", 100.0)), 0.94),
    ],
)
def test_fractions_of_small_histograms(lower, upper, buckets, expected):
    assert fraction(lower, upper, *buckets) == pytest.approx(expected, rel=1e-14, nan_ok=True)


def test_histograms_of_two_names_and_else_equal_labels_fail_the_tick():
    matrix = matrix_of(
        {
            labels("a", job="x", le="+Inf"): [1.0, 1.0],
            labels("b", job="x", le="+Inf"): [None, 1.0],
        }
    )
    block = block_of(2)

    result = evaluated("histogram_quantile", constant(2.0, 2), matrix, block=block)

    assert result == [{labels(job="x"): math.inf}, FAILED]
    assert block.errors == {1: DUPLICATE_LABELS}


def test_rows_without_a_bound_are_no_buckets():
    matrix = matrix_of({labels("a"): [1.0], labels("a", le="Hello World"): [2.0]})

    assert evaluated("histogram_quantile", constant(0.8), matrix, block=block_of(1)) == [{}]
    assert evaluated("histogram_fraction", constant(0), constant(1), matrix, block=block_of(1)) == [
        {}
    ]


def test_no_rows_have_no_quantile():
    empty = Matrix(Table(()), np.empty((0, 2)), np.empty((0, 2), bool))

    assert evaluated("histogram_quantile", constant(0.5, 2), empty, block=block_of(2)) == [{}, {}]


def test_nan_counts_are_survived():
    matrix = histogram(("1", math.nan), ("2", 3.0), ("+Inf", math.nan))

    result = call("histogram_quantile", constant(0.5), matrix, block=block_of(1))

    assert result.present.all()


def test_buckets_are_found_once_for_a_table():
    matrix = histogram(*THIRDS)
    median = function("histogram_quantile", constant(0.5), matrix)

    first = median.apply([constant(0.5), matrix], block_of(1))
    doubled = Matrix(matrix.table, matrix.value * 2, matrix.present)
    second = median.apply([constant(0.5), doubled], block_of(1))

    assert second.table is first.table
    assert second.value.tolist() == first.value.tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", 0.1),
        (".2", 0.2),
        ("5.", 5.0),
        ("-.2", -0.2),
        ("+1e3", 1000.0),
        ("2.0E-1", 0.2),
        ("1_000", 1000.0),
        ("0x1p-2", 0.25),
        ("0X.8P1", 1.0),
        ("+Inf", math.inf),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1e-999", 0.0),
    ],
)
def test_bounds_are_read_as_in_go(text, expected):
    assert bound_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1e",
        "e1",
        ".",
        "+",
        "1__0",
        "_1",
        "1_",
        "0x1",
        "0xp1",
        "٣",
        "many",
        "NaN",
        "1e999",
        "-1e999",
        "0x1p99999",
        "infin",
        "1.5s",
    ],
)
def test_what_is_no_bound(text):
    assert bound_of(text) is None
