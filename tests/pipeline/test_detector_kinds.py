"""Detectors by name: how they are made of an entry of the configuration."""

import pytest

from engine.config.schema import DetectorConfig
from engine.detectors.default import DefaultParams
from engine.pipeline.detector_kinds import (
    DETECTORS,
    is_joint_only,
    judge_of,
    maker_of,
    mistake_in,
)
from engine.pipeline.plan import series_max

RIVER = "river.anomaly.GaussianScorer"


@pytest.mark.parametrize(
    "name", [*DETECTORS, RIVER, "river.drift.ADWIN", "river.drift.binary.HDDM_A"]
)
def test_every_detector_is_made_by_its_name(name):
    needs_entity = name in DETECTORS and DETECTORS[name].needs_entity
    entry = DetectorConfig(use=name, entity=("job",) if needs_entity else ())
    assert mistake_in(entry) is None
    detector = maker_of(entry, 64)()
    assert detector.name == name
    assert detector.warming_up() == 0


def test_the_budget_of_weeks_is_the_whole_flows():
    of_shard = DETECTORS["default"].of_shard
    assert of_shard(DefaultParams(weekly_series=640), 64).weekly_series == series_max(640, 64) == 23
    assert of_shard(DefaultParams(weekly_series=640), 1).weekly_series == 640
    ewma = object()
    assert DETECTORS["ewma"].of_shard(ewma, 64) is ewma


def test_who_judges_entities():
    assert judge_of(DetectorConfig()) is None
    assert judge_of(DetectorConfig(use="peers", entity=("job",))) is None
    joint = judge_of(DetectorConfig(entity=("host",)))
    assert joint is not None
    assert joint().width == 3
    river = DetectorConfig(use="river.anomaly.HalfSpaceTrees", entity=("host",))
    assert is_joint_only(river)
    assert judge_of(river)().width == 1
    assert not is_joint_only(DetectorConfig(entity=("host",)))


@pytest.mark.parametrize(
    ("use", "params", "key", "message"),
    [
        ("hddm_aa", {}, "use", "there is no detector hddm_aa; did you mean hddm_a?"),
        ("ADWIN", {}, "use", "did you mean river.drift.ADWIN?"),
        ("ddm", {}, "use", "did you mean river.drift.binary.DDM?"),
        ("river.drift.DDM", {}, "use", "did you mean river.drift.binary.DDM?"),
        ("river.drift.ADWINN", {"delta": 1}, "use", "did you mean river.drift.ADWIN?"),
        ("river.drift.NoDrift", {}, "use", "did you mean"),
        ("river.drift.ADWIN", {"delt": 1}, "params", "no parameter delt; did you mean delta?"),
        ("river.drift.ADWIN", {"delta": "x"}, "params", "river.drift.ADWIN"),
        ("rate", {"direktion": "rise"}, "params", "no parameter direktion; did you mean direction"),
        ("rate", {"direction": "up"}, "params", "Invalid enum value 'up'"),
        ("level", {"false_alarm_events": 10}, "params", ">= 2000"),
        ("spread", {"false_alarm_events": 3_000, "settle": 4_000}, "params", "smaller than"),
        ("ks_window", {"stat_size": 80}, "params", "at least twice stat_size"),
        ("ks_window", {"window_size": 10_000_000}, "params", "<= 2000"),
        ("hddm_w", {"lambda_val": 0}, "params", "> 0"),
    ],
)
def test_mistakes_in_drift_detectors_are_said(use, params, key, message):
    mistake = mistake_in(DetectorConfig(use=use, params=params))
    assert mistake is not None
    assert mistake.key == key
    assert message in mistake.message


@pytest.mark.parametrize("name", ["rate", "river.drift.ADWIN"])
def test_drift_detectors_judge_no_entities(name):
    mistake = mistake_in(DetectorConfig(use=name, entity=("host",)))
    assert mistake is not None
    assert mistake.key == "entity"
    assert judge_of(DetectorConfig(use=name)) is None
