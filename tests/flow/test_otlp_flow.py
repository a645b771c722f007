"""A topic of OpenTelemetry's metrics: increments become counters, live is replay.

Method: a delta sum grows by one at each step on two hosts, one of which is relabelled away; the
rule fires at a total that only the sum of all increments reaches. Two partitions hold nothing but
what is dropped, and hold nothing back.
"""

import time
from pathlib import Path

import msgspec
import pytest
from flow_tools import config_of
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, MetricsData
from test_kafka_flow import flow_topic, produce  # noqa: F401

from engine.config.connections import RecordingSource
from engine.pipeline.runner import Run, Stop
from engine.replay.player import replay
from engine.replay.recorder import record

pytestmark = pytest.mark.kafka

STEP_S = 15
STEPS = 60
RULES = """
groups:
- name: counters
  interval: 15s
  rules:
  - {alert: Busy, expr: "http_requests_total > 40", annotations: {v: "{{ $value }}"}}
"""


def message(ts_s, host):
    data = MetricsData()
    resource = data.resource_metrics.add()
    resource.resource.attributes.add(key="host.name").value.string_value = host
    metric = resource.scope_metrics.add().metrics.add(name="http.requests")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    metric.sum.data_points.add(time_unix_nano=ts_s * 10**9, as_int=1)
    return data.SerializeToString()


def alerts_in(folder):
    lines = (folder / "alerts.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]


def test_increments_over_kafka_are_a_counter_for_rules(
    kafka_brokers,
    flow_topic,  # noqa: F811
    tmp_path: Path,
):
    topic = flow_topic
    begin_s = (int(time.time()) - STEPS * STEP_S) // 60 * 60 - 3600
    steps = [(begin_s + step * STEP_S, host) for step in range(STEPS) for host in ("a", "b")]
    sent = [(0, message(*step)) for step in steps]
    sent += [(number, message(begin_s + STEPS * STEP_S + 60, "b")) for number in range(3)]
    produce(kafka_brokers, topic, sent)
    (tmp_path / "rules.yaml").write_text(RULES)
    config = config_of(
        f"""
sources:
- kafka: {{brokers: "{kafka_brokers}", topic: {topic}, start: earliest, format: otlp_proto}}
  relabel: [{{action: drop, source_labels: [host_name], regex: b}}]
sinks: [{{kafka: {{brokers: "{kafka_brokers}", prefix: {topic}}}}},
        {{folder: {{path: {tmp_path / "out"}}}}}]
rules: {{files: [rules.yaml]}}
detectors: []
http: {{listen: ""}}
state: {{dir: {tmp_path / "state"}}}
""",
        tmp_path,
    )
    stop = Stop()
    Run(config=config, stateful=True, on_alerts=lambda _: stop.set(), stop=stop).execute()
    live = {alert["id"]: alert for alert in alerts_in(tmp_path / "out")}
    firing = [alert for alert in live.values() if alert["status"] == "firing"]
    assert {alert["labels"]["host_name"] for alert in firing} == {"a"}
    assert firing[0]["annotations"] == {"v": "41"}
    summary = record(config, tmp_path / "recording", until_end=True)
    assert summary.samples == len(sent)
    replay(config, RecordingSource(path=str(tmp_path / "recording")), tmp_path / "replayed")
    replayed = {alert["id"]: alert for alert in alerts_in(tmp_path / "replayed")}
    assert {key: replayed.get(key) for key in live} == live
