"""A flow goes on from its state when sources of predictions and settings of models change."""

import threading
import time
import uuid
from collections import Counter

import pytest
from model_world import (
    by_id,
    delete_topics,
    is_done,
    kafka_sources,
    lines,
    make_topics,
    recent_begin_ms,
    said,
    send,
    topic_of,
    world,
    write_config,
)

from engine.config import load_config
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
    sent = world(recent_begin_ms())
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

    # Back again, models begin anew, with all that the topics hold: ids show what was said before.
    before = said(tmp_path / "out", "drift")
    with Life(write_config(tmp_path, every)) as life:
        rows = len(others) / 2
        predictions = topic_of(prefix, "predictions")
        life.wait_until(lambda: life.rows_in(predictions) > rows, "predictions")
        drift = tmp_path / "out" / "drift.jsonl"
        life.wait_until(lambda: len(lines(drift)) == 2 * len(before), "all of it again")
        assert life.rows_in(topic) == 0
    assert by_id(lines(drift)) == before
