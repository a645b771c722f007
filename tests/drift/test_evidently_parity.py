"""Scores, verdicts and default tests are those of Evidently 0.7.23, on every golden case."""

import json

import numpy as np
import pytest
from drift_cases import FAMILIES, NUMERICAL, checksum, make_case
from drift_tables import TABLES, make_table
from read_drift_golden import (
    CASES,
    DRIFTED,
    FOLDER,
    METHODS,
    NO_BINS,
    NO_DATA,
    NOT_ASKED,
    STEADY,
    same_score,
)

from engine.drift.evidently_choice import TESTS, ColumnKind, DriftOptions, default_test
from engine.drift.report import Reference
from engine.drift.samples import CategoricalSample, Categories, NoBinsError, NumericSample

OPTION_KINDS = {"num_": ColumnKind.NUMERICAL, "cat_": ColumnKind.CATEGORICAL}


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "columns.npz") as arrays:
        return dict(arrays)


def sample_of(kind, values):
    if kind == NUMERICAL:
        return NumericSample(values, with_spread=True)
    return CategoricalSample(Categories.of(values))


def state_of(test, reference, window):
    try:
        score = test.score(reference, window)
    except NoBinsError:
        return np.nan, NO_BINS
    return score, DRIFTED if test.is_drift(score, test.threshold) else STEADY


def test_the_cases_are_those_of_the_golden_scores(golden):
    assert golden["cases"] == CASES == len(golden["scores"]) >= 10_000
    assert checksum(range(CASES)) == golden["checksum"], "the generator draws other cases"


@pytest.mark.parametrize("family", range(len(FAMILIES)), ids=lambda at: FAMILIES[at].__name__)
def test_scores_and_verdicts_equal_the_golden_ones(golden, family):
    wrong = []
    for seed in range(family, CASES, len(FAMILIES)):
        case = make_case(seed)
        reference, window = (sample_of(case.kind, side) for side in (case.reference, case.window))
        states, expected = golden["states"][seed], golden["scores"][seed]
        if NO_DATA in states:
            assert not (reference.rows and window.rows)
            continue
        default = default_test(reference, window).name
        if METHODS[golden["defaults"][seed]] != default:
            wrong.append((seed, "default", default))
        for place, method in enumerate(METHODS):
            if states[place] == NOT_ASKED:
                continue
            score, state = state_of(TESTS[method], reference, window)
            if state != states[place] or not same_score(method, score, expected[place]):
                wrong.append((seed, method, score, expected[place], state, states[place]))
    assert wrong == []


def test_the_cases_reach_every_method_and_state(golden):
    for place, method in enumerate(METHODS):
        states = golden["states"][:, place]
        assert min((states == STEADY).sum(), (states == DRIFTED).sum()) > 500, method
        assert method in {"kl_div", "psi", "hellinger"} or (golden["defaults"] == place).sum() > 100
    assert (golden["states"] == NO_BINS).sum() > 100
    assert (golden["states"] == NO_DATA).any(axis=1).sum() > 100


@pytest.mark.parametrize("seed", range(TABLES))
def test_a_table_with_options_is_judged_as_by_the_preset(seed):
    table = make_table(seed)
    expected = json.loads((FOLDER / "tables.json").read_text())[seed]
    kinds = {name: ColumnKind(kind) for name, kind in table.kinds.items()}
    report = Reference(table.reference, kinds, options_of(table.options)).report(table.window)
    assert report.drifted_columns == expected["drifted_columns"]
    assert report.drifted_share == expected["drifted_share"]
    assert report.drifted == expected["drifted"]
    assert {column.column for column in report.columns} == expected["columns"].keys()
    names = {test.display_name: name for name, test in TESTS.items()}
    for column in report.columns:
        other = expected["columns"][column.column]
        method = names[column.method]
        assert other["method"] in {
            method,
            column.method,
        }  # a name that was asked for stays as it is
        assert column.threshold == other["threshold"]
        assert same_score(method, column.score, other["score"])
        assert column.drifted == other["drifted"]


def options_of(chosen):
    """Our options for the preset's."""
    by_kind = {
        what: {
            kind: chosen[prefix + what]
            for prefix, kind in OPTION_KINDS.items()
            if prefix + what in chosen
        }
        for what in ("method", "threshold")
    }
    return DriftOptions(
        method=chosen.get("method"),
        threshold=chosen.get("threshold"),
        kind_methods=by_kind["method"],
        kind_thresholds=by_kind["threshold"],
        column_methods=chosen.get("per_column_method", {}),
        column_thresholds=chosen.get("per_column_threshold", {}),
        drift_share=chosen["drift_share"],
    )
