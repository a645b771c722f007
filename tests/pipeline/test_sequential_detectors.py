"""Sequential drift detectors in the flow: an alert at the change that ends by itself."""

from datetime import datetime

import numpy as np
import pytest
from direct_flow import DirectFlow, Partition, plan_of

from engine.series.identity import Series

SECOND_NS = 10**9
START_NS = 1_700_000_040 * SECOND_NS
STEP_NS = 15 * SECOND_NS
STEPS, CHANGE = 3_000, 2_000
CONFIG = """
state: {{shards: 2}}
detectors: [{{use: {use}, match: m, params: {params}}}]
"""


def seconds_of(text):
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("use", "params"),
    [
        ("level", "{false_alarm_events: 100000}"),
        ("hddm_a", "{drift_confidence: 1.0e-9}"),
        ("river.drift.ADWIN", "{delta: 1.0e-9}"),
    ],
)
def test_an_alert_fires_at_the_change_and_resolves(tmp_path, use, params):
    rng = np.random.default_rng(3)
    values = rng.random(STEPS) * np.where(np.arange(STEPS) < CHANGE, 0.4, 0.9)
    series = Series.of("m", {"host": "a"})
    rows = [
        (series, START_NS + step * STEP_NS, value, 0) for step, value in enumerate(values.tolist())
    ]
    plan = plan_of(tmp_path, "groups: []", config=CONFIG.format(use=use, params=params))
    flow, partition = DirectFlow(plan), Partition(plan, 0, lateness_ns=0)
    for begin in range(0, STEPS, 700):
        flow.feed(partition.batch(rows[begin : begin + 700]))
    flow.feed(partition.batch([], ended=True))
    flow.finish()
    events = [item.event for lane in flow.alerts.values() for item in lane if item.event]
    assert {event.labels["detector"] for event in events} == {use}
    (fired,) = {event.startsAt for event in events}
    (resolved,) = {event.endsAt for event in events if event.status == "resolved"}
    changed_s, last_s = rows[CHANGE][1] // SECOND_NS, rows[-1][1] // SECOND_NS
    assert changed_s < seconds_of(fired) < changed_s + 200 * 15
    assert seconds_of(fired) < seconds_of(resolved) < last_s
