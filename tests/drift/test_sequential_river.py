"""River's detectors by name, and what all detectors refuse."""

import numpy as np
import pytest
from river import drift
from sequential_contract import check_contract, watch

from engine.drift.hddm import HddmA
from engine.drift.sequential import NOT_ESTIMATED
from engine.drift.sequential_river import NAMES, RiverDetector

BITS = (np.random.default_rng(1).random(3_000) < np.repeat([0.1, 0.7, 0.2], 1_000)).astype(float)


@pytest.mark.parametrize("name", [*NAMES, "river.drift.ADWIN", "river.drift.binary.HDDM_A"])
def test_alarms_are_those_of_the_loop(name):
    given = {"seed": 3} if "KSWIN" in name else {}
    module, made = NAMES[name.rpartition(".")[2]]
    kind = getattr(drift, made) if module == "river.drift" else getattr(drift.binary, made)
    detector, rows = kind(**given), []
    for row, value in enumerate(BITS.tolist()):
        detector.update(value)
        if detector.drift_detected:
            rows.append(row)
    found = watch(RiverDetector(name, **given), BITS, [17, 1_500])
    assert found[0] == rows
    assert not set(found[0]) & set(found[2])


@pytest.mark.parametrize("name", ["ADWIN", "KSWIN", "HDDM_W", "DDM"])
def test_the_contract_is_kept(name):
    given = {"seed": 3} if name == "KSWIN" else {}
    rng = np.random.default_rng(2)
    assert check_contract(lambda: RiverDetector(name, **given), BITS, rng)[0]


def test_only_adwin_tells_an_onset():
    onset = watch(RiverDetector("ADWIN"), BITS)[1][0]
    assert 700 <= onset <= 1_050
    assert watch(RiverDetector("DDM"), BITS)[1][0] == NOT_ESTIMATED


@pytest.mark.parametrize("name", ["NoDrift", "river.drift.DDM", "river.anomaly.ADWIN"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match="no drift detector"):
        RiverDetector(name)


def test_a_parameter_that_river_does_not_take_is_refused():
    with pytest.raises(ValueError, match="delta"):
        RiverDetector("DDM", delta=1)


@pytest.mark.parametrize("make", [HddmA, lambda: RiverDetector("ADWIN")])
def test_missing_values_are_refused_before_anything_changes(make):
    detector = make()
    with pytest.raises(ValueError, match="finite"):
        detector.update(np.array([1.0, np.nan]))
    assert int(detector.snapshot()["seen"][0]) == 0


@pytest.mark.parametrize("make", [HddmA, lambda: RiverDetector("ADWIN")])
def test_state_of_another_detector_is_refused(make):
    for other in (RiverDetector("DDM").snapshot(), {"seen": np.zeros(1, np.int64)}):
        with pytest.raises(ValueError, match="state"):
            make().restore(other)


def test_state_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="averages"):
        HddmA().restore({"seen": np.zeros(1, np.int64), "averages": np.zeros(3)})
