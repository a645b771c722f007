"""Tests and thresholds are chosen by kind, size and distinct values, unless asked for."""

import numpy as np
import pytest

from engine.drift.evidently_choice import (
    CHI_SQUARE,
    JENSEN_SHANNON,
    KS,
    PSI,
    TESTS,
    WASSERSTEIN,
    ColumnKind,
    DriftOptions,
    Z,
    default_test,
    kind_of,
)
from engine.drift.samples import CategoricalSample, Categories, NumericSample
from engine.errors import UsageError

NUMERICAL, CATEGORICAL, TEXT = ColumnKind


@pytest.mark.parametrize(
    ("rows", "distinct", "expected"),
    [
        *((1000, 6, KS), (1001, 6, WASSERSTEIN), (1000, 5, CHI_SQUARE), (1000, 3, CHI_SQUARE)),
        *((1000, 2, Z), (1000, 1, Z), (1001, 5, JENSEN_SHANNON), (1001, 2, JENSEN_SHANNON)),
    ],
)
def test_numbers_get_their_test_by_rows_and_distinct_values_of_both(rows, distinct, expected):
    reference = NumericSample(np.zeros(rows))
    window = NumericSample(np.arange(distinct))
    assert default_test(reference, window) is expected


@pytest.mark.parametrize(
    ("rows", "distinct", "expected"),
    [(1000, 3, CHI_SQUARE), (1000, 2, Z), (1001, 3, JENSEN_SHANNON), (1001, 2, JENSEN_SHANNON)],
)
def test_categories_get_their_test_by_rows_and_distinct_values_of_both(rows, distinct, expected):
    reference = CategoricalSample(Categories.of(np.zeros(rows, np.int64)))
    window = CategoricalSample(Categories.of(np.arange(distinct)))
    assert default_test(reference, window) is expected


@pytest.mark.parametrize(
    ("name", "below", "at"),
    [
        *(("ks", True, True), ("chisquare", True, False), ("z", True, False)),
        *(("wasserstein", False, True), ("psi", False, True), ("hellinger", False, True)),
        *(("jensenshannon", False, True), ("kl_div", False, True)),
    ],
)
def test_the_threshold_itself_is_drift_for_distances_and_ks(name, below, at):
    test = TESTS[name]
    assert test.is_drift(0.09, 0.1) is below
    assert test.is_drift(0.1, 0.1) is at
    assert test.is_drift(0.11, 0.1) is not below
    assert not test.is_drift(float("nan"), 0.1)


def test_a_column_goes_before_its_kind_and_that_before_all():
    options = DriftOptions(
        method="hellinger",
        threshold=0.3,
        kind_methods={NUMERICAL: "ks"},
        kind_thresholds={CATEGORICAL: 0.0},
        column_methods={"a": "psi"},
        column_thresholds={"a": 0.4},
    )
    assert options.test_of("a", NUMERICAL) is PSI
    assert options.test_of("b", NUMERICAL) is KS
    assert options.test_of("b", CATEGORICAL) is TESTS["hellinger"]
    assert options.threshold_of("a", CATEGORICAL) == 0.4
    assert options.threshold_of("b", CATEGORICAL) == 0.0
    assert options.threshold_of("b", NUMERICAL) == 0.3
    assert DriftOptions().test_of("a", NUMERICAL) is None
    assert DriftOptions().threshold_of("a", NUMERICAL) is None


def test_methods_that_do_not_exist_or_fit_are_refused_by_name():
    with pytest.raises(UsageError, match="column 'a': no drift method 'x'; there are ks, "):
        DriftOptions(method="x").test_of("a", NUMERICAL)
    with pytest.raises(UsageError, match="column 'a': drift method 'z' isn't for numerical"):
        DriftOptions(method="z").test_of("a", NUMERICAL)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.zeros(3), NUMERICAL),
        (np.zeros(3, np.float32), NUMERICAL),
        (np.arange(10), CATEGORICAL),
        (np.arange(11), NUMERICAL),
        (np.arange(11, dtype=np.uint8), None),
        (np.array([True]), CATEGORICAL),
        (np.array(["a", "a", None, "b", "a"], object), CATEGORICAL),
        (np.array(["a", "b", None], object), TEXT),
        (np.array(["a", "b", "a", "b"]), CATEGORICAL),
        (np.array([None], object), None),
        (np.array(["a", 1], object), None),
        (np.array(["2026-01-01"], "datetime64[s]"), None),
    ],
)
def test_undeclared_kinds_follow_from_type_and_distinct_values(values, kind):
    assert kind_of(values) is kind


def test_kinds_do_not_mix():
    numbers = NumericSample(np.arange(9.0))
    names = CategoricalSample(Categories.of(np.arange(9)))
    for pair in ((numbers, names), (names, numbers)):
        with pytest.raises(TypeError, match="different types"):
            default_test(*pair)
        with pytest.raises(TypeError, match="different types"):
            PSI.score(*pair)
