"""Aim: a budget's levels and run lengths add up to its alarms, and no test more than Holm allows.

Method: by hand, against a slow twin, and by simulation with fixed seeds.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.drift.budget import ALPHA_MAX, WEEK_NS, Budget, adjusted
from tests.drift.naive_significance import holm

HOUR_NS = 3_600 * 10**9
P_VALUES = st.one_of(st.floats(0.0, 1.0), st.floats(0.0, 0.01), st.just(math.nan))


def test_the_tests_of_all_windows_of_a_week_share_the_budget():
    budget = Budget(2.0)
    alpha = budget.alpha(300, HOUR_NS)
    assert alpha * 300 * (WEEK_NS / HOUR_NS) == pytest.approx(2.0)


def test_parts_of_a_budget_add_up():
    whole = Budget(3.0)
    parts = whole.part(0.25), whole.part(0.75)
    assert sum(part.per_week for part in parts) == pytest.approx(whole.per_week)
    assert whole.part(0.5).part(0.5).per_week == pytest.approx(0.75)


def test_rare_windows_are_no_licence_for_weak_findings():
    assert Budget(100.0).window_alpha(WEEK_NS) == ALPHA_MAX
    assert Budget(100.0).alpha(4, WEEK_NS) == ALPHA_MAX / 4


def test_detectors_share_the_budget():
    events = 1_000_000.0
    length = Budget(1.0, 0.5).run_length(20, events)
    assert 20 * events / length == pytest.approx(0.5)


@pytest.mark.parametrize("alarms", [0.0, -1.0, math.inf, math.nan])
def test_a_budget_must_be_more_than_nothing(alarms):
    with pytest.raises(ValueError, match="false alarms a week"):
        Budget(alarms)


@pytest.mark.parametrize("share", [0.0, 1.5, math.nan])
def test_a_share_is_a_part(share):
    with pytest.raises(ValueError, match="share"):
        Budget(1.0, share)


def test_a_budget_is_not_divided_among_nothing():
    with pytest.raises(ValueError, match="0 tests"):
        Budget(1.0).alpha(0, HOUR_NS)
    with pytest.raises(ValueError, match="0 tests"):
        Budget(1.0).run_length(0, 1.0)
    with pytest.raises(ValueError, match="every 0 ns"):
        Budget(1.0).alpha(1, 0)


def test_holm_by_hand():
    p_values = [0.04, 0.01, math.nan, 0.02, 0.5]
    # 0.01 <= 0.05 / 4, but 0.02 > 0.05 / 3: that one stays, and so all larger ones.
    assert adjusted(p_values, 0.05).tolist() == [False, True, False, False, False]
    assert adjusted(p_values, 0.09).tolist() == [True, True, False, True, False]


def test_without_enough_data_nothing_is_rejected():
    assert adjusted([], 0.05).tolist() == []
    assert adjusted([math.nan, math.nan], 0.05).tolist() == [False, False]


@given(st.lists(P_VALUES, max_size=20), st.floats(0.0, 0.2))
def test_holm_equals_its_twin(p_values, alpha):
    assert adjusted(p_values, alpha).tolist() == holm(p_values, alpha)


@given(st.lists(P_VALUES, max_size=20))
def test_no_data_is_no_test(p_values):
    known = [p for p in p_values if not math.isnan(p)]
    found = adjusted(p_values, 0.05)
    assert found[~np.isnan(p_values)].tolist() == adjusted(known, 0.05).tolist()


def test_any_false_rejection_is_as_rare_as_asked():
    random = np.random.default_rng(11)
    windows = [adjusted(random.random(100), 0.05).any() for _ in range(4_000)]
    # Four standard errors of a rate of 5 %.
    assert 0.036 <= np.mean(windows) <= 0.064
