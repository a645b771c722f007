"""Prometheus' own tests of PromQL, evaluated here.

Aim: whatever Prometheus' authors thought of a construct's corners holds here, too. Method: all
evals of the promqltest files are run; those out of reach are told by their constructs and counted,
so that none is lost unseen.
"""

from collections import Counter

import pytest
from promqltest_answers import wrong, wrong_failure
from promqltest_reader import HISTOGRAMS, START_TIMES, Clear, Load, read_promqltest
from promqltest_skips import CHANGED, DELAYED, NOT_UTF8, of_different, of_refused, of_unread
from promqltest_storage import Storage

from engine.promql.errors import ExpressionError
from engine.promql.parse import parse_expression

PASSED = "passed"
WITHOUT = ", passed without"  # the answer is right though samples of a series weren't read
OUTCOMES = {
    "aggregators": {
        PASSED: 124,
        "limit_ratio": 1,
        HISTOGRAMS: 6,
        HISTOGRAMS + WITHOUT: 28,
        NOT_UTF8: 1,
    },
    "at_modifier": {PASSED: 78},
    "collision": {PASSED: 2},
    "duration_expression": {PASSED: 8, "duration expressions": 51},
    "extended_vectors": {PASSED: 30, "anchored and smoothed": 135, HISTOGRAMS: 4},
    "fill-modifier": {PASSED: 1, "fill modifiers": 45},
    "functions": {
        PASSED: 275,
        "min_of() and max_of()": 14,
        HISTOGRAMS: 52,
        HISTOGRAMS + WITHOUT: 56,
        "start(), end(), range(), step()": 33,
        NOT_UTF8: 1,
    },
    "histograms": {PASSED: 83, "histogram_quantiles()": 18, HISTOGRAMS: 84},
    "info": {"info()": 53},
    "limit": {"limit_ratio": 17, HISTOGRAMS: 13, HISTOGRAMS + WITHOUT: 7},
    "literals": {PASSED: 25},
    "name_label_dropping": {PASSED: 22, DELAYED: 8},
    "native_histograms": {
        PASSED: 3,
        "histogram_quantiles()": 4,
        HISTOGRAMS: 503,
        HISTOGRAMS + WITHOUT: 12,
    },
    "operators": {PASSED: 142, HISTOGRAMS: 7, HISTOGRAMS + WITHOUT: 65},
    "range_queries": {PASSED: 16, HISTOGRAMS: 1, HISTOGRAMS + WITHOUT: 1},
    "selectors": {PASSED: 31},
    "staleness": {PASSED: 17},
    "start_timestamps": {
        HISTOGRAMS: 8,
        START_TIMES: 13,
        START_TIMES + WITHOUT: 3,
        "start_timestamp()": 2,
    },
    "subquery": {PASSED: 32, HISTOGRAMS: 2},
    "trig_functions": {PASSED: 19},
    "type_and_unit": {PASSED: 57, CHANGED: 1},
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_eval_is_answered_as_expected(name, shared):
    path = shared / "data/promrules/prometheus-testdata/promqltest" / f"{name}.test"
    storage, outcomes, mistakes = Storage(), Counter(), []
    for statement in read_promqltest(path.read_text("utf-8"), path.name):
        if isinstance(statement, Clear):
            storage = Storage()
        elif isinstance(statement, Load):
            storage.load(statement)
        else:
            outcome, mistake = outcome_of(statement, storage)
            outcomes[outcome] += 1
            if mistake:
                mistakes.append(f"line {statement.line}: {statement.expression}: {mistake}")
    assert mistakes == []
    assert outcomes == OUTCOMES[name]


def test_no_file_is_left_out(shared):
    folder = shared / "data/promrules/prometheus-testdata/promqltest"
    assert {path.stem for path in folder.glob("*.test")} == OUTCOMES.keys()


def outcome_of(statement, storage):
    """Give how an eval went, `PASSED` or the reason to skip it, and what is wrong with it."""
    if statement.unsupported:
        return statement.unsupported, ""
    try:
        expression = parse_expression(statement.expression)
        mistake = wrong(statement, expression, storage.stored())
    except ExpressionError as error:
        reason = of_refused(statement.expression)
        if reason:
            return reason, ""
        known = "not supported" not in str(error)
        return PASSED, wrong_failure(statement, str(error)) if known else str(error)
    reason = of_unread(expression, storage.unread)
    if reason:
        return reason if mistake else reason + WITHOUT, ""
    reason = of_different(statement)
    if reason:
        return reason, "" if mistake else f"is right, in spite of {reason}"
    return PASSED, mistake
