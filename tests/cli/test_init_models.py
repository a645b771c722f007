"""``streamgauge init`` on predictions, labels and LLM calls: the proposal passes and works."""

import json
from pathlib import Path

import polars as pl
import pytest
from confluent_kafka import Producer

from engine.cli import main
from engine.config import load_config
from engine.config.durations import DAY_NS, SECOND_NS
from engine.pipeline.document_sources import document_codec

BASE_MS = 1_760_000_000_000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prediction(number, **more):
    return {
        "ts": BASE_MS + number * 10_000,
        "model": "credit",
        "version": "7" if number % 3 else "8",
        "prediction_id": f"p{number}",
        "features": {"age": 30 + number % 20, "home": ("own", "rent")[number % 2]},
        "prediction": number % 2,
        "score": 0.25,
        "tags": {"region": ("north", "south")[number % 2]},
        **more,
    }


def label(number):
    at_ms = BASE_MS + number * 10_000 + 5_000
    return {"ts": at_ms, "model": "credit", "prediction_id": f"p{number}", "label": number % 2}


def call(number):
    return {
        "ts": BASE_MS + number * 10_000,
        "duration_s": 1.5,
        "request_model": "large",
        "response_model": "large-1",
        "input_tokens": 900,
        "output_tokens": 90,
        "finish_reasons": ["stop"],
        "response_id": f"r{number}",
        "tenant.id": ("north", "south")[number % 2],
        "prompt": f"The {number}th secret",
    }


def evaluation(number):
    at_ms = BASE_MS + number * 10_000 + 5_000
    return {"ts": at_ms, "evaluation": "polite", "score": 0.5, "response_id": f"r{number}"}


def lines(path, rows):
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path, rows=20):
    frame = pl.DataFrame(
        {
            "ts": [BASE_MS + row * 1000 for row in range(rows)],
            "prediction_id": [f"p{row}" for row in range(rows)],
            "prediction": [row % 2 for row in range(rows)],
            "feature.age": [30.0 + row for row in range(rows)],
        }
    )
    frame.write_parquet(path)
    return path


def send(brokers, topic, messages, headers=None):
    producer = Producer({"bootstrap.servers": brokers})
    for place, message in enumerate(messages):
        producer.produce(
            topic,
            message if isinstance(message, bytes) else json.dumps(message).encode(),
            key=b"k",
            partition=0,
            timestamp=BASE_MS,
            headers=headers[place] if headers else None,
        )
    assert producer.flush(30) == 0


def config(path="streamgauge.yaml"):
    assert main(["check", path]) == 0
    return load_config(path, environment={}, need_sources=True)


def test_a_recording_of_predictions_makes_a_configuration_that_replays(capsys):
    rows = [prediction(number) for number in range(600)]
    path = lines("credit.jsonl", sorted(rows, key=lambda row: row["ts"]))
    assert main(["init", "--recording", path]) == 0
    out = capsys.readouterr().out
    assert "credit.jsonl, 1 file, jsonl, predictions" in out
    assert "versions 7 (400), 8 (200)" in out
    assert "features age: numeric, home: categorical" in out
    assert "predictions, scores, ids in all rows; tags region" in out
    assert "next: streamgauge replay credit.jsonl --config streamgauge.yaml --out out" in out
    found = config()
    assert found.sources[0].kind == "predictions"
    assert (found.detectors, found.sinks[0].folder.path) == ((), "out")
    (model,) = found.models
    assert (model.model, model.reference.rows) == ("credit", 100)
    assert main(["replay", path, "--config", "streamgauge.yaml", "--out", "out"]) == 0
    assert "600 predictions" in capsys.readouterr().out


def test_what_is_commented_out_passes_the_check_too():
    path = lines("credit.jsonl", [prediction(number) for number in range(600)])
    assert main(["init", "--recording", path]) == 0
    keys = ("features:", "segments:", "label_delay:", "on_episode:", "window:")
    text = Path("streamgauge.yaml").read_text()
    for key in keys:
        assert f"    # {key}" in text
        text = text.replace(f"    # {key}", f"    {key}")
    Path("full.yaml").write_text(text)
    (model,) = config("full.yaml").models
    assert model.features == {"age": "numeric", "home": "categorical"}
    assert (model.segments, model.on_episode) == (("region",), "retrain")


def test_the_window_has_rows_enough():
    rows = [prediction(number, ts=BASE_MS + number * 600_000) for number in range(900)]
    assert main(["init", "--recording", lines("credit.jsonl", rows)]) == 0
    (model,) = config().models
    assert model.window.length == 7 * DAY_NS
    assert "an hour has 4 rows" in Path("streamgauge.yaml").read_text()


def test_labels_say_that_they_need_predictions(capsys):
    assert main(["init", "--recording", lines("l.jsonl", [label(n) for n in range(9)])]) == 0
    assert "late labels: 9" in capsys.readouterr().out
    assert config().sources[0].kind == "labels"
    text = Path("streamgauge.yaml").read_text()
    assert "  # What the labels are of is another source:\n  # - kind: predictions\n" in text


def test_a_recording_of_calls_makes_a_configuration_that_replays(capsys):
    rows = [row for number in range(40) for row in (call(number), evaluation(number))]
    path = lines("support.jsonl", rows)
    assert main(["init", "--recording", path]) == 0
    out = capsys.readouterr().out
    assert "evaluations: 40; tags tenant.id; evaluators polite" in out
    assert "secret" not in Path("streamgauge.yaml").read_text() + out
    found = config()
    assert (found.sources[0].kind, found.sources[0].model) == ("llm", "support")
    (model,) = found.models
    assert (model.model, model.llm.evaluators) == ("support", ("polite",))
    assert model.llm.tags == {"tenant": "tenant.id"}
    assert main(["replay", path, "--config", "streamgauge.yaml", "--out", "out"]) == 0
    assert "40 predictions and 40 later labels" in capsys.readouterr().out


def test_rows_that_name_no_model_get_one(capsys):
    assert main(["init", "--recording", table("credit.parquet")]) == 0
    assert "next: streamgauge run streamgauge.yaml" in capsys.readouterr().out
    found = config()
    assert found.sources[0].recording.model == found.models[0].model == "credit"


def test_a_recording_without_usable_rows_is_refused_with_the_reason(capsys):
    path = lines("a.jsonl", [{**prediction(0), "model": ""}])
    assert main(["init", "--recording", path]) == 2
    assert "none of the rows of a.jsonl can be used" in capsys.readouterr().err
    assert not Path("streamgauge.yaml").exists()


def test_a_topic_of_predictions_makes_a_configuration_that_passes_the_check(capsys, mock_cluster):
    rows = [prediction(number) for number in (0, 1, 3, 2, 4)]
    send(mock_cluster, "scores", [*rows, b"junk"])
    assert main(["init", "--topic", "scores", "--brokers", mock_cluster]) == 0
    out = capsys.readouterr().out
    assert f"scores on {mock_cluster}, 4 partitions" in out
    assert "6 looked at, keyed" in out
    assert "json, predictions" in out
    assert "unusable      1; the first: " in out
    assert "up to 10s in partition 0" in out
    found = config()
    source, sink = found.sources[0], found.sinks[0].kafka
    assert (source.kind, source.kafka.topic, source.kafka.format) == (
        "predictions",
        "scores",
        "json",
    )
    assert (source.kafka.brokers, sink.brokers) == (mock_cluster, mock_cluster)
    assert found.time.lateness_ns == 30 * SECOND_NS
    assert [model.model for model in found.models] == ["credit"]
    assert f'  # - kind: labels\n  #   kafka: {{brokers: "{mock_cluster}", topic: labels}}\n' in (
        Path("streamgauge.yaml").read_text()
    )


def test_a_topic_with_the_clocks_of_another_time_is_refused(capsys, mock_cluster):
    day_ms = 86_400_000
    send(mock_cluster, "scores", [prediction(n, ts=BASE_MS + 2 * day_ms) for n in range(5)])
    assert main(["init", "--topic", "scores", "--brokers", mock_cluster]) == 2
    assert "can be used; 5 rows too far ahead of their records" in capsys.readouterr().err


def test_a_topic_of_calls_makes_a_configuration_that_passes_the_check(capsys, mock_cluster):
    send(mock_cluster, "calls", [row for n in range(9) for row in (call(n), evaluation(n))])
    assert main(["init", "--topic", "calls", "--brokers", mock_cluster]) == 0
    found = config()
    assert (found.sources[0].kind, found.sources[0].model) == ("llm", "calls")
    assert found.models[0].llm.evaluators == ("polite",)


def test_a_topic_of_cloud_events_has_what_must_be_told(capsys, mock_cluster):
    messages, headers = [], []
    for number in range(8):
        for kind, at_s, body in (
            ("request", number, {"instances": [[1.5, 2.5]]}),
            ("response", number + 10, {"predictions": [1]}),
        ):
            messages.append(body)
            named = {
                "ce_type": f"org.kubeflow.serving.inference.{kind}",
                "ce_id": str(number),
                "ce_time": f"2025-10-09T08:53:{at_s:02}Z",
            }
            headers.append([(name, text.encode()) for name, text in named.items()])
    send(mock_cluster, "flowers", messages, headers)
    assert main(["init", "--topic", "flowers", "--brokers", mock_cluster]) == 0
    assert "up to 10s in partition 0" in capsys.readouterr().out
    found = config()
    kafka = found.sources[0].kafka
    assert (kafka.format, kafka.predictions.model_name) == ("cloudevents", "flowers")
    assert found.time.lateness_ns // 2 > 10 * SECOND_NS  # for so long halves wait
    assert found.models[0].model == "flowers"


def test_a_topic_of_bentoml_has_its_schema_line(capsys, mock_cluster):
    schema = {
        "meta_data": {"bento_name": "iris $HOME", "bento_version": "v3"},
        "columns": [
            {"name": "width", "role": "feature", "type": "numerical"},
            {"name": "species", "role": "prediction", "type": "categorical"},
        ],
    }
    row = {"width": 1.5, "species": "setosa", "timestamp": "2025-10-09T08:53:20", "request_id": "1"}
    send(mock_cluster, "bento", [schema, row, row])
    assert main(["init", "--topic", "bento", "--brokers", mock_cluster]) == 0
    found = config()
    assert found.models[0].model == "iris $HOME"
    source = found.sources[0]
    codec = document_codec(found, source, source.kafka)
    decoded = codec.decode([json.dumps(row).encode()])  # as when the topic's schema line is gone
    assert decoded.rejects == []
    assert [table.model for table in decoded.documents.tables] == ["iris $HOME"]
