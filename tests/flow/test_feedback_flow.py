"""Feedback in whole flows: a file beside a replay, and a topic that is silent nearly always.

The topic is one of librdkafka's mock cluster, so no broker is needed.
"""

import math
import threading

import msgspec
import pytest
from confluent_kafka import Producer
from flow_tools import config_of, recorded, run_flow, settings
from flow_tools import said as read_said

from engine.cli.app import main
from engine.config.connections import RecordingSource
from engine.pipeline.runner import Run, Stop
from engine.replay.player import replay

BEGIN_S = 1_760_000_000
SPIKES = {150: 14, 350: 14, 550: 400}
ROWS = 600
TIMEOUT_S = 60
RULES = """
groups:
- name: anomalies
  interval: 5s
  rules:
  - {alert: Wild, expr: 'max_over_time(anomaly_onset[5s]) > 1'}
"""
MORE_DETECTORS = """
detectors: [{use: ewma, params: {weight: 0.05}}]
"""
MORE = f"""{MORE_DETECTORS}
rules: {{files: [rules.yaml], bundled: false}}
http: {{listen: ""}}
"""


def value(second):
    return 10 + math.sin(second) + SPIKES.get(second, 0)


def samples(seconds):
    labels = {"host": "web-3"}
    return [
        {"ts": (BEGIN_S + at) * 1000, "name": "load", "labels": labels, "value": value(at)}
        for at in seconds
    ]


def verdict(second, **more):
    series = 'load{host="web-3"}'
    return {"ts": (BEGIN_S + second) * 1000, "series": series, "verdict": "false_alarm", **more}


def lines(records):
    return b"".join(msgspec.json.encode(item) + b"\n" for item in records)


def played(folder, feedback, name):
    """Replay the samples beside a file of feedback; the summary and the alerts that fired."""
    (folder / "rules.yaml").write_text(RULES)
    (folder / "samples.jsonl").write_bytes(lines(samples(range(ROWS))))
    (folder / name).write_bytes(feedback)
    source = f"sources: [{{kind: feedback, recording: {{path: {name}}}}}]"
    config = config_of(source + MORE, folder)
    recording = RecordingSource(path=str(folder / "samples.jsonl"))
    summary = replay(config, recording, folder / "out")
    alerts = [
        msgspec.json.decode(line)
        for line in (folder / "out" / "alerts.jsonl").read_bytes().splitlines()
    ]
    return summary, [item["reason"] for item in alerts if item["status"] == "firing"]


CSV = 'ts,series,verdict\n2025-10-09 08:55:50,"load{{host=""web-3""}}",{}\n'


@pytest.mark.parametrize(
    ("name", "feedback"),
    [
        ("feedback.jsonl", lines([verdict(150)])),
        ("feedback.csv", CSV.format("false_alarm").encode()),
    ],
)
def test_a_replay_plays_feedback_beside_it(tmp_path, name, feedback):
    summary, reasons = played(tmp_path, feedback, name)
    assert len(reasons) == 2
    assert "feedback" not in reasons[0]
    # The spike at 350 is like the judged one and silent; the last one is another size.
    assert reasons[1].startswith('load{host="web-3"} was 409')
    assert reasons[1].endswith("; boundary x4.00 by feedback")
    assert (summary.samples, summary.series, summary.dead_letters) == (ROWS, 1, {})


def test_a_replay_without_verdicts_says_what_it_says(tmp_path):
    summary, reasons = played(tmp_path, b"\n", "feedback.jsonl")
    assert len(reasons) == 3
    assert not any("feedback" in reason for reason in reasons)
    assert summary.samples == ROWS


def test_bad_feedback_is_a_dead_letter(tmp_path):
    feedback = lines([verdict(150) | {"verdict": "wrong"}, verdict(150) | {"series": "other"}])
    summary, reasons = played(tmp_path, feedback + b"{", "feedback.jsonl")
    assert len(reasons) == 3
    assert summary.dead_letters == {"decode_error": 1, "orphan_label": 1, "schema_error": 1}


@pytest.mark.parametrize("with_feedback", [False, True])
def test_an_explanation_takes_feedback_into_account(tmp_path, capsys, with_feedback):
    played(tmp_path, lines([verdict(150)]), "feedback.jsonl")
    source = "sources: [{kind: feedback, recording: {path: feedback.jsonl}}]"
    (tmp_path / "config.yaml").write_text((source if with_feedback else "") + MORE)
    arguments = [
        "explain", "Wild", "--at", str(BEGIN_S + 350), "--json",
        "--recording", str(tmp_path / "samples.jsonl"), "--config", str(tmp_path / "config.yaml"),
    ]  # fmt: skip
    assert main(arguments) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert [item["state"] for item in found["after"]] == ([] if with_feedback else ["firing"])


def test_a_run_that_is_stopped_goes_on_with_its_feedback(tmp_path):
    """Verdicts that wait, and those that have moved boundaries, are in the state."""
    feedback = lines([verdict(150), verdict(350) | {"verdict": "miss"}, verdict(550)])
    said = []
    for name, stops in (("whole", ()), ("stopped", (160, 60, 200, 100))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "samples.jsonl").write_bytes(lines(samples(range(ROWS))))
        (folder / "feedback.jsonl").write_bytes(feedback)
        sources = f"{recorded('samples.jsonl')}}}, {{kind: feedback, {recorded('feedback.jsonl')}"
        text = settings(folder, source=sources, rows=20, lateness_ms=500, more=MORE_DETECTORS)
        for stop_after in (*stops, None):
            run_flow(config_of(text, folder), stateful=True, stop_after=stop_after)
        said.append(read_said(folder / "out"))
    said[0].assert_equals(said[1])
    reasons = [alert["reason"] for alert in said[0].alerts.values()]
    assert any(reason.endswith("by feedback") for reason in reasons)


def test_a_topic_of_feedback_holds_nothing_back(tmp_path, mock_cluster):
    """It is empty at first; the verdict is written when the first alarm was heard of."""
    producer = Producer({"bootstrap.servers": mock_cluster})
    producer.list_topics("feedback", timeout=TIMEOUT_S)  # makes it
    stop = Stop()
    reasons = []

    def send(topic, records):
        for item in records:
            record = msgspec.json.encode(item)
            producer.produce(topic, record, partition=0, timestamp=item["ts"])
        assert producer.flush(TIMEOUT_S) == 0

    def hear(alerts):
        fired = [item.event.reason for item in alerts if item.event.status == "firing"]
        if fired and not reasons:
            send("feedback", [verdict(150)])
            # Behind a pause, lest the partition's own silence makes them late.
            send("samples", samples(range(320, ROWS)))
        reasons.extend(fired)
        if any("was 409" in reason for reason in fired):
            stop.set()

    send("samples", samples(range(200)))
    (tmp_path / "rules.yaml").write_text(RULES)
    kafka = f"brokers: '{mock_cluster}', start: earliest"
    text = f"""
sources:
- kafka: {{topic: samples, {kafka}}}
- kafka: {{topic: feedback, {kafka}}}
  kind: feedback
sinks: [{{folder: {{path: {tmp_path / "out"}}}}}]
time: {{lateness: 500ms, idle_timeout: 300ms}}
state: {{dir: {tmp_path / "state"}, epoch: 100ms, shards: 2}}
"""
    run = Run(config=config_of(text + MORE, tmp_path), stateful=True, stop=stop, on_alerts=hear)
    too_late = threading.Timer(TIMEOUT_S, stop.set)
    too_late.start()
    try:
        run.execute()
    finally:
        too_late.cancel()
    assert len(reasons) == 2
    assert reasons[1].endswith("; boundary x4.00 by feedback")
    assert run.observer.dead_letters() == {}
    name, labels = "streamgauge_verdicts_total", {"outcome": "applied"}
    assert run.telemetry.registry.get_sample_value(name, labels) == 1
