"""Labels replaced and joined: `$1` as Go expands it, collisions tick by tick."""

import re

import naive_vector_functions as naive
import numpy as np
import pytest
import re2
from function_cases import (
    block_of,
    call,
    evaluated,
    function,
    labels,
    matrix_of,
    random_matrix,
    same,
    vectors,
)

from engine.promql.errors import ExpressionError
from engine.promql.label_functions import expand
from engine.promql.matrix import DUPLICATE_LABELS, Matrix, labels_of

METRIC = labels("metric", dst="old", src="source-value-10")


def replaced(start, *texts):
    """The labels that come of some."""
    ((result,),) = evaluated("label_replace", matrix_of({start: [1.0]}), *texts, block=block_of(1))
    return result


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("dst", "new-$1", "src", "source-value-(.*)"), {"dst": "new-10"}),
        (("dst", "new-$1", "src", "value-(.*)"), {}),
        (("dst", "$1-value-$2", "src", "(.*)-value-(.*)"), {"dst": "source-value-10"}),
        (("dst", "value-$1", "missing", "source-(.*)"), {}),
        (("dst", "value-$1", "missing", "(.*)"), {"dst": "value-"}),
        (("dst", "", "dst", ".*"), {"dst": ""}),
        (("src", "", "", ""), {"src": ""}),
        (("new", "$n$0", "src", "(?P<n>[a-z]+).*"), {"new": "sourcesource-value-10"}),
        (("__name__", "${1}_total", "__name__", "(.*)"), {"__name__": "metric_total"}),
        (("Z", "first", "", ""), {"Z": "first"}),
    ],
)
def test_label_replace(texts, expected):
    assert replaced(METRIC, *texts) == labels_of({**dict(METRIC), **expected}.items())


def test_the_dot_matches_a_newline():
    assert replaced(labels("m", a="x\ny"), "b", "$1", "a", "x(.*)y") == labels(
        "m", a="x\ny", b="\n"
    )


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$1", "ab"),
        ("${1}", "ab"),
        ("$1x", ""),  # the group named 1x
        ("${1}x", "abx"),
        ("$1-$2", "ab-cd"),
        ("$0", "abcd"),
        ("$3", ""),  # took no part
        ("$4", ""),
        ("$tail", "cd"),
        ("${tail}s", "cds"),
        ("$tails", ""),
        ("$01", ""),  # a name, as it begins with a zero
        ("$00", ""),
        ("$999999999999", ""),
        ("$$1", "$1"),
        ("$$$1", "$ab"),
        ("$", "$"),
        ("a$", "a$"),
        ("$-", "$-"),
        ("${", "${"),
        ("${1", "${1"),
        ("${}", "${}"),
        ("${a-b}", "${a-b}"),
        ("$1é", ""),
        ("$1²", "ab²"),  # no decimal digit
        ("\\1\\g<1>", "\\1\\g<1>"),
        ("", ""),
    ],
)
def test_templates_expand_as_in_go(template, expected):
    found = re2.fullmatch("(ab)(?P<tail>cd)(e)?", "abcd")

    assert expand(template, found) == expected


@pytest.mark.parametrize("seed", range(10))
def test_label_replace_equals_the_twin(seed):
    rng = np.random.default_rng(seed)
    table = {
        labels(rng.choice(["a", "b"]), x=rng.choice(["", "1", "22", "3-3"]), y=str(n))
        for n in range(12)
    }
    matrix = random_matrix(rng, table, 15)
    block = block_of(15)
    before = vectors(matrix, block)

    def change(row):
        found = re.fullmatch("(.)(.*)", dict(row).get("x", ""))
        return row if found is None else naive.with_label(row, "y", f"<{found[1]}>{found[2]}")

    result = evaluated("label_replace", matrix, "y", "<$1>$2", "x", "(.)(.*)", block=block)

    expected = [naive.relabelled(vector, change) for vector in before]
    assert all(same(*pair) for pair in zip(result, expected, strict=True))
    assert set(block.errors.values()) <= {DUPLICATE_LABELS}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("dst", "-", "src", "src1", "src2"), "a-b-c"),
        (("dst", "-", "src", "src3", "src1"), "a--b"),
        (("dst", "", "empty", "empty1"), ""),
        (("dst", ", "), ""),
        (("dst", "-", "src"), "a"),
    ],
)
def test_label_join(texts, expected):
    start = labels("metric", dst="old", src="a", src1="b", src2="c")
    ((result,),) = evaluated("label_join", matrix_of({start: [1.0]}), *texts, block=block_of(1))

    assert result == labels("metric", dst=expected, src="a", src1="b", src2="c")


@pytest.mark.parametrize("seed", range(10))
def test_label_join_equals_the_twin(seed):
    rng = np.random.default_rng(seed)
    table = {
        labels(rng.choice(["a", "b"]), x=rng.choice(["", "1", "2"]), y=rng.choice(["", "1"]))
        for _ in range(12)
    }
    matrix = random_matrix(rng, table, 15)
    block = block_of(15)
    before = vectors(matrix, block)

    result = evaluated("label_join", matrix, "x", "", "y", "x", "z", block=block)

    def change(row):
        values = dict(row)
        return naive.with_label(row, "x", values.get("y", "") + values.get("x", ""))

    expected = [naive.relabelled(vector, change) for vector in before]
    assert all(same(*pair) for pair in zip(result, expected, strict=True))


def test_rows_that_become_one_may_take_turns():
    matrix = matrix_of({labels("s", idx="1"): [2.0, None], labels("s", idx="2"): [None, 4.0]})
    block = block_of(2)

    result = evaluated("label_replace", matrix, "idx", "same", "idx", ".*", block=block)

    assert result == [{labels("s", idx="same"): 2.0}, {labels("s", idx="same"): 4.0}]
    assert not block.errors


@pytest.mark.parametrize("name", ["label_replace", "label_join"])
def test_rows_that_become_one_at_a_tick_fail_it(name):
    matrix = matrix_of({labels("s", idx="1"): [2.0, 1.0], labels("s", idx="2"): [None, 4.0]})
    block = block_of(2)
    texts = ("idx", "same", "idx", ".*") if name == "label_replace" else ("idx", "", "no")

    call(name, matrix, *texts, block=block)

    assert block.errors == {1: DUPLICATE_LABELS}


def test_labels_are_worked_out_once_for_a_table():
    matrix = matrix_of({METRIC: [1.0]})
    replace = function("label_replace", matrix, "dst", "$1", "src", "(.*)")
    arguments = [matrix, "dst", "$1", "src", "(.*)"]

    first = replace.apply(arguments, block_of(1))
    arguments[0] = Matrix(matrix.table, matrix.value * 2, matrix.present)
    second = replace.apply(arguments, block_of(1))

    assert second.table is first.table
    assert second.value.tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        (
            "label_replace",
            ("dst", "$1", "src", "(.*"),
            "invalid regular expression in label_replace(): (.*",
        ),
        (
            "label_replace",
            ("dst", "$1", "src", "(?=a)"),
            "invalid regular expression in label_replace(): (?=a)",
        ),
        (
            "label_replace",
            ("", "$1", "src", ".*"),
            "invalid destination label name in label_replace(): ",
        ),
        ("label_join", ("", "-", "src"), "invalid destination label name in label_join(): "),
        ("label_join", ("dst", "-", "a", ""), "invalid source label name in label_join(): "),
        (
            "label_join",
            ("\udcff", "-"),
            "invalid destination label name in label_join(): \udcff",
        ),
    ],
)
def test_mistakes_are_found_before_any_tick(name, texts, message):
    with pytest.raises(ExpressionError) as raised:
        function(name, matrix_of({METRIC: [1.0]}), *texts)
    assert str(raised.value) == message


def test_names_beyond_ascii_are_taken():
    assert replaced(METRIC, "größe", "1", "", "") == labels(
        "metric", dst="old", src="source-value-10", größe="1"
    )
