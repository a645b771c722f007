"""River's models on entities: equal to River's own loop over the metrics of an instant."""

import itertools
import math

import naive_river
import numpy as np
import pytest
from river import anomaly, linear_model, preprocessing

from engine.detectors.protocol import NOT_JUDGED, SCORE_ROWS
from engine.detectors.river_entity import Instant, RiverEntityModel
from engine.detectors.river_names import SEED
from engine.errors import UsageError

WARM_UP = 30
TREES = {"use": "river.anomaly.HalfSpaceTrees", "params": {"n_trees": 4, "window_size": 25}}
STEPS = {"steps": [{"use": "river.preprocessing.MinMaxScaler"}, TREES]}
PREDICTION = "river.anomaly.PredictiveAnomalyDetection"
REGRESSION = {"predictive_model": {"use": "river.linear_model.LinearRegression"}}


def scaled_trees():
    trees = anomaly.HalfSpaceTrees(n_trees=4, window_size=25, seed=SEED)
    return preprocessing.MinMaxScaler() | trees


def entity_model(name="river.compose.Pipeline", params=STEPS, **options):
    model = RiverEntityModel(name, params | {"warm_up": WARM_UP} | options)
    model.grow(3)
    return model


def fleet(rows=80):
    """Instants of three entities in turn, with metrics that go missing."""
    rng = np.random.default_rng(8)
    instants = []
    for row, entity in itertools.product(range(rows), range(3)):
        features = {"cpu": rng.normal(), "memory": rng.normal() * entity, "disk": rng.random()}
        if row % 7 == 3:
            del features["memory"]
        if row % 11 == 5:
            features["cpu"] = math.nan
        if row == 40:
            features = {"cpu": math.inf}
        instants.append(Instant(entity, features))
    return instants


def score(model, instants):
    """Scores float64[SCORE_ROWS, n] and failures."""
    scores, signals = (
        np.empty((SCORE_ROWS, len(instants))),
        np.zeros((1, len(instants)), np.float32),
    )
    failures = model.score(instants, scores, signals)
    return scores, failures


def expected(make, instants, target=None):
    """Onsets and states float64[2, n] by River's loop."""
    out = np.zeros((2, len(instants)))
    out[0] = NOT_JUDGED
    for entity in range(3):
        samples, places = [], []
        for place, instant in enumerate(instants):
            known = {k: v for k, v in instant.features.items() if math.isfinite(v)}
            judged = known.pop(target, None) if target else None
            if instant.entity == entity and (known if target is None else judged is not None):
                samples.append((known, judged))
                places.append(place)
        raw = naive_river.river_loop(make(), samples)
        out[:, places] = naive_river.onsets_and_states(raw, WARM_UP)
    return out


def test_scores_are_those_of_rivers_own_loop():
    instants = fleet()
    scores, failures = score(entity_model(), instants)
    np.testing.assert_array_equal(scores[:2], expected(scaled_trees, instants))
    assert failures == ()
    assert (scores[0] > 0.0).any()
    assert np.isnan(scores[2:]).all()


def test_a_target_is_judged_given_the_others():
    instants = fleet()
    scores, failures = score(entity_model(PREDICTION, REGRESSION, target="disk"), instants)

    def prediction():
        return anomaly.PredictiveAnomalyDetection(linear_model.LinearRegression())

    want = expected(prediction, instants, "disk")
    np.testing.assert_array_equal(scores[:2], want)
    assert failures == ()
    assert [instants[row].features for row in range(120, 123)] == [{"cpu": math.inf}] * 3
    assert (scores[0, 120:123] == NOT_JUDGED).all()


@pytest.mark.parametrize("cut", [1, 100, 200])
def test_restoring_changes_nothing(cut):
    instants = fleet()
    whole, _ = score(entity_model(), instants)
    first, second = entity_model(), entity_model()
    score(first, instants[:cut])
    tables = {name: array for table in first.tables() for name, array in table.arrays.items()}
    second.restore(tables | first.pooled())
    rest, _ = score(second, instants[cut:])
    np.testing.assert_array_equal(rest, whole[:, cut:])


def test_failures_are_rows():
    model = entity_model(PREDICTION, {}, target="disk", warm_up=1)
    instants = [Instant(2, {"disk": 1.0})] * 3 + [Instant(2, {"disk": 1e200})]
    _, failures = score(model, instants)
    assert [(failure.row, failure.detail[:13]) for failure in failures] == [(3, "OverflowError")]


def test_scoring_leaves_the_instants_alone():
    instant = Instant(0, {"cpu": 1.0, "disk": math.nan})
    score(entity_model(PREDICTION, {}, target="cpu"), [instant])
    assert instant.features.keys() == {"cpu", "disk"}


def test_a_wrong_option_is_refused():
    with pytest.raises(UsageError, match="target"):
        RiverEntityModel(PREDICTION, {"target": 3})
