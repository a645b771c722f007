"""Sequential detectors by name."""

import numpy as np
import pytest
from river import drift

from engine.drift.sequential_names import OWN, sequential_detector
from engine.drift.sequential_river import RiverDetector


@pytest.mark.parametrize("name", [*OWN, "river.drift.ADWIN", "river.drift.binary.FHDDM"])
def test_every_name_makes_a_detector_that_watches(name):
    values = (np.random.default_rng(1).random(500) < 0.3).astype(float)
    alarms = sequential_detector(name).update(values)
    assert len(alarms.rows) == len(alarms.onsets)
    assert ((alarms.rows >= 0) & (alarms.rows < 500)).all()


def test_parameters_go_to_the_detector():
    assert sequential_detector("rate", false_alarm_events=5_000.0).settle == 500
    river = sequential_detector("river.drift.ADWIN", delta=0.1)
    assert isinstance(river, RiverDetector)
    assert isinstance(river._detector, drift.ADWIN)
    assert river._detector.delta == 0.1


@pytest.mark.parametrize(("name", "message"), [("adwin", "no sequential"), ("river.x", "no drift")])
def test_an_unknown_name_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        sequential_detector(name)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ValueError, match=r"level: .*delta"):
        sequential_detector("level", delta=1)
