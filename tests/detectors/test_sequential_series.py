"""Sequential drift detectors on series: one for each, whatever the blocks and checkpoints are."""

import itertools

import numpy as np
import pytest
import structlog
from naive_sequential import naive_sequential
from river import drift

from engine.detectors import river_store
from engine.detectors.river_judge import FAILURES_MAX
from engine.detectors.river_names import SEED
from engine.detectors.sequential_params import SEQUENTIAL_PARAMS
from engine.detectors.sequential_series import SequentialSeries
from engine.drift.sequential_names import OWN
from engine.errors import StateError

RIVER = ["river.drift.ADWIN", "river.drift.KSWIN", "river.drift.binary.DDM"]
PARAMS = {"river.drift.KSWIN": {"seed": 3}, "page_hinkley": {"threshold": 5.0}}
ALL = pytest.mark.parametrize("name", [*OWN, *RIVER])
SERIES, ROWS = 3, 2_400


def bits(seed=5):
    """Zeros and ones float64[SERIES, ROWS] whose rates change; some are no numbers."""
    rng = np.random.default_rng(seed)
    rates = np.repeat([[0.1, 0.8], [0.3, 0.3], [0.9, 0.2]], ROWS // 2, axis=1)
    values = (rng.random((SERIES, ROWS)) < rates).astype(float)
    values[1, ::13] = np.nan
    values[2, 5::31] = np.inf
    return values


def made(name, **params):
    detector = SequentialSeries(name, PARAMS.get(name, {}) | params)
    detector.grow(SERIES)
    return detector


def saved(detector):
    """Copies of all arrays."""
    tables = {name: array for table in detector.tables() for name, array in table.arrays.items()}
    return {name: array.copy() for name, array in (tables | detector.pooled()).items()}


def score(detector, values, cuts=(), between=lambda detector: detector):
    """Onset and state float64[2, series, rows], and failures by (series, row)."""
    series, rows = values.shape
    out, failures = np.empty((2, series, rows)), []
    for begin, end in itertools.pairwise([0, *sorted(cuts), rows]):
        slot = np.repeat(np.arange(series, dtype=np.int32), end - begin)
        ts = np.tile(np.arange(begin, end), series)
        block = detector.score(slot, ts, values[:, begin:end].ravel(), 1.0)
        for failure in block.failures:
            place, row = divmod(failure.row, end - begin)
            failures.append((place, begin + row, failure.detail, failure.suspends))
        out[0, :, begin:end] = block.onset.reshape(series, end - begin)
        out[1, :, begin:end] = block.state.reshape(series, end - begin)
        assert np.isnan([block.expected, block.lower, block.upper, block.deviation]).all()
        detector = between(detector)
    return out, sorted(failures)


@ALL
def test_scores_are_those_of_the_plain_loop(name):
    values = bits()
    rows = [(slot, value) for slot in range(SERIES) for value in values[slot].tolist()]
    expected = np.array(naive_sequential(name, PARAMS.get(name, {}), rows)).T
    found, failures = score(made(name), values)
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-12)
    assert failures == []
    assert (found[0] == 2.0).any()


@ALL
def test_cuts_and_checkpoints_change_nothing(name):
    values = bits()
    whole, last = made(name), {}

    def restored(detector):
        other = SequentialSeries(name, PARAMS.get(name, {}))
        other.restore(saved(detector))
        last["detector"] = other
        return other

    expected, _ = score(whole, values)
    cuts = [1, 2, 700, 1_203, 1_204, 1_900]
    np.testing.assert_array_equal(score(made(name), values, cuts)[0], expected)
    np.testing.assert_array_equal(score(made(name), values, cuts, restored)[0], expected)
    for key, array in saved(whole).items():
        if key not in {"model_bytes", "model_end"}:
            np.testing.assert_array_equal(saved(last["detector"])[key], array)


@ALL
def test_neighbours_change_nothing(name):
    values = bits()
    together, _ = score(made(name), values)
    for series in range(SERIES):
        alone, _ = score(made(name), values[series : series + 1])
        np.testing.assert_array_equal(alone[:, 0], together[:, series])


def test_state_ends_by_itself():
    values = np.r_[np.zeros(1_000), np.ones(60), np.tile([1.0, 1.0, 1.0, 0.0], 300)][np.newaxis]
    onset, state = score(made("hddm_a"), values)[0][:, 0]
    (alarm,) = np.flatnonzero(onset == 2.0)
    assert 1_000 < alarm < 1_060
    assert not state[:alarm].any()
    assert state[alarm] == 1.5
    assert state[alarm + 50] == pytest.approx(0.75)
    assert state[alarm + 79] > 0.5 > state[alarm + 80]
    assert not state[alarm + 600 :].any()


def test_warnings_stay_below_the_boundary():
    onset, _ = score(made("hddm_a"), bits())[0]
    assert set(np.unique(onset)) == {0.0, 0.9, 2.0}


def test_a_level_that_changes_is_found_in_any_unit():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(SERIES, ROWS))
    values[:, ROWS // 2 :] += 2.0
    for factor in (1e-9, 1e9):
        onset, _ = score(made("level"), values * factor)[0]
        assert not (onset[:, : ROWS // 2] == 2.0).any()
        assert (onset[:, ROWS // 2 : ROWS // 2 + 200] == 2.0).any(axis=1).all()


@pytest.mark.parametrize("name", ["level", "page_hinkley", "river.drift.ADWIN"])
@pytest.mark.parametrize("wild", [np.nan, -np.inf, 1.7e308])
def test_values_that_are_no_numbers_teach_nothing(name, wild):
    values = np.random.default_rng(4).normal(size=(SERIES, 600))
    values[:, 300:] += 40.0
    dirty = np.insert(values, [100, 310, 310], wild, axis=1)
    clean = np.delete(np.arange(603), [100, 311, 312])
    found, failures = score(made(name), dirty)
    np.testing.assert_array_equal(found[:, :, clean], score(made(name), values)[0])
    assert not found[:, :, [100, 311, 312]].any()
    assert failures == []


@pytest.mark.parametrize(
    ("name", "good", "bad", "detail"),
    [
        ("rate", 1.0, 0.5, "rate takes zeros and ones, not 0.5"),
        ("hddm_w", 0.5, -0.1, "hddm_w takes values from 0 to 1, not -0.1"),
        ("river.drift.binary.DDM", 0.0, 7.0, "zeros and ones, not 7"),
        ("river.drift.binary.HDDM_A", 0.25, 1.5, "values from 0 to 1, not 1.5"),
    ],
)
@pytest.mark.parametrize("cuts", [(), (5, 6, 12, 20), range(1, 60)])
def test_samples_that_a_detector_does_not_take_fail_and_suspend_it(name, good, bad, detail, cuts):
    values = np.full((SERIES, 60), good)
    values[0, 4] = bad
    values[1, 10 : 10 + FAILURES_MAX + 5] = bad
    values[1, 12] = np.nan  # is no failure, and ends no row of them
    detector = made(name)
    found, failures = score(detector, values, cuts)
    rows = [(0, 4, False), *((1, row, False) for row in (10, 11, *range(13, 20))), (1, 20, True)]
    assert [(place, row, suspends) for place, row, _, suspends in failures] == rows
    assert all(detail in item[2] for item in failures)
    failed = np.zeros((SERIES, 60), bool)
    for place, row, *_ in failures:
        failed[place, row] = True
    np.testing.assert_array_equal(np.isnan(found), np.array([failed, failed]))
    assert detector.tables()[0].arrays["suspended"].tolist() == [False, True, False]
    assert detector.tables()[0].arrays["seen"].tolist() == [59, 10, 60]
    if name.startswith("river"):
        assert detector.pooled()["model_place"].tolist() == [0, 2]


def test_a_river_detector_that_raises_fails_there(monkeypatch):
    detector = made("river.drift.ADWIN")
    real = drift.ADWIN.update

    def update(self, x):
        if x == 3.0:
            raise ZeroDivisionError("three")
        return real(self, x)

    monkeypatch.setattr(drift.ADWIN, "update", update)
    _, failures = score(detector, np.array([[1.0, 3.0, 2.0]]))
    assert failures == [(0, 1, "ZeroDivisionError: three", False)]


def test_rivers_detectors_get_a_seed():
    params = SequentialSeries("river.drift.KSWIN", {})._river._params
    assert params == {"seed": SEED}
    assert SequentialSeries("river.drift.KSWIN", {"seed": 5})._river._params == {"seed": 5}


def test_after_an_update_of_river_its_detectors_start_anew(monkeypatch):
    detector = made("river.drift.ADWIN")
    score(detector, bits())
    arrays = saved(detector)
    monkeypatch.setattr(river_store, "version", lambda package: "0.0")
    other = SequentialSeries("river.drift.ADWIN", {})
    with structlog.testing.capture_logs() as logs:
        other.restore(arrays)
    assert len(logs) == 1
    assert other.warming_up() == SERIES
    assert not len(other.pooled()["model_place"])


@pytest.mark.parametrize(
    ("name", "params", "warm_up"),
    [
        ("rate", {"false_alarm_events": 5_000.0}, 500),
        ("level", {}, 1_000),
        ("spread", {"settle": 10}, 512),
        ("ks_window", {"window_size": 70}, 70),
        ("page_hinkley", {}, 30),
        ("hddm_a", {}, 1),
        ("river.drift.ADWIN", {"grace_period": 40}, 40),
        ("river.drift.binary.FHDDM", {}, 100),
    ],
)
def test_the_first_samples_are_a_warm_up(name, params, warm_up):
    detector = SequentialSeries(name, params)
    detector.grow(3)
    ones = np.ones(warm_up)
    detector.score(np.zeros(warm_up - 1, np.int32), np.arange(warm_up - 1), ones[1:], 1.0)
    assert detector.warming_up() == 3
    detector.score(np.zeros(1, np.int32), np.array([warm_up]), ones[:1], 1.0)
    assert detector.warming_up() == 2


@pytest.mark.parametrize("name", ["level", "river.drift.ADWIN"])
def test_another_layout_is_refused(name):
    with pytest.raises(StateError, match=name):
        SequentialSeries(name, {}).restore({"seen": np.zeros(3)})


@ALL
def test_only_rows_of_the_block_change_and_growing_keeps_them(name):
    detector, values = made(name), bits()
    score(detector, values)
    before = saved(detector)
    detector.grow(5_000, 100_000)
    detector.score(np.array([1, 1], np.int32), np.array([0, 1]), np.array([1.0, 0.0]), 1.0)
    for key, array in detector.tables()[0].arrays.items():
        np.testing.assert_array_equal(array[[0, 2]], before[key][[0, 2]])
    assert detector.tables()[0].arrays["seen"][1] == before["seen"][1] + 2


def test_parameters_of_the_configuration_are_those_of_the_detectors():
    assert SEQUENTIAL_PARAMS.keys() == OWN.keys()
    for name, params in SEQUENTIAL_PARAMS.items():
        SequentialSeries(name, {key: getattr(params(), key) for key in params.__struct_fields__})
