"""What is particular to half-space trees; the rest is in `test_scorer_contract.py`."""

import msgspec
import numpy as np
import pytest
from naive_half_space_trees import grow_all
from scorer_contract import Case, by_slot, feed, run

from engine.detectors.half_space_trees import (
    HalfSpaceTreesParams,
    HalfSpaceTreesScorer,
    random_trees,
)

PARAMS = HalfSpaceTreesParams()
CASE = Case(lambda: HalfSpaceTreesScorer(PARAMS), 2 * PARAMS.window_rows)


def test_memory_is_what_the_parameters_say():
    assert HalfSpaceTreesScorer(PARAMS).bytes_per_series <= 25 * 2**8 + 100
    small = HalfSpaceTreesParams(trees=10, height=4)
    assert HalfSpaceTreesScorer(small).bytes_per_series <= 10 * 2**6 + 100


def test_trees_are_those_of_the_slow_twin():
    def check(node, number, tree):
        if node.children:
            assert lag[tree, number] == node.lag
            assert split[tree, number] == node.split
            for side, child in enumerate(node.children, start=1):
                check(child, 2 * number + side, tree)

    params = HalfSpaceTreesParams(trees=7, height=5, lags=3)
    lag, split = random_trees(7, 5, 3)
    for tree, root in enumerate(grow_all(params)):
        check(root, 0, tree)


def test_work_ranges_cover_the_unit_cube():
    """The root halves a range that is symmetric about it and reaches beyond 0 and 1."""
    lag, split = random_trees(50, 4, 2)
    assert ((split[:, 0] >= 0.0) & (split[:, 0] < 1.0)).all()
    assert set(lag.ravel().tolist()) == {0, 1}
    for tree in range(50):
        child = [n for n in (1, 2) if lag[tree, n] == lag[tree, 0]]
        reach = max(split[tree, 0], 1.0 - split[tree, 0])
        assert [abs(split[tree, n] - split[tree, 0]) for n in child] == pytest.approx(
            [reach] * len(child)
        )


def test_every_level_of_a_tree_holds_the_whole_window():
    scorer = CASE.make()
    run(CASE, np.random.default_rng(1).normal(size=625), scorer=scorer)
    reference, latest = by_slot(scorer)["masses"][0].astype(int)
    for depth in range(PARAMS.height + 1):
        level = slice(2**depth - 1, 2 ** (depth + 1) - 1)
        assert (reference[:, level].sum(axis=1) == PARAMS.window_rows).all()
        assert (latest[:, level].sum(axis=1) == 625 - 2 * PARAMS.window_rows).all()


def ranked_high(values, strange, quantile):
    """Part of the strange rows whose onset is above this quantile of the other rows'."""
    onset = feed(HalfSpaceTreesScorer(PARAMS), values, 0, values.shape[1])[0]
    judged = onset >= 0.0
    level = np.quantile(onset[judged & ~strange], quantile)
    return (onset[judged & strange] > level).mean()


def test_values_inside_the_range_can_be_strange():
    """What neither a range nor a distance from the mean can see: the gap between two modes."""
    rng = np.random.default_rng(2)
    values = np.where(rng.random((20, 2500)) < 0.5, -3.0, 3.0)
    values += 0.3 * rng.normal(size=values.shape)
    strange = rng.random(values.shape) < 0.005
    values[strange] = 0.0
    assert ranked_high(values, strange, 0.98) > 0.9


def test_usual_values_in_an_unusual_order_are_strange():
    rng = np.random.default_rng(3)
    values = np.sin(np.arange(2500) * 2 * np.pi / 50) + 0.05 * rng.normal(size=(20, 2500))
    strange = rng.random(values.shape) < 0.005
    values[strange] *= -1.0
    assert ranked_high(values, strange, 0.95) > 0.8


def test_a_new_distribution_is_usual_after_two_windows():
    rng = np.random.default_rng(4)
    values = rng.normal(size=3000)
    values[1500:] = np.where(rng.random(1500) < 0.5, -4.0, 4.0) + 0.3 * values[1500:]
    state = run(CASE, values)[1]
    assert state[1520:1600].mean() > 4 * state[1000:1500].mean()
    assert state[2400:].mean() < 2 * state[1000:1500].mean()


@pytest.mark.parametrize(
    "params",
    [
        {"window_rows": 256},
        {"height": 11},
        {"trees": 0},
        {"lags": 0},
        {"seed": 3},
    ],
)
def test_wrong_parameters_are_refused(params):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(params, HalfSpaceTreesParams)
