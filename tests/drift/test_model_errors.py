"""Errors, window by window.

Aim: errors that became more are found, those that did not are not, few errors wait for more, and
none are needed. Method: shares and numbers with a known change.
"""

import math

import msgspec
import numpy as np
import pytest

from engine.drift.budget import Budget
from engine.drift.model_errors import BASELINE_ROWS, ErrorWindows

HOUR = 3600 * 10**9


def windows(feature="error"):
    return ErrorWindows(feature, HOUR, 50, 0.05)


def begun(values, kind="binary", feature="error"):
    errors = windows(feature)
    errors.add(HOUR, values, kind)
    return errors


def share(number, rate):
    return (np.arange(number) % 100 < 100 * rate).astype(float)


@pytest.mark.parametrize(("rate", "significant"), [(0.5, True), (0.2, False), (0.1, False)])
def test_a_share_of_errors(rate, significant):
    errors = begun(share(BASELINE_ROWS, 0.2))
    assert errors.next_end_ns() is None
    errors.add(HOUR + 1, share(400, rate), "binary")
    assert errors.next_end_ns() == 2 * HOUR
    assert not errors.advance_to(2 * HOUR - 1, Budget(1.0))
    (finding,) = errors.advance_to(2 * HOUR, Budget(1.0))
    assert finding.significant == significant
    assert finding.score == pytest.approx(rate - 0.2)
    assert (finding.rows, finding.reference_rows) == (400, BASELINE_ROWS)
    assert finding.method == "error_rate"


def test_a_share_of_errors_is_significant_by_chance_no_more_often_than_it_may_be():
    rng, often = np.random.default_rng(2), 0
    for _ in range(1500):
        errors = begun((rng.random(BASELINE_ROWS) < 0.1).astype(float))
        errors.add(HOUR + 1, (rng.random(100) < 0.1).astype(float), "binary")
        (finding,) = errors.advance_to(2 * HOUR, Budget(1000.0))
        assert finding.alpha == 0.05
        often += finding.p_value <= finding.alpha
    assert often <= 0.05 * 1500


def test_errors_of_numbers():
    rng = np.random.default_rng(1)
    errors = begun(np.abs(rng.normal(0, 1, BASELINE_ROWS)), "regression")
    errors.add(HOUR + 1, np.abs(rng.normal(0, 2, 300)), "regression")
    (finding,) = errors.advance_to(2 * HOUR, Budget(1.0))
    assert finding.significant
    assert finding.method == "mean_error"
    assert finding.direction.startswith("up from 0.78")
    assert math.isfinite(finding.score)


def test_what_an_evaluator_gives_less_of():
    errors = begun(np.full(BASELINE_ROWS, -0.9), "regression", "judge")
    errors.add(HOUR + 1, np.full(60, -0.5), "regression")
    (finding,) = errors.advance_to(2 * HOUR, Budget(1.0))
    assert finding.significant
    assert finding.direction == "down from 0.9 to 0.5"


def test_few_errors_wait_for_more():
    errors = begun(share(BASELINE_ROWS, 0.2))
    errors.add(HOUR + 1, share(30, 1.0), "binary")
    assert not errors.advance_to(2 * HOUR, Budget(1.0))
    assert errors.next_end_ns() is None
    errors.add(5 * HOUR, share(30, 1.0), "binary")
    (finding,) = errors.advance_to(5 * HOUR, Budget(1.0))
    assert finding.rows == 60
    assert (finding.window_begin_ns, finding.window_end_ns) == (HOUR, 5 * HOUR)


def test_state_comes_back():
    errors, again = begun(share(BASELINE_ROWS, 0.2)), windows()
    errors.add(HOUR + 1, share(100, 0.6), "binary")
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(errors.state())))
    assert again.next_end_ns() == errors.next_end_ns()
    assert again.advance_to(2 * HOUR, Budget(1.0)) == errors.advance_to(2 * HOUR, Budget(1.0))
