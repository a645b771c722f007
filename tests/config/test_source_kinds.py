"""What a source of each kind may say of itself, and what is said where it contradicts itself."""

from pathlib import Path

import pytest

from engine.config import parse_config
from engine.errors import ConfigError


def sources_of(text):
    return parse_config(f"sources: [{{{text}}}]", file="c.yaml", environment={}, folder=Path())


KAFKA = "kafka: {brokers: a, topic: b"


@pytest.mark.parametrize(
    "text",
    [
        f"kind: predictions, {KAFKA}}}",
        f"kind: labels, {KAFKA}, format: flat, predictions: {{prediction_id: id, tags: [env]}}}}",
        f"kind: predictions, {KAFKA}, format: flat, compression: zstd}}",
        f"kind: predictions, {KAFKA}, format: cloudevents, predictions: {{wait: 10s, score: p}}}}",
        f"kind: predictions, {KAFKA}, format: bentoml, predictions: {{schema_line: {{a: 1}}}}}}",
        f"kind: llm, model: assistant, {KAFKA}, format: otlp_proto, signal: logs}}",
        f"kind: llm, model: assistant, {KAFKA}}}",
        "kind: predictions, recording: {path: c, model: credit, version: '1'}",
        "kind: llm, model: assistant, recording: {path: c}",
    ],
)
def test_sources_of_documents_are_taken(text):
    (source,) = sources_of(text).sources
    assert source.kind in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{KAFKA}, format: flat}}", "kafka: `format: flat` is of `kind: predictions` or `labels`"),
        (
            f"kind: predictions, {KAFKA}, format: influx}}",
            "kafka: predictions may be `format: json`, `flat`, `cloudevents`, `bentoml`",
        ),
        (
            f"kind: llm, model: m, {KAFKA}, format: flat}}",
            "kafka: llm may be `format: json`, `otlp_proto`, `otlp_json`",
        ),
        (f"kind: llm, {KAFKA}}}", "model: name the entry of `models` that the calls belong to"),
        (
            f"kind: predictions, model: m, {KAFKA}}}",
            "model: only `kind: llm` has a model; messages of other kinds say it themselves",
        ),
        (
            f"kind: predictions, nan: drop, {KAFKA}}}",
            "nan: predictions are no samples; leave `nan` out",
        ),
        (
            f"kind: labels, infinity: drop, {KAFKA}}}",
            "infinity: labels are no samples; leave `infinity` out",
        ),
        (
            f"kind: llm, model: m, relabel: [{{action: drop, source_labels: [a]}}], {KAFKA}}}",
            "relabel: LLM calls are no samples; leave `relabel` out",
        ),
        (
            f"{KAFKA}, signal: logs}}",
            "kafka: `signal` is for `kind: llm` with `format: otlp_proto`",
        ),
        (
            f"{KAFKA}, predictions: {{score: p}}}}",
            "kafka: a source of metrics has no predictions; leave `predictions` out",
        ),
        (
            f"kind: predictions, {KAFKA}, predictions: {{score: p, wait: 1s}}}}",
            "kafka: `format: json` has no `predictions.score`, `predictions.wait`",
        ),
        (
            f"kind: predictions, {KAFKA}, format: flat, predictions: {{output: p}}}}",
            "kafka: `format: flat` has no `predictions.output`",
        ),
        (
            "kind: predictions, recording: {path: c, name: a}",
            "recording: predictions are no samples; leave `name`, `labels` and `exclude` out",
        ),
        (
            "recording: {path: c, model: m}",
            "recording: a source of metrics has no predictions; leave `model` and `version` out",
        ),
    ],
)
def test_contradictions_are_named(text, expected):
    with pytest.raises(ConfigError) as caught:
        sources_of(text)
    (problem,) = caught.value.problems
    assert str(problem).partition("sources[0].")[2] == expected
