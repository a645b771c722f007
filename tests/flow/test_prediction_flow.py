"""Predictions in whole flows: a run that is stopped goes on, and a recording says what a run said.

The topic is one of librdkafka's mock cluster, so no broker is needed.
"""

import threading
import time

import msgspec
import numpy as np
from confluent_kafka import Producer
from flow_tools import config_of, run_flow

from engine.config.connections import RecordingSource
from engine.pipeline.runner import Run, Stop
from engine.replay.player import replay
from engine.replay.recorder import record

BEGIN_MS = 1_760_000_000_000
ROWS = 1500
TIMEOUT_S = 60
MODELS = "models: [{model: m, reference: first 400 rows, window: 200 rows}]"
TIME = "time: {lateness: 2s, idle_timeout: 300ms}"


def messages():
    """Predictions whose features move after 900 of them, late labels, and what is refused."""
    rng = np.random.default_rng(3)
    age = rng.normal(size=ROWS) + np.where(np.arange(ROWS) > 900, 3.0, 0.0)
    zone = rng.choice(["north", "south"], ROWS)
    hit = rng.integers(0, 2, ROWS)
    found = []
    for number in range(ROWS):
        at = BEGIN_MS + 1000 * number
        features = {"age": float(age[number]), "zone": str(zone[number])}
        if number == 700:
            features["age"] = "unknown"
        row = {"ts": at, "model": "m", "version": "1", "prediction_id": f"p{number}"}
        found.append({**row, "features": features, "prediction": int(hit[number]), "score": 0.5})
        if number >= 50 and number % 3 == 0:
            label = {"ts": at, "model": "m", "prediction_id": f"p{number - 50}"}
            found.append({**label, "label": int(hit[number - 50])})
    return found


def text_of(folder, source):
    return f"""
sources: [{{{source}}}]
sinks: [{{folder: {{path: {folder / "out"}}}}}]
{TIME}
{MODELS}
http: {{listen: ""}}
batch: {{rows: 100}}
state: {{dir: {folder / "state"}, checkpoint: 200ms, epoch: 50ms, shards: 2}}
"""


def events(folder):
    lines = (folder / "out" / "drift.jsonl").read_bytes().splitlines()
    return {item["id"]: item for item in map(msgspec.json.decode, lines)}


def stop_when_said(run, stop, folder):
    """Stop a run when it has read all and said something, or when that takes too long."""
    until_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until_s and not stop():
        time.sleep(0.1)
        registry = run.telemetry.registry
        read = registry.get_sample_value("streamgauge_rows_in_total", {"source": "t"}) or 0
        written = folder / "out" / "drift.jsonl"
        if read >= len(messages()) and written.exists() and written.stat().st_size:
            break
    stop.set()


def test_a_run_that_is_stopped_goes_on(tmp_path):
    said = []
    for name, stops in (("whole", ()), ("stopped", (500, 300, 450, 200))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "r.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, messages())))
        text = text_of(folder, "kind: predictions, recording: {path: r.jsonl}")
        for stop_after in (*stops, None):
            run_flow(config_of(text, folder), stateful=True, stop_after=stop_after)
        said.append(events(folder))
    assert said[0]
    assert said[1] == said[0]


def test_a_recording_of_a_topic_says_what_the_run_has_said(tmp_path, mock_cluster):
    producer = Producer({"bootstrap.servers": mock_cluster})
    for item in messages():
        body = msgspec.json.encode(item)
        producer.produce("t", body, partition=0, timestamp=item["ts"])
    assert producer.flush(TIMEOUT_S) == 0
    kafka = f"kafka: {{brokers: '{mock_cluster}', topic: t, start: earliest}}"
    config = config_of(text_of(tmp_path, f"kind: predictions, {kafka}"), tmp_path)
    stop = Stop()
    run = Run(config=config, stateful=True, stop=stop)
    watcher = threading.Thread(target=stop_when_said, args=(run, stop, tmp_path))
    watcher.start()
    try:
        run.execute()
    finally:
        stop.set()
        watcher.join()
    live = events(tmp_path)
    assert live
    record(config, tmp_path / "recorded", until_end=True)
    recording = RecordingSource(path=str(tmp_path / "recorded"))
    replay(config, recording, tmp_path / "again" / "out")
    again = events(tmp_path / "again")
    assert {key: again.get(key) for key in live} == live
