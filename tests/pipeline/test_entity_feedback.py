"""Verdicts on joint scores of entities: by the series that carries them, as on any other."""

import random

import pytest
from direct_flow import plan_of
from test_entities import CONFIG, DETECTORS, LOGS, RULES, shuffled
from test_feedback_rows import letters, record, run

from engine.config.durations import MINUTE_NS
from engine.series.identity import Series

PARTITIONS = ("p0", "p1", "f0", "f1")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    config = CONFIG.format(shards=3, detector=DETECTORS["default"])
    folder = tmp_path_factory.mktemp("plan")
    return plan_of(folder, RULES, config=config, partitions=PARTITIONS)


@pytest.fixture(scope="module")
def without(plan):
    return run(plan, LOGS, ([], []), random.Random(0), sizes=(10**6,))


def alarms_of(flow):
    """Joint onsets above 1: entity, time (ns) and height."""
    return [
        (row[0], int(float.fromhex(row[1])), float.fromhex(row[3]))
        for row in sorted(flow.scores)
        if row[0].startswith("entity_deviation") and float.fromhex(row[3]) > 1
    ]


@pytest.fixture(scope="module")
def feedback(without):
    generator = random.Random(3)
    log = []
    for text, ts, _ in alarms_of(without):
        verdict = generator.choice(["false_alarm", "miss"])
        log.append((ts, record(ts + MINUTE_NS // 2, text, ts, verdict)[1]))
    rate = Series.of("anomaly_rate", {"host": "h1"})
    log.append(record(log[0][0], rate, log[0][0], "miss"))
    return (sorted(log, key=lambda item: item[0]), [])


@pytest.fixture(scope="module")
def in_order(plan, feedback):
    return run(plan, LOGS, feedback, random.Random(0), sizes=(10**6,))


def test_joint_scores_are_judged(in_order, without, feedback):
    assert in_order.counts["verdicts_applied"] == len(feedback[0]) - 1 > 0
    assert [reason for reason, _, _ in letters(in_order)] == ["orphan_label"]
    changed = set(in_order.scores) - set(without.scores)
    assert {row[0].partition("{")[0] for row in changed} == {"entity_deviation"}


@pytest.mark.parametrize("seed", [1, 2])
def test_cuts_and_restarts_do_not_matter(plan, in_order, feedback, seed):
    generator = random.Random(seed)
    logs = [shuffled(log, generator) for log in LOGS]
    flow = run(plan, logs, feedback, generator, sizes=(5, 40, 80), restart=0.1)
    assert flow.said() == in_order.said()
    assert flow.counts == in_order.counts
    assert letters(flow) == letters(in_order)


def test_what_is_taken_back_was_never_said(plan, without):
    text, ts, _ = alarms_of(without)[0]
    log = [record(ts + 1, text, ts, "false_alarm"), record(ts + 1, text, ts, "retract")]
    flow = run(plan, LOGS, (log, []), random.Random(0), sizes=(200,))
    assert flow.counts["verdicts_applied"] == 2
    assert flow.said() == without.said()
