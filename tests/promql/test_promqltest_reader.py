"""The reader of promqltest files: each statement is understood, and none is lost."""

import re

import numpy as np
import pytest
from promqltest_reader import (
    HISTOGRAMS,
    START_TIMES,
    Clear,
    Eval,
    Expectation,
    Load,
    read_promqltest,
)

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
EVALS = {
    "aggregators": 160, "at_modifier": 78, "collision": 2, "duration_expression": 59,
    "extended_vectors": 169, "fill-modifier": 46, "functions": 431, "histograms": 185,
    "info": 53, "limit": 37, "literals": 25, "name_label_dropping": 30,
    "native_histograms": 522, "operators": 214, "range_queries": 18, "selectors": 31,
    "staleness": 17, "start_timestamps": 26, "subquery": 34, "trig_functions": 19,
    "type_and_unit": 58,
}  # fmt: skip

SMALL = """\
# A comment, then series.
load 1m
  m{a="1"} 1+1x3 _ stale
\tn 0x2

eval instant at 1m m
  m{a="1"} 2

  # Ranges have a value for each step.
eval range from 0 to 2m30s step 30s sum(m)
  {} 1 1 2 2 _ NaN

clear
eval instant at 0 1 + 1
  2
eval instant at 5m10s "text"
  expect string "a\\nb"
"""


def read_one(text):
    (statement,) = read_promqltest(text, "f")
    return statement


def expected_of(statement):
    return {item.labels: item.value.tolist() for item in statement.series}


def test_a_small_file():
    load, instant, ranged, clear, scalar, string = read_promqltest(SMALL, "small.test")
    assert isinstance(load, Load)
    assert (load.file, load.line, load.step_ns, load.nhcb) == ("small.test", 2, MINUTE_NS, False)
    first, second = load.series
    assert first.labels == (("__name__", "m"), ("a", "1"))
    np.testing.assert_array_equal(first.value, [1, 2, 3, 4, np.nan, np.nan])
    assert first.kind.tolist() == [0, 0, 0, 0, 1, 2]
    assert second.value.tolist() == [0, 0, 0]
    assert (instant.line, instant.expression, instant.is_range) == (6, "m", False)
    assert (instant.start_ns, instant.end_ns, instant.step_ns) == (MINUTE_NS, MINUTE_NS, 0)
    assert expected_of(instant) == {(("__name__", "m"), ("a", "1")): [2.0]}
    assert (ranged.line, ranged.expression, ranged.is_range) == (10, "sum(m)", True)
    assert (ranged.start_ns, ranged.end_ns, ranged.step_ns) == (
        0, 150 * SECOND_NS, 30 * SECOND_NS,
    )  # fmt: skip
    assert ranged.series[0].kind.tolist() == [0, 0, 0, 0, 1, 0]
    assert clear == Clear(file="small.test", line=13)
    assert (scalar.scalar, scalar.string, scalar.series) == (2.0, None, ())
    assert (string.start_ns, string.scalar, string.string) == (310 * SECOND_NS, None, "a\nb")


@pytest.mark.parametrize(
    ("line", "expectation"),
    [
        ("expect fail", Expectation("fail")),
        ("expect fail msg: no way:  x", Expectation("fail", message="no way:  x")),
        ("expect fail msg:no space", Expectation("fail", message="no space")),
        ("expect warn regex: ^a.c$", Expectation("warn", regex="^a.c$")),
        ("expect no_warn", Expectation("no_warn")),
        ("expect info", Expectation("info")),
        ("expect no_info", Expectation("no_info")),
        ("expect ordered", Expectation("ordered")),
    ],
)
def test_expectations(line, expectation):
    statement = read_one(f"eval instant at 0 m\n  {line}\n")
    assert statement.expectations == (expectation,)
    assert statement.expected(expectation.kind) == [expectation]
    assert statement.fails == (expectation.kind == "fail")
    assert statement.ordered == (expectation.kind == "ordered")


@pytest.mark.parametrize("kind", ["fail", "warn", "info", "ordered"])
def test_the_older_forms(kind):
    statement = read_one(f"eval_{kind} instant at 0 m")
    assert (statement.expression, statement.expectations) == ("m", (Expectation(kind),))


def test_the_older_forms_with_a_message():
    text = "eval_fail range from 0 to 1m step 1m m\n  expected_fail_"
    assert read_one(text + "message the reason\n").expectations == (
        Expectation("fail", message="the reason"),
    )
    assert read_one(text + "regexp rea.on\n").expectations == (Expectation("fail", regex="rea.on"),)


def test_what_an_expectation_accepts():
    assert Expectation("warn").accepts("anything")
    assert Expectation("warn", message="a").accepts("a")
    assert not Expectation("warn", message="a").accepts("ab")
    assert Expectation("warn", regex="b+").accepts("abc")
    assert not Expectation("warn", regex="^b").accepts("abc")


def test_several_expectations_and_values():
    statement = read_one(
        "eval instant at 0 m\n expect warn msg: a\n expect warn msg: b\n expect no_info\n"
        " expect ordered\n m{a='2'} 1\n m{a='1'} 2"
    )
    assert [item.message for item in statement.expected("warn")] == ["a", "b"]
    assert [dict(item.labels)["a"] for item in statement.series] == ["2", "1"]


def test_a_range_vector_of_an_instant_query():
    statement = read_one(
        "eval instant at 9m m[1m]\n expect range vector from 10s to 30s step 10s\n m 1 _ 3\n"
    )
    assert (statement.is_range, statement.range_vector) == (False, True)
    assert [statement.start_ns, statement.end_ns, statement.step_ns] == [
        10 * SECOND_NS, 30 * SECOND_NS, 10 * SECOND_NS,
    ]  # fmt: skip
    assert statement.series[0].kind.tolist() == [0, 1, 0]


def test_expressions_keep_their_spaces_and_words():
    text = 'eval  instant  at  1m  label_replace(m, "a",  " at 5m ", "", "")'
    assert read_one(text).expression == 'label_replace(m, "a",  " at 5m ", "", "")'
    text = 'eval range from 1m to 2m step 30s count_values("to", m) '
    assert read_one(text).expression == 'count_values("to", m)'


def test_a_metric_may_be_called_expect():
    statement = read_one("eval instant at 0 expect\n  expect{} 5\n")
    assert expected_of(statement) == {(("__name__", "expect"),): [5.0]}


def test_a_number_ends_what_is_expected():
    first, second = read_promqltest("eval instant at 0 1\n  -0x1F\nclear", "f")
    assert (first.scalar, type(second)) == (-31.0, Clear)


def test_a_comment_ends_a_statement():
    load, _ = read_promqltest("load 1m\n  m 1\n # done\nclear\n", "f")
    assert len(load.series) == 1
    with pytest.raises(ValueError, match="f:4: unknown statement 'n 1'"):
        read_promqltest("load 1m\n  m 1\n  # done\n  n 1\n", "f")


def test_the_later_of_two_equal_series_counts():
    load = read_one("load 1m\n m 1 2\n n 5\n m 3\n")
    assert expected_of(load) == {(("__name__", "n"),): [5.0], (("__name__", "m"),): [3.0]}
    assert [item.labels[0][1] for item in load.series] == ["n", "m"]


def test_native_histograms_are_named_and_left_out():
    load, statement = read_promqltest(
        "load_with_nhcb 1m\n m 1\n h{a='1'} {{schema:0}}x3\n\neval instant at 0 h\n {} {{}}", "f"
    )
    assert (load.nhcb, load.unsupported, load.unread) == (
        True,
        HISTOGRAMS,
        {(("__name__", "h"), ("a", "1")): HISTOGRAMS},
    )
    assert expected_of(load) == {(("__name__", "m"),): [1.0]}
    assert (statement.unsupported, statement.series) == (HISTOGRAMS, ())


def test_start_timestamps_are_named_and_left_out():
    load = read_one("load 1m\n m{a='1'}@st -1m+1mx2\n m{a='1'} 1 2 3\n")
    assert load.unsupported == START_TIMES
    assert load.unread == {(("__name__", "m"), ("a", "1")): START_TIMES}
    assert len(load.series) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nhello", "f:2: unknown statement 'hello'"),
        ("load", "f:1: write `load <step>`"),
        ("load 5x\n m 1", "f:1: it takes whole numbers"),
        ("load 1m\n m one", "f:1: 'one' isn't a number"),
        ("eval instant m", "f:1: write `eval instant at"),
        ("eval range from 2m to 1m step 1m m", "f:1: the end 1m is before the start 2m"),
        ("eval instant at 0 m\n expect nothing", "f:1: unknown expectation"),
        ("eval instant at 0 m\n expect warn\n expect no_warn", "f:1: warn and no_warn"),
        ("eval instant at 0 m\n expect fail\n expect fail msg: a\n expect fail", "only one"),
        ("eval instant at 0 m\n m 1 2", "f:1: 2 values are expected, 1 can be"),
        ("eval range from 0 to 1m step 30s m\n m 1x3", "f:1: 4 values are expected, 3 can be"),
        ("eval range from 0 to 1m step 1m m\n expect range vector from 0 to 1m step 1m", "instant"),
    ],
)
def test_mistakes_have_file_and_line(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_promqltest(text, "f")


def test_all_public_files_are_read(shared):
    folder = shared / "data/promrules/prometheus-testdata/promqltest"
    counts = {}
    for path in sorted(folder.glob("*.test")):
        text = path.read_text("utf-8")
        evals = [item for item in read_promqltest(text, path.name) if isinstance(item, Eval)]
        counts[path.stem] = len(evals)
        lines = text.split("\n")
        for item in evals:
            assert lines[item.line - 1].endswith(item.expression)
            assert item.scalar is None or not item.series
            assert item.unsupported in {"", HISTOGRAMS}
    assert counts == EVALS
    assert sum(counts.values()) == 2214
