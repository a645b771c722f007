"""Sequential drift detectors in the flow: an alert at the change that ends by itself."""

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
    alerts = [alert for lane in flow.alerts.values() for alert in lane]
    assert {alert.labels["detector"] for alert in alerts} == {use}
    begins = {alert.starts_ns for alert in alerts}
    ends = {alert.ends_ns for alert in alerts if alert.status == "resolved"}
    assert len(begins) == len(ends) == 1
    assert 0 < begins.pop() - rows[CHANGE][1] < 200 * STEP_NS
    assert max(ends) < rows[-1][1]
