"""River's models on series: equal to River's own loop, whatever the blocks and checkpoints are.

Aim: the adapter adds nothing to a model's scores and loses nothing of it. Method: the oracle is
River's loop as its documentation writes it, over models that the test makes by hand.
"""

import itertools
import math
import subprocess
import sys

import naive_river
import numpy as np
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from river import anomaly, compose, linear_model, preprocessing, stats, time_series

from engine.detectors import river_judge, river_store
from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.protocol import NOT_JUDGED, SCORE_ROWS
from engine.detectors.river_model import RiverScorer
from engine.detectors.river_names import SEED
from engine.errors import StateError

WARM_UP = 40
FEW = {"n_trees": 4, "height": 4, "window_size": 25}
HST = {"use": "river.anomaly.HalfSpaceTrees", "params": FEW}
LIMITED = HST | {"params": FEW | {"limits": {"value": [0.0, 70.0]}}}
SCALER = {"use": "river.preprocessing.MinMaxScaler"}
SCALED = {"use": "river.compose.Pipeline", "params": {"steps": [SCALER, HST]}}


def trees(**params):
    return anomaly.HalfSpaceTrees(**FEW, seed=SEED, **params)


# What the configuration says, what River's user writes, and whether it judges a target.
MODELS = {
    "trees": (LIMITED, lambda: trees(limits={"value": (0.0, 70.0)}), False),
    "scaled trees": (SCALED, lambda: preprocessing.MinMaxScaler() | trees(), False),
    "one-class SVM": ({"use": "river.anomaly.OneClassSVM"}, anomaly.OneClassSVM, False),
    "LODA": (
        {"use": "river.anomaly.LODA", "params": {"n_random_cuts": 5, "seed": 7}},
        lambda: anomaly.LODA(n_random_cuts=5, seed=7),
        False,
    ),
    "LOF": (
        {"use": "river.anomaly.LocalOutlierFactor", "params": {"n_neighbors": 3}},
        lambda: anomaly.LocalOutlierFactor(n_neighbors=3),
        False,
    ),
    "filter": (
        {"use": "river.anomaly.QuantileFilter", "params": {"anomaly_detector": SCALED, "q": 0.9}},
        lambda: anomaly.QuantileFilter(preprocessing.MinMaxScaler() | trees(), q=0.9),
        False,
    ),
    "gaussian": (
        {
            "use": "river.anomaly.GaussianScorer",
            "params": {"window_size": 50, "grace_period": 30},
        },
        lambda: anomaly.GaussianScorer(window_size=50, grace_period=30),
        True,
    ),
    "deviation": (
        {"use": "river.anomaly.StandardAbsoluteDeviation"},
        anomaly.StandardAbsoluteDeviation,
        True,
    ),
    "deviation from a moving mean": (
        {
            "use": "river.anomaly.StandardAbsoluteDeviation",
            "params": {"sub_stat": {"use": "river.stats.EWMean", "params": {"fading_factor": 0.2}}},
        },
        lambda: anomaly.StandardAbsoluteDeviation(stats.EWMean(fading_factor=0.2)),
        True,
    ),
    "prediction": (
        {"use": "river.anomaly.PredictiveAnomalyDetection"},
        anomaly.PredictiveAnomalyDetection,
        True,
    ),
    "forecast": (
        {
            "use": "river.anomaly.PredictiveAnomalyDetection",
            "params": {
                "predictive_model": {
                    "use": "river.time_series.SNARIMAX",
                    "params": {"p": 2, "d": 0, "q": 1},
                },
                "warmup_period": 10,
            },
        },
        lambda: anomaly.PredictiveAnomalyDetection(
            time_series.SNARIMAX(p=2, d=0, q=1), warmup_period=10
        ),
        True,
    ),
    "supervised filter": (
        {
            "use": "river.anomaly.ThresholdFilter",
            "params": {
                "anomaly_detector": {
                    "use": "river.anomaly.GaussianScorer",
                    "params": {"grace_period": 10},
                },
                "threshold": 0.999,
            },
        },
        lambda: anomaly.ThresholdFilter(anomaly.GaussianScorer(grace_period=10), threshold=0.999),
        True,
    ),
}
ALL = pytest.mark.parametrize("name", MODELS)
CHEAP = {"use": "river.anomaly.StandardAbsoluteDeviation"}


def scorer_of(use, **options):
    scorer = RiverScorer(use["use"], use.get("params", {}) | {"warm_up": WARM_UP} | options)
    scorer.grow(8)
    return scorer


def fleet(series=3, rows=120):
    """Values float64[series, rows]: noise about a level, a spike, and what is no number."""
    rng = np.random.default_rng(3)
    values = rng.normal(5.0, 1.0, (series, rows)) * np.arange(1, series + 1)[:, np.newaxis]
    values[0, 90] = 60.0
    values[1:2, ::17] = math.nan
    values[2:3, [50, 51]] = math.inf, -math.inf
    return values


def score(scorer, values, cuts=(), between=lambda scorer: scorer):
    """Raw scores float64[SCORE_ROWS, series, rows], signals, and failures by (series, row)."""
    series, rows = values.shape
    out, signals, failures = np.empty((SCORE_ROWS, series, rows)), np.zeros((series, rows)), []
    for begin, end in itertools.pairwise([0, *sorted(cuts), rows]):
        slot = np.repeat(np.arange(series, dtype=np.int32), end - begin)
        block, loud = np.full((SCORE_ROWS, len(slot)), 99.0), np.zeros((1, len(slot)), np.float32)
        ts = np.tile(np.arange(begin, end), series)
        for failure in scorer.score(slot, ts, values[:, begin:end].ravel(), block, loud):
            place, row = divmod(failure.row, end - begin)
            failures.append((place, begin + row, failure))
        out[:, :, begin:end] = block.reshape(SCORE_ROWS, series, end - begin)
        signals[:, begin:end] = loud.reshape(series, end - begin)
        scorer = between(scorer)
    return out, signals, sorted(failures, key=lambda failure: failure[:2])


def saved(scorer):
    """A snapshot: copies of all arrays."""
    tables = {name: array for table in scorer.tables() for name, array in table.arrays.items()}
    return {name: array.copy() for name, array in (tables | scorer.pooled()).items()}


def where(failed):
    series, row, failure = failed
    return series, row, failure.detail, failure.suspends


def expected(make, values, *, lags=0, supervised):
    """Onsets and states float64[2, series, rows] by River's loop, one model for each series."""
    out = np.zeros((2, *values.shape))
    out[0] = NOT_JUDGED
    for series, row in enumerate(values.tolist()):
        samples, places = naive_river.lagged(row, lags, supervised=supervised)
        raw = naive_river.river_loop(make(), samples)
        out[:, series, places] = naive_river.onsets_and_states(raw, WARM_UP)
    return out


@ALL
def test_scores_are_those_of_rivers_own_loop(name):
    use, make, supervised = MODELS[name]
    values = fleet()
    scores, signals, failures = score(scorer_of(use), values)
    np.testing.assert_array_equal(scores[:2], expected(make, values, supervised=supervised))
    assert np.isnan(scores[2:]).all()
    assert failures == []
    assert (scores[0] > 0).any()
    np.testing.assert_array_equal(signals, np.maximum(scores[0], 0.0).astype(np.float32))


@pytest.mark.parametrize("name", ["scaled trees", "LODA"])
def test_lags_are_features(name):
    use, make, _ = MODELS[name]
    values = fleet()
    scores, _, _ = score(scorer_of(use, lags=3), values)
    np.testing.assert_array_equal(scores[:2], expected(make, values, lags=3, supervised=False))


def test_lags_predict_a_target():
    values = fleet()
    values[0] = np.arange(values.shape[1]) % 2
    use, _, _ = MODELS["prediction"]
    regression = {"use": "river.linear_model.LinearRegression"}
    given = use | {"params": {"predictive_model": regression}}
    scores, _, _ = score(scorer_of(given, lags=2), values)

    def make():
        return anomaly.PredictiveAnomalyDetection(linear_model.LinearRegression())

    np.testing.assert_array_equal(scores[:2], expected(make, values, lags=2, supervised=True))


def test_scores_below_zero_are_shifted():
    standard = {"use": "river.preprocessing.StandardScaler"}
    steps = {"steps": [standard, MODELS["one-class SVM"][0]]}
    values = fleet()
    scores, _, _ = score(scorer_of({"use": "river.compose.Pipeline", "params": steps}), values)
    model = preprocessing.StandardScaler() | anomaly.OneClassSVM()
    samples = [({"value": value}, None) for value in values[0].tolist()]
    plain = np.array(naive_river.river_loop(model, samples))
    floor, judged = plain[:WARM_UP].min(), plain[WARM_UP:]
    assert judged.min() < floor < 0.0 < judged.max()
    np.testing.assert_array_equal(scores[0, 0, WARM_UP:], np.maximum(judged - floor, 0.0))


def test_without_warm_up_scores_below_zero_are_zero():
    scores, _, _ = score(scorer_of(MODELS["one-class SVM"][0], warm_up=0), fleet())
    assert scores[0, 0].min() == 0.0
    assert scores[0, 0].max() > 0.0


@pytest.mark.parametrize("name", ["scaled trees", "prediction"])
@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1, 119), max_size=20, unique=True))
def test_cuts_into_blocks_change_nothing(name, cuts):
    use, values = MODELS[name][0], fleet()
    parts, whole = (
        score(scorer_of(use, lags=1), values, cuts),
        score(scorer_of(use, lags=1), values),
    )
    np.testing.assert_array_equal(parts[0], whole[0])


@ALL
def test_restoring_changes_nothing(name):
    use, values = MODELS[name][0], fleet()

    def restored(scorer):
        other = scorer_of(use, lags=1)
        other.restore(saved(scorer))
        return other

    parts = score(scorer_of(use, lags=1), values, [20, 21, 70, 95], restored)
    whole = score(scorer_of(use, lags=1), values)
    for part, other in zip(parts[:2], whole[:2], strict=True):
        np.testing.assert_array_equal(part, other)
    assert [where(item) for item in parts[2]] == [where(item) for item in whole[2]]


def test_a_restored_scorer_saves_what_it_has_not_used():
    first = scorer_of(SCALED)
    score(first, fleet())
    snapshot = saved(first)
    second = scorer_of(SCALED)
    second.restore(snapshot)
    again = saved(second)
    assert again.keys() == snapshot.keys()
    for name, array in snapshot.items():
        np.testing.assert_array_equal(again[name], array)


def test_only_changed_models_are_pickled_anew(monkeypatch):
    scorer, values = scorer_of(CHEAP), fleet()
    score(scorer, values)
    scorer.pooled()
    pickled = []
    real = river_store.pickle.dumps
    monkeypatch.setattr(
        river_store.pickle, "dumps", lambda model, protocol: pickled.append(model) or real(model)
    )
    before = scorer.pooled()
    assert pickled == []
    score(scorer, values[:1])
    after = scorer.pooled()
    assert len(pickled) == 1
    begin = before["model_end"][0]
    np.testing.assert_array_equal(
        before["model_bytes"][begin:], after["model_bytes"][after["model_end"][0] :]
    )


class Scripted:
    """A model that does what its script says: numbers are returned, exceptions raised."""

    script = ()
    learns = ()

    def __init__(self):
        self.asked = -1

    @staticmethod
    def _do(step):
        if isinstance(step, Exception):
            raise step
        return step

    def score_one(self, x):
        self.asked += 1
        return self._do(self.script[self.asked])

    def learn_one(self, x):
        if self.learns:
            self._do(self.learns[self.asked])


def scripted(monkeypatch, script, *, learns=(), warm_up=0):
    """One series' onsets, and failures by row, of a scripted model; and the scorer."""
    monkeypatch.setattr(Scripted, "script", script)
    monkeypatch.setattr(Scripted, "learns", learns)
    monkeypatch.setattr(river_judge, "make_model", lambda name, params: Scripted())
    scorer = RiverScorer("river.anomaly.LODA", {"warm_up": warm_up})
    scorer.grow(1)
    scores, _, failures = score(scorer, np.arange(float(len(script)))[np.newaxis])
    return scores[0, 0], {row: failure for _, row, failure in failures}, scorer


@pytest.mark.parametrize(
    ("step", "detail"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (math.nan, "returned NaN"),
        (np.float64("nan"), "returned NaN"),
        (-math.inf, "returned -inf"),
    ],
)
def test_a_failure_is_a_row_that_says_why(monkeypatch, step, detail):
    onset, failures, _ = scripted(monkeypatch, [0.5, step, 0.25])
    np.testing.assert_array_equal(onset, [0.5, NOT_JUDGED, 0.25])
    assert {row: (item.detail, item.suspends) for row, item in failures.items()} == {
        1: (detail, False)
    }


def test_no_number_is_a_failure(monkeypatch):
    _, failures, _ = scripted(monkeypatch, [None])
    assert failures[0].detail.startswith("TypeError: ")


def test_a_long_message_is_cut(monkeypatch):
    _, failures, _ = scripted(monkeypatch, [ValueError("x" * 10_000)])
    assert failures[0].detail == "ValueError: " + "x" * 188


def test_failing_to_learn_is_a_failure(monkeypatch):
    onset, failures, _ = scripted(monkeypatch, [0.5, 0.5], learns=[KeyError("value"), None])
    np.testing.assert_array_equal(onset, [NOT_JUDGED, 0.5])
    assert failures[0].detail == "KeyError: 'value'"


def test_ten_failures_in_a_row_suspend(monkeypatch):
    wrong = ValueError("no")
    script = [*[wrong] * 9, 1.0, *[wrong] * 10, 1.0, wrong]
    onset, failures, scorer = scripted(monkeypatch, script)
    assert [row for row, failure in failures.items() if failure.suspends] == [19]
    assert sorted(failures) == [*range(9), *range(10, 20)]
    np.testing.assert_array_equal(onset[20:], NOT_JUDGED)
    assert onset[9] == 1.0
    snapshot = saved(scorer)
    assert len(snapshot["model_place"]) == 0
    other = RiverScorer("river.anomaly.LODA", {"warm_up": 0})
    other.restore(snapshot)
    scores, _, failures = score(other, np.ones((1, 3)))
    np.testing.assert_array_equal(scores[0], NOT_JUDGED)
    assert failures == []


def test_a_model_that_warms_up_need_not_be_able_to_score(monkeypatch):
    script = [*[IndexError("empty")] * 20, 0.5, math.nan]
    onset, failures, _ = scripted(monkeypatch, script, warm_up=20)
    np.testing.assert_array_equal(onset, [*[NOT_JUDGED] * 20, 0.5, NOT_JUDGED])
    assert sorted(failures) == [21]


def test_a_model_that_can_not_learn_never_warms_up(monkeypatch):
    _, failures, _ = scripted(monkeypatch, [0.5] * 12, learns=[TypeError("x")] * 12, warm_up=2)
    assert sorted(failures) == list(range(10))
    assert failures[9].suspends


def test_a_model_that_a_value_has_broken_is_suspended():
    values = fleet(1)
    values[0, 100] = 1e200
    scores, _, failures = score(scorer_of(MODELS["forecast"][0]), values)
    assert [row for _, row, _ in failures] == list(range(100, 110))
    assert failures[0][2].detail.startswith("OverflowError: ")
    assert [failure.suspends for _, _, failure in failures] == [False] * 9 + [True]
    assert (scores[0, 0, 100:] == NOT_JUDGED).all()
    assert (scores[0, 0, WARM_UP:100] >= 0.0).all()


def test_another_version_of_river_starts_anew(monkeypatch):
    values = fleet()
    old = scorer_of(SCALED)
    score(old, values)
    snapshot = saved(old)
    monkeypatch.setattr(river_store, "version", lambda name: "0.0.1")
    other = scorer_of(SCALED)
    with structlog.testing.capture_logs() as logs:
        other.restore(snapshot)
    assert [log["log_level"] for log in logs] == ["warning"]
    assert "0.0.1" in logs[0]["own"]
    np.testing.assert_array_equal(score(other, values)[0], score(scorer_of(SCALED), values)[0])


def test_what_is_known_of_the_samples_outlives_a_new_version(monkeypatch):
    values = fleet(1)
    old = scorer_of(CHEAP, lags=2, warm_up=0)
    score(old, values)
    snapshot = saved(old)
    monkeypatch.setattr(river_store, "version", lambda name: "0.0.1")
    other = scorer_of(CHEAP, lags=2, warm_up=0)
    other.restore(snapshot)
    assert score(scorer_of(CHEAP, lags=2, warm_up=0), values[:, :1])[0][0, 0, 0] == NOT_JUDGED
    assert score(other, values[:, :1])[0][0, 0, 0] >= 0.0


def test_a_suspended_model_gets_another_chance_with_another_version(monkeypatch):
    _, failures, scorer = scripted(monkeypatch, [math.nan] * 10)
    assert failures[9].suspends
    snapshot = saved(scorer)
    monkeypatch.setattr(river_store, "version", lambda name: "0.0.1")
    other = RiverScorer("river.anomaly.LODA", {"warm_up": 0})
    other.restore(snapshot)
    _, _, failures = score(other, np.ones((1, 2)))
    assert [row for _, row, _ in failures] == [0, 1]


def test_another_class_starts_anew():
    values = fleet()
    old = scorer_of(MODELS["LODA"][0])
    score(old, values)
    other = scorer_of(SCALED)
    with structlog.testing.capture_logs() as logs:
        other.restore(saved(old))
    assert len(logs) == 1
    np.testing.assert_array_equal(score(other, values)[0], score(scorer_of(SCALED), values)[0])


def test_a_damaged_model_starts_anew_and_no_other_does():
    values = fleet()
    old = scorer_of(CHEAP)
    score(old, values)
    snapshot = saved(old)
    begin, end = snapshot["model_end"][:2]
    snapshot["model_bytes"][begin:end] = 255
    other = scorer_of(CHEAP)
    other.restore(snapshot)
    with structlog.testing.capture_logs() as logs:
        after = score(other, values)[0]
    assert [log["place"] for log in logs] == [1]
    fresh, gone_on = score(scorer_of(CHEAP), values)[0], score(old, values)[0]
    np.testing.assert_array_equal(after[:, 1], fresh[:, 1])
    np.testing.assert_array_equal(after[:, [0, 2]], gone_on[:, [0, 2]])


def test_a_model_that_can_not_be_saved_does_not_stop_the_flow(monkeypatch):
    _, _, scorer = scripted(monkeypatch, [0.5, 0.5])
    scorer._models.take(0)[0].lock = lambda: None
    with structlog.testing.capture_logs() as logs:
        snapshot = scorer.pooled()
    assert snapshot["model_end"].tolist() == [0]
    assert len(logs) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("model_end"),
        lambda arrays: arrays.pop("learned"),
        lambda arrays: arrays.update(model_end=arrays["model_end"] + 1),
        lambda arrays: arrays.update(model_end=arrays["model_end"][::-1]),
        lambda arrays: arrays.update(model_place=arrays["model_place"].astype(np.int64)),
        lambda arrays: arrays.update(more=arrays["learned"]),
    ],
)
def test_another_layout_is_refused(change):
    scorer = scorer_of(CHEAP)
    score(scorer, fleet())
    arrays = saved(scorer)
    change(arrays)
    with pytest.raises(ValueError):
        scorer_of(CHEAP).restore(arrays)


def test_random_models_do_not_depend_on_what_came_before():
    values = np.repeat(fleet(1), 3, axis=0)
    alike = score(scorer_of(HST), values)[0]
    np.testing.assert_array_equal(alike[:, 0], alike[:, 2])
    late = scorer_of(HST)
    score(late, fleet(2))
    block, signals = (
        np.empty((SCORE_ROWS, values.shape[1])),
        np.zeros((1, values.shape[1]), np.float32),
    )
    slot = np.full(values.shape[1], 5, np.int32)
    late.score(slot, np.arange(len(slot)), values[0], block, signals)
    np.testing.assert_array_equal(block, alike[:, 0])


def test_a_given_seed_counts():
    def onsets(**params):
        use = HST | {"params": HST["params"] | params}
        return score(scorer_of(use), fleet(1) / 10.0)[0][0]

    np.testing.assert_array_equal(onsets(), onsets(seed=None))
    np.testing.assert_array_equal(onsets(), onsets(seed=SEED))
    assert (onsets() != onsets(seed=SEED + 1)).any()


def test_pipelines_end_with_a_filter_of_a_supervised_model():
    filtered = MODELS["supervised filter"][0]
    use = {"use": "river.compose.Pipeline", "params": {"steps": [SCALER, filtered]}}
    scores, _, failures = score(scorer_of(use), fleet())
    plain, _, _ = score(scorer_of(filtered), fleet())
    assert failures == []
    np.testing.assert_array_equal(scores, plain)


def test_models_of_a_pipeline_are_not_shared():
    scorer = scorer_of(SCALED)
    score(scorer, fleet())
    first, second = scorer._models.take(0)[0], scorer._models.take(1)[0]
    assert isinstance(first, compose.Pipeline)
    assert first["MinMaxScaler"] is not second["MinMaxScaler"]


def test_a_calibrated_detector_finds_the_spike_and_goes_on_from_a_checkpoint():
    minute_ns = 60_000_000_000
    values = np.random.default_rng(5).normal(size=4000)
    values[3500] = 25.0
    ts, slot = np.arange(len(values)) * minute_ns, np.zeros(len(values), np.int32)

    def detector():
        scorer = RiverScorer("river.anomaly.StandardAbsoluteDeviation", {})
        return CalibratedDetector(scorer, false_alarms_per_day=1.0, slots=1)

    whole = detector().score(slot, ts, values)
    assert whole.onset[3500] > 1.0
    half = detector()
    half.score(slot[:2000], ts[:2000], values[:2000])
    other = detector()
    other.restore(saved(half))
    rest = other.score(slot[2000:], ts[2000:], values[2000:])
    np.testing.assert_array_equal(rest.onset, whole.onset[2000:])
    with pytest.raises(StateError):
        detector().restore({name: saved(half)[name] for name in ("clock", "counts", "boundary")})


def test_a_calibrated_detector_has_no_score_for_failures(monkeypatch):
    monkeypatch.setattr(Scripted, "script", [0.5, math.nan, 0.25])
    monkeypatch.setattr(Scripted, "learns", ())
    monkeypatch.setattr(river_judge, "make_model", lambda name, params: Scripted())
    scorer = RiverScorer("river.anomaly.LODA", {"warm_up": 0})
    detector = CalibratedDetector(scorer, false_alarms_per_day=1.0, slots=1)
    scores = detector.score(np.zeros(3, np.int32), np.arange(3), np.ones(3))
    np.testing.assert_array_equal(np.isnan(scores.onset), [False, True, False])
    assert [failure.row for failure in scores.failures] == [1]


def test_river_is_not_imported_before_it_is_used():
    program = (
        "import sys\n"
        "from engine.detectors.river_entity import RiverEntityModel\n"
        "from engine.detectors.river_model import RiverScorer\n"
        "RiverScorer('river.anomaly.LODA', {})\n"
        "sys.exit('river' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
