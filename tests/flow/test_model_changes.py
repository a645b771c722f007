"""A flow goes on from its state when sources of predictions and settings of models change."""

import signal
import threading
import time
import uuid
from collections import Counter

import msgspec
import pytest
from flow_tools import process, run_number, wait_until
from model_world import (
    ROWS,
    SECOND_MS,
    by_id,
    delete_topics,
    is_done,
    kafka_sources,
    lines,
    make_topics,
    recent_begin_ms,
    refused,
    said,
    send,
    topic_of,
    world,
    write_config,
)

from engine.config import load_config
from engine.events import rfc3339
from engine.pipeline.runner import Run, Stop

TIMEOUT_S = 60


@pytest.fixture
def prefix(kafka_brokers):
    name = f"test-{uuid.uuid4().hex}"
    make_topics(kafka_brokers, name)
    yield name
    delete_topics(kafka_brokers, name)


class Life:
    """A run inside of this process, in a thread of its own, that goes on until it is told."""

    def __init__(self, path):
        self._stop = Stop()
        self._run = Run(config=load_config(path, environment={}), stateful=True, stop=self._stop)
        self._error = None
        self._thread = threading.Thread(target=self._execute)

    def _execute(self):
        try:
            self._run.execute()
        except BaseException as error:  # noqa: BLE001 - it is raised where the life ends
            self._error = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(TIMEOUT_S)
        if self._error is not None:
            raise self._error

    def rows_in(self, source):
        registry = self._run.telemetry.registry
        return registry.get_sample_value("streamgauge_rows_in_total", {"source": source}) or 0

    def wait_until(self, condition, what):
        end_s = time.monotonic() + TIMEOUT_S
        while not condition():
            assert self._thread.is_alive(), self._error
            assert time.monotonic() < end_s, f"{what}: not within {TIMEOUT_S} s"
            time.sleep(0.05)


@pytest.mark.kafka
def test_a_flow_of_metrics_gains_predictions_and_drops_them(kafka_brokers, prefix, tmp_path):
    begin_ms = recent_begin_ms()
    sent = world(begin_ms)
    metrics = [one for one in sent if one.stream == "metrics"]
    others = [one for one in sent if one.stream in ("predictions", "labels")]
    half, last = len(metrics) // 3, len(metrics) - 2  # an alert is open at the half
    topic = topic_of(prefix, "metrics")
    only = kafka_sources(kafka_brokers, prefix, ("metrics",))
    every = kafka_sources(kafka_brokers, prefix, ("metrics", "predictions", "labels"))

    send(kafka_brokers, prefix, metrics[:half])
    with Life(write_config(tmp_path, only)) as life:
        life.wait_until(lambda: life.rows_in(topic) == half, "the first rows")
        life.wait_until(lambda: lines(tmp_path / "out" / "alerts.jsonl"), "an alert")

    send(kafka_brokers, prefix, metrics[half:last] + others)
    with Life(write_config(tmp_path, every)) as life:
        life.wait_until(lambda: life.rows_in(topic) == last - half, "further rows")
        life.wait_until(
            lambda: any(
                item["type"] == "drift" and item["model"] == "fraud"
                for item in lines(tmp_path / "out" / "drift.jsonl")
            ),
            "an episode",
        )
        assert life.rows_in(topic) == last - half  # none was read again

    send(kafka_brokers, prefix, metrics[last:])
    with Life(write_config(tmp_path, only)) as life:
        life.wait_until(lambda: is_done(tmp_path), "the end")
        assert life.rows_in(topic) == len(metrics) - last

    high = [
        item
        for item in said(tmp_path / "out", "alerts").values()
        if item["labels"]["alertname"] == "High"
    ]
    assert len({item["activeAt"] for item in high}) == 1
    assert sorted(item["seq"] for item in high) == list(range(len(high)))
    assert {item["status"] for item in high} == {"pending", "firing", "resolved"}
    of_models = Counter(item["model"] for item in said(tmp_path / "out", "drift").values())
    assert {"credit", "fraud"} <= of_models.keys()
    # What models make of times that rules have passed is nobody's message to send again.
    assert {source for source, _ in refused(tmp_path / "out")} == {"predictions", "models"}

    # Back again, they go on from where they were, or anew: the ids are the same.
    before = said(tmp_path / "out", "drift")
    path, last_row = (
        tmp_path / "out" / "drift.jsonl",
        rfc3339((begin_ms + ROWS * SECOND_MS) * 10**6),
    )
    with Life(write_config(tmp_path, every)) as life:
        life.wait_until(
            lambda: (
                {"credit", "fraud"}
                <= {
                    item["model"]
                    for item in lines(path)
                    if item["type"] == "quality"
                    and item["final"]
                    and item["window"]["end"] >= last_row
                }
            ),
            "the last window of both models",
        )
        assert life.rows_in(topic) == 0
    assert by_id(lines(path)).items() >= before.items()


def final_after(path, time_text):
    """Models of which a window that ends so late was told for the last time."""
    return {
        item["model"]
        for item in lines(path)
        if item["type"] == "quality" and item["final"] and item["window"]["end"] >= time_text
    }


OTHER_MODELS = """
models:
  - {model: credit, reference: first 400 rows, window: 2m, rows_min: 60, segments: [],
     label_delay: 24m, open_predictions: 1000, mode: exact, multivariate: [],
     quality: {window: 15m, slide: 3m, correct_every: 3m}, on_episode: retrain}
  - {model: fraud, reference: first 300 rows, window: 200 rows, rows_min: 60, label_delay: 30m,
     open_predictions: 1000, multivariate: [], quality: {window: 10m, slide: 5m, correct_every: 0s}}
"""
"""Another one in every respect for the first model, in label_delay and rows_min for the second."""


@pytest.mark.kafka
def test_settings_of_models_change_while_a_flow_runs(kafka_brokers, prefix, tmp_path):
    """The first model's windows begin anew, the second one's go on, and no label is lost."""
    sent = [one for one in world(recent_begin_ms()) if one.stream != "llm"]
    half = int(0.38 * len(sent))  # well before features move
    sources = kafka_sources(kafka_brokers, prefix, ("metrics", "predictions", "labels"))
    config, log, state = write_config(tmp_path, sources), tmp_path / "log", tmp_path / "state"
    drift = tmp_path / "out" / "drift.jsonl"
    send(kafka_brokers, prefix, sent[:half])
    with process(config, log=log) as run:
        wait_until(lambda: len(lines(drift)) >= 10, timeout_s=60, what="windows of quality")
        write_config(tmp_path, sources, models=OTHER_MODELS)
        run.send_signal(signal.SIGHUP)
        wait_until(lambda: run_number(state) == 2, timeout_s=60, what="the new flow")
        before = by_id(lines(drift))
        send(kafka_brokers, prefix, sent[half:])
        wait_until(
            lambda: is_done(tmp_path) or run.poll() is not None, timeout_s=60, what="the end"
        )
        run.terminate()
        assert run.wait(30) == 0, log.read_text()[-2000:]
    after = by_id(lines(drift))
    assert after.items() >= before.items()
    opened = {
        (item["model"], item["group"])
        for item in after.values()
        if item["type"] == "drift" and item["status"] == "open"
    }
    assert opened >= {("credit", "drift"), ("fraud", "quality")}
    orphans = [
        msgspec.json.decode(item["value"])
        for item in lines(tmp_path / "out" / "dead_letters.jsonl")
        if item["reason"] == "orphan_label"
    ]
    assert [item["model"] for item in orphans] == ["credit"]
