"""Which source a recording is played as, and the partitions of sources that feed models."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.codecs.predictions import Kind
from engine.config.connections import RecordingSource
from engine.config.load import parse_config
from engine.errors import UsageError
from engine.pipeline.sources import list_partitions, recorded_sources

T0_MS = 1_760_000_000_000
PREDICTION = {"ts": T0_MS, "model": "m", "prediction_id": "a", "features": {"code": 7}}
CALL = {
    "ts": T0_MS,
    "request_model": "small",
    "response_model": "small",
    "input_tokens": 9,
    "response_id": "r",
}
EVALUATION = {"ts": T0_MS, "evaluation": "helpful", "score": 0.5, "response_id": "r"}
SAMPLE = {"ts": T0_MS, "name": "cpu", "value": 1}


def config(text):
    return parse_config(text, file="c.yaml", environment={}, folder=Path())


def played(path, text, *rows, **settings):
    """Write a recording; give the source that a replay plays it as, and its only partition."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    configured = config(text)
    (source,) = recorded_sources(configured, RecordingSource(path=str(path), **settings))
    (partition,) = list_partitions(replace(configured, sources=(source,))).values()
    assert partition.source is source
    return source, partition.of


def test_predictions_are_played_as_such(tmp_path):
    models = "models: [{model: m, features: {code: categorical}}]"
    source, file = played(tmp_path / "r.jsonl", models, PREDICTION)
    assert (source.kind, source.relabel) == ("predictions", ())
    (block,) = file.reading(None).blocks(10)
    assert block.documents.tables[0].features["code"].kind is Kind.CATEGORICAL


def test_a_model_for_all_rows_says_that_there_are_predictions(tmp_path):
    row = {"ts": T0_MS, "prediction": 1}
    source, file = played(tmp_path / "r.jsonl", "models: []", row, model="credit")
    assert source.kind == "predictions"
    (block,) = file.reading(None).blocks(10)
    assert block.documents.tables[0].model == "credit"


@pytest.mark.parametrize(
    "text",
    [
        "models: [{model: bot, llm: {evaluators: [helpful]}}]",
        (
            "sources: [{kind: llm, model: bot, recording: {path: x}}]\n"
            "models: [{model: bot, llm: {evaluators: [helpful]}}, {model: other, llm: {}}]"
        ),
    ],
)
def test_calls_are_those_of_the_only_model_that_has_some(tmp_path, text):
    source, file = played(tmp_path / "r.jsonl", text, CALL, EVALUATION)
    assert (source.kind, source.model) == ("llm", "bot")
    reading = file.reading(None)
    (block,) = reading.blocks(10)
    assert (block.documents.tables[0].model, block.documents.tables[0].version) == ("bot", "small")
    assert block.documents.labels[0].evaluator == "helpful"
    assert set(json.loads(reading.state())) == {"schemas", "calls"}


def test_calls_without_a_model_are_refused(tmp_path):
    with pytest.raises(UsageError, match="must have exactly one model"):
        played(tmp_path / "r.jsonl", "models: []", CALL)


def test_samples_are_sifted_as_the_configured_sources_do(tmp_path):
    text = "sources: [{nan: drop, recording: {path: x}}, {kind: predictions, recording: {path: y}}]"
    source, _ = played(tmp_path / "r.jsonl", text, SAMPLE)
    assert (source.kind, source.nan) == ("metrics", "drop")


def test_a_folder_of_several_kinds_is_a_source_of_each(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(SAMPLE))
    (tmp_path / "b.jsonl").write_text(json.dumps(PREDICTION))
    (tmp_path / "c.jsonl").write_text(json.dumps({"ts": "2026-01-01T00:00:00Z"}))
    configured = config("models: []")
    sources = recorded_sources(configured, RecordingSource(path=str(tmp_path)))
    assert [source.kind for source in sources] == ["metrics", "predictions"]
    found = list_partitions(replace(configured, sources=sources))
    assert [(key[-7:], one.source.kind) for key, one in found.items()] == [
        ("a.jsonl", "metrics"),
        ("b.jsonl", "predictions"),
    ]
