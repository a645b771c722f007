"""SIGHUP: rules change while a flow runs, and a rule that stays keeps its alerts.

Aim: nobody has to choose between editing rules and losing the time that an alert has been pending.
Method: a run as a process on a real Kafka; between two stretches of one stream its rule file is
replaced and SIGHUP is sent; a broken file is refused in between.
"""

import json
import signal
import time

import pytest
from flow_tools import process, run_number, wait_until
from test_kafka_flow import alerts_on, flow_topic, produce  # noqa: F401 # a fixture

from engine.events import rfc3339

pytestmark = pytest.mark.kafka

# Alerts carry their event time, and the broker deletes what is old.
BEGIN_MS = int(time.time() // 60 * 60 - 1200) * 1000
KEPT = "{alert: Kept, expr: x > 1, for: 5m}"
RULES = "groups: [{{name: g, interval: 30s, rules: [{rules}]}}]\n"


def messages(first_s, last_s):
    """The series x, and something on the other partitions, so that none holds the watermark."""
    return [
        (
            partition,
            json.dumps(
                {"ts": BEGIN_MS + s * 1000, "name": name, "labels": {}, "value": 5}
            ).encode(),
        )
        for s in range(first_s, last_s, 10)
        for partition, name in enumerate("xyz")
    ]


def test_a_rule_that_stays_keeps_its_alert(kafka_brokers, flow_topic, tmp_path):  # noqa: F811
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.format(rules=KEPT + ", {alert: Gone, expr: x > 2}"))
    config = tmp_path / "config.yaml"
    config.write_text(f"""
sources: [{{kafka: {{brokers: "{kafka_brokers}", topic: {flow_topic}, start: earliest}}}}]
time: {{lateness: 1s, idle_timeout: 1h}}
rules: {{files: [rules.yaml], bundled: false}}
sinks: [{{kafka: {{brokers: "{kafka_brokers}", prefix: {flow_topic}}}}}]
state: {{dir: {tmp_path / "state"}, shards: 2}}
http: {{listen: ""}}
""")

    def said(alert, status):
        return [
            item for item in alerts_on(kafka_brokers, flow_topic)
            if item["labels"]["alertname"] == alert and item["status"] == status
        ]  # fmt: skip

    def wait_for(condition, what):
        wait_until(condition, timeout_s=90, what=what)

    log, state = tmp_path / "log", tmp_path / "state"
    with process(config, log=log) as run:
        produce(kafka_brokers, flow_topic, messages(0, 200))
        wait_for(lambda: said("Gone", "firing") and said("Kept", "pending"), "first alerts")
        rules.write_text(RULES.format(rules="{alert: Broken, expr: 'x >'}"))
        run.send_signal(signal.SIGHUP)
        wait_for(lambda: "can't be used" in log.read_text(), "the refusal")
        rules.write_text(RULES.format(rules=KEPT + ", {alert: New, expr: x > 3}"))
        run.send_signal(signal.SIGHUP)
        wait_for(lambda: run_number(state) == 2, "the new flow")
        produce(kafka_brokers, flow_topic, messages(200, 500))
        wait_for(lambda: said("New", "firing") and said("Kept", "firing"), "later alerts")
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
    # It had been pending since the first tick, whatever happened to the other rules.
    assert {item["activeAt"] for item in said("Kept", "firing")} == {rfc3339(BEGIN_MS * 10**6)}
    assert len(said("Kept", "pending")) == 1
