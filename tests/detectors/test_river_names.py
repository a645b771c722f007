"""Mistakes in the name and the parameters of a River model are said in a sentence."""

import pytest
from river import anomaly, compose, preprocessing

from engine.detectors.river_names import SEED, make_model, river_problem
from engine.errors import UsageError

TREES = "river.anomaly.HalfSpaceTrees"
FILTER = "river.anomaly.QuantileFilter"
LIMIT = "river.anomaly.ThresholdFilter"
PIPELINE = "river.compose.Pipeline"
SCALER = {"use": "river.preprocessing.MinMaxScaler"}


def steps(*uses):
    return {"steps": list(uses)}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        (TREES, {}),
        (TREES, {"n_trees": 3, "limits": {"value": [0, 10]}, "lags": 2, "warm_up": 0}),
        ("river.anomaly.hst.HalfSpaceTrees", {}),
        ("river.anomaly.OneClassSVM", {"optimizer": {"use": "river.optim.SGD"}}),
        ("river.anomaly.LocalOutlierFactor", {}),
        (FILTER, {"anomaly_detector": {"use": TREES}, "q": 0.9}),
        (PIPELINE, steps(SCALER, {"use": TREES, "params": None})),
        (PIPELINE, {"steps": (SCALER, {"use": "river.anomaly.LODA"})}),
    ],
)
def test_what_is_right_is_no_problem(name, params):
    assert river_problem(name, params) is None


def test_every_detector_of_river_is_no_problem():
    needs = {
        FILTER: {"anomaly_detector": {"use": TREES}, "q": 0.9},
        LIMIT: {"anomaly_detector": {"use": TREES}, "threshold": 0.9},
    }
    for name in anomaly.__all__:
        dotted = f"river.anomaly.{name}"
        assert river_problem(dotted, needs.get(dotted, {})) is None, dotted


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        (
            "river.anomaly.HalfSpaceTree",
            {},
            "River has no class river.anomaly.HalfSpaceTree; did you mean " + TREES + "?",
        ),
        ("river.Pipelin", {}, "River has no class river.Pipelin; did you mean " + PIPELINE + "?"),
        (
            "anomaly.LODA",
            {},
            "anomaly.LODA is no dotted name under river; did you mean river.anomaly.LODA?",
        ),
        ("os.system", {}, "os.system is no dotted name under river"),
        ("river.anomaly.__class__", {}, "river.anomaly.__class__ is no dotted name under river"),
        (
            "river.anomaly.hst.random.Random",
            {},
            "River has no class river.anomaly.hst.random.Random",
        ),
        (
            "river.anomaly.loda.Zzzzz.Qqqqq",
            {},
            "River has no class river.anomaly.loda.Zzzzz.Qqqqq",
        ),
        (
            "river.base.AnomalyDetector",
            {},
            "river.base.AnomalyDetector is abstract: name a class that is made of it",
        ),
        (
            TREES,
            {"n_tree": 3},
            TREES + " has no parameter n_tree; did you mean n_trees? "
            "It takes n_trees, height, window_size, limits, seed, warm_up, lags",
        ),
        (
            TREES,
            {"qqq": 3},
            TREES + " has no parameter qqq; "
            "it takes n_trees, height, window_size, limits, seed, warm_up, lags",
        ),
        (TREES, {"lags": -1}, TREES + ": Expected `int` >= 0 - at `$.lags`"),
        (
            TREES,
            {"n_trees": "ten"},
            TREES + " can't learn a sample: "
            "TypeError: 'str' object cannot be interpreted as an integer",
        ),
        (
            FILTER,
            {"q": 0.5},
            FILTER + " needs the parameter anomaly_detector; "
            "it takes anomaly_detector, q, protect_anomaly_detector, warm_up, lags",
        ),
        (
            FILTER,
            {"anomaly_detector": {"use": TREES}, "q": 3},
            FILTER + " can't be made: ValueError: q is not comprised between 0 and 1",
        ),
        (PIPELINE, {}, PIPELINE + ": a pipeline has no steps"),
        (PIPELINE, {"steps": 3}, PIPELINE + ": steps is a list"),
        (
            PIPELINE,
            steps(SCALER),
            PIPELINE + " is no anomaly detector: MinMaxScaler has no score_one",
        ),
        (
            PIPELINE,
            steps(SCALER, {"use": "river.anomaly.GaussianScorer"}),
            PIPELINE + ": a pipeline gives no target to GaussianScorer, which needs one",
        ),
        (
            PIPELINE,
            steps(SCALER, {"use": TREES, "with": 1}),
            "beside use there can be params, not with",
        ),
        (
            PIPELINE,
            steps(SCALER, {"use": TREES, "params": [1]}),
            "params of " + TREES + " are a mapping of names to values",
        ),
        (
            PIPELINE,
            steps(SCALER, {"use": TREES, "params": {"limit": 1}}),
            TREES + " has no parameter limit; did you mean limits? "
            "It takes n_trees, height, window_size, limits, seed",
        ),
        (
            LIMIT,
            {
                "anomaly_detector": {
                    "use": PIPELINE,
                    "params": steps({"use": "river.anomaly.GaussianScorer"}),
                },
                "threshold": 0.5,
            },
            LIMIT + ": a pipeline gives no target to GaussianScorer, which needs one",
        ),
        (
            "river.cluster.KMeans",
            {},
            "river.cluster.KMeans is no anomaly detector: KMeans has no score_one",
        ),
    ],
)
def test_a_problem_says_what_is_wrong(name, params, problem):
    assert river_problem(name, params) == problem


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        (TREES, {}, None),
        (
            TREES,
            {"target": "cpu"},
            TREES + " judges all metrics alike: leave target out",
        ),
        (
            TREES,
            {"lags": 1},
            TREES + " has no parameter lags; "
            "it takes n_trees, height, window_size, limits, seed, warm_up, target",
        ),
        ("river.anomaly.GaussianScorer", {"target": "cpu"}, None),
        (
            "river.anomaly.GaussianScorer",
            {},
            "river.anomaly.GaussianScorer judges one metric, given the others: name it with target",
        ),
    ],
)
def test_a_problem_of_an_entity(name, params, problem):
    assert river_problem(name, params, is_entity=True) == problem


def test_what_can_not_be_saved_is_a_problem(monkeypatch):
    class Local(anomaly.LODA):
        __module__ = "river.anomaly"

    monkeypatch.setattr(anomaly, "Local", Local, raising=False)
    problem = river_problem("river.anomaly.Local", {})
    assert problem.startswith("river.anomaly.Local can't be saved at a checkpoint: ")


def test_objects_are_nested():
    model = make_model(PIPELINE, steps(SCALER, {"use": TREES, "params": {"limits": {"a": [0, 5]}}}))
    assert isinstance(model, compose.Pipeline)
    scaler, trees = model.steps.values()
    assert isinstance(scaler, preprocessing.MinMaxScaler)
    assert trees.limits["a"] == [0, 5]
    assert trees.seed == SEED


def test_lists_and_mappings_are_not_shared():
    params = {"limits": {"a": [0, 5]}}
    first, second = make_model(TREES, params), make_model(TREES, params)
    assert first.limits["a"] is not second.limits["a"]


@pytest.mark.parametrize(("given", "seed"), [({}, SEED), ({"seed": None}, SEED), ({"seed": 7}, 7)])
def test_a_seed_is_given_or_fixed(given, seed):
    assert make_model(TREES, given).seed == seed
    assert make_model("river.anomaly.LODA", given).seed == seed


def test_making_refuses_as_checking_does():
    with pytest.raises(UsageError, match="did you mean n_trees"):
        make_model(TREES, {"n_tree": 3})
