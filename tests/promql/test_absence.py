"""Absence: labels that a selector is sure of, and the value 1 where there is no row."""

import numpy as np
import pytest
from function_cases import block_of, labels, matrix_of, random_matrix, vectors

from engine.promql.functions import FunctionCall, absence, absent_labels
from engine.promql.matrix import nothing
from engine.promql.parse import parse_expression


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nope", {}),
        ('nope{a="x",b=~"y.*",c!="z",d!~"w"}', {"a": "x"}),
        ('nope{job="a",instance="b",method=~".x"}', {"job": "a", "instance": "b"}),
        ('nope{job="a",job="b",foo="bar"}', {"foo": "bar"}),
        ('nope{job="a",job="b",job="c",foo="bar"}', {"foo": "bar"}),
        ('nope{job="a",job=~"b",foo="bar"}', {"foo": "bar"}),
        ('nope{job="a",job!="b"}', {}),
        ('nope{job!="b",job="a"}', {}),  # Prometheus puts what takes series away last
        ('nope{job="a",job="a"}', {}),
        ('nope{job=""}', {}),
        ('{__name__="nope",job="a"}', {"job": "a"}),
        ('{__name__=~"nope|no",job="a"}', {"job": "a"}),
        ('nope{__type__="gauge",__unit__="s",job="a"}', {"job": "a"}),
    ],
)
def test_labels_are_those_that_the_selector_asks_for(text, expected):
    for expression in (text, f"({text})", f"{text} offset 1m", f"{text}[5m]", f"{text}[5m] @ 7"):
        assert absent_labels(parse_expression(expression)) == labels(**expected)


@pytest.mark.parametrize(
    "text",
    [
        'sum(nope{a="x"})',
        'nope{a="x"} > 1',
        'rate(nope{a="x"}[5m])',
        '-nope{a="x"}',
        'nope{a="x"}[5m:1m]',
        'nope{a="x"} and nope{a="x"}',
    ],
)
def test_other_expressions_are_sure_of_no_label(text):
    assert absent_labels(parse_expression(text)) == labels()


@pytest.mark.parametrize("seed", range(10))
def test_absence_is_one_where_there_is_no_row(seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, [labels("a", x=str(n)) for n in range(seed % 3)], 25)
    block = block_of(25)
    before = vectors(matrix, block)

    result = vectors(absence(matrix, labels(a="x"), block), block)

    assert result == [{} if vector else {labels(a="x"): 1.0} for vector in before]


def test_nan_is_not_absent():
    matrix = matrix_of({labels("a"): [float("nan"), None]})
    block = block_of(2)

    assert vectors(absence(matrix, (), block), block) == [{}, {(): 1.0}]


def test_the_function_knows_its_selectors_labels():
    block = block_of(3)
    absent = FunctionCall(parse_expression('absent(nope{a="x",b!="y"})'))

    result = absent.apply([nothing(3)], block)

    assert vectors(result, block) == [{labels(a="x"): 1.0}] * 3


def test_equal_labels_have_one_table():
    first = absence(nothing(1), labels(a="x"), block_of(1))
    second = absence(nothing(1), labels(a="x"), block_of(1))
    other = absence(nothing(1), labels(a="y"), block_of(1))

    assert first.table is second.table
    assert other.table is not first.table
