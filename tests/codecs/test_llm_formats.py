"""Codecs of LLM calls as the configuration has them."""

import gzip
import json

import pytest

from engine.codecs.llm_formats import LLM_FORMATS, llm_settings, make_llm_codec
from engine.codecs.prediction_formats import make_tables
from engine.codecs.samples import Limits
from engine.config.connections import FORMATS_OF_KIND
from engine.config.models import LlmConfig, PriceConfig
from engine.errors import UsageError

T0_MS = 1_760_000_000_000


def codec_of(config=None, compression="none", **options):
    return make_llm_codec(
        "bot",
        config or LlmConfig(),
        make_tables(Limits(), compression),
        limits=Limits(),
        compression=compression,
        **options,
    )


def call(number, **more):
    row = {"ts": T0_MS + number, "response_model": "small", "input_tokens": 1_000_000}
    return json.dumps({**row, "output_tokens": 0, "response_id": f"r{number}", **more}).encode()


def test_calls_are_predictions_of_their_model():
    config = LlmConfig(
        prices={"sm*": PriceConfig(input=2.0, output=8.0)}, tags={"tenant": "tenant.id"}
    )
    decoded = codec_of(config).decode([call(1, **{"tenant.id": "acme"})])
    (table,) = decoded.documents.tables
    assert (table.model, table.version, table.ids) == ("bot", "small", ["r1"])
    assert table.features["cost_usd"].values.tolist() == [2.0]
    assert list(table.tags["tenant"].names) == ["acme"]


def test_spans_are_read_as_json():
    span = {
        "name": "chat",
        "spanId": "01",
        "startTimeUnixNano": str(T0_MS * 10**6),
        "endTimeUnixNano": str((T0_MS + 500) * 10**6),
        "attributes": [{"key": "gen_ai.response.model", "value": {"stringValue": "small"}}],
    }
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    payload = gzip.compress(json.dumps(document).encode())
    codec = codec_of(compression="gzip", message_format="otlp_json")
    (table,) = codec.decode([payload]).documents.tables
    assert table.ts.tolist() == [(T0_MS + 500) * 10**6]
    assert table.features["duration_s"].values.tolist() == [0.5]


def test_evaluations_find_their_calls_after_a_checkpoint():
    config = LlmConfig(evaluators=("helpful",))
    first = codec_of(config)
    first.decode([call(1, span_id="a1")])
    second = codec_of(config)
    second.restore(first.state())
    evaluation = {"ts": T0_MS + 9, "evaluation": "helpful", "score": 0.5, "span_id": "a1"}
    (table,) = second.decode([json.dumps(evaluation).encode()]).documents.labels
    assert (table.ids, table.label.values.tolist()) == (["r1"], [0.5])


def test_settings_that_can_not_be_used_are_named():
    with pytest.raises(UsageError, match=r"models: the entry of bot: aliases: my\.x stands for"):
        llm_settings("bot", LlmConfig(aliases={"my.x": "gen_ai.nothing"}))


def test_every_format_of_the_configuration_is_known():
    assert set(LLM_FORMATS) == set(FORMATS_OF_KIND["llm"])
