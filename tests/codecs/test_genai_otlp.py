"""LLM calls and evaluations in OTLP: spans, events and log records, protobuf and JSON.

Aim: the same call gives the same row whatever convention its producer knows, JSON says the same as
protobuf, and nothing that was said to or by a model is ever kept.
"""

import json
import math

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import JSON, encoded
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from engine.codecs.genai_calls import CATEGORIES, NUMBERS, GenAIColumns
from engine.codecs.genai_metrics import read_genai_metrics
from engine.codecs.genai_names import GenAINames
from engine.codecs.genai_otlp import EVALUATION, GenAICodec
from engine.codecs.predictions import PredictionLimits
from engine.codecs.samples import Limits

TS = 1_760_000_000_123_456_789
NAMES = GenAINames.of(extra=("tenant.id", "http.route"))
SEGMENTS = {"tenant": "tenant.id", "route": "http.route"}
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "m-1",
    "gen_ai.response.model": "m-1-2025",
    "gen_ai.response.id": "r1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.response.time_to_first_chunk": 0.25,
    "gen_ai.usage.input_tokens": 900,
    "gen_ai.usage.output_tokens": 120,
    "gen_ai.usage.cache_read.input_tokens": 300,
    "gen_ai.usage.reasoning.output_tokens": 20,
    "gen_ai.conversation.id": "c1",
    "server.address": "api.example",
}


def put(target, attributes):
    for key, value in attributes.items():
        held = target.add(key=key).value
        if isinstance(value, list):
            for part in value:
                held.array_value.values.add(string_value=part)
        elif isinstance(value, bool):
            held.bool_value = value
        elif isinstance(value, int):
            held.int_value = value
        elif isinstance(value, float):
            held.double_value = value
        else:
            held.string_value = value


def traces(*calls, resource=(), **fields):
    data = TracesData()
    group = data.resource_spans.add()
    put(group.resource.attributes, dict(resource))
    scope = group.scope_spans.add()
    for number, attributes in enumerate(calls):
        span = scope.spans.add(
            name="chat m-1",
            span_id=number.to_bytes(8, "big"),
            start_time_unix_nano=TS - 2_000_000_000,
            end_time_unix_nano=TS,
        )
        put(span.attributes, attributes)
        for name, value in fields.items():
            setattr(span, name, value)
    return data


def logs(attributes, *, event_name=EVALUATION, **fields):
    data = LogsData()
    record = (
        data.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            event_name=event_name, time_unix_nano=TS, span_id=(0).to_bytes(8, "big"), **fields
        )
    )
    put(record.attributes, attributes)
    return data


def json_of(data):
    """Make OTLP's JSON, in which ids are hex."""
    document = MessageToDict(data)
    for group, plain in zip(
        document.get("resourceSpans", []), getattr(data, "resource_spans", []), strict=True
    ):
        for scope, plain_scope in zip(group["scopeSpans"], plain.scope_spans, strict=True):
            for span, message in zip(scope["spans"], plain_scope.spans, strict=True):
                span["spanId"] = message.span_id.hex()
    for group, plain in zip(
        document.get("resourceLogs", []), getattr(data, "resource_logs", []), strict=True
    ):
        for scope, plain_scope in zip(group["scopeLogs"], plain.scope_logs, strict=True):
            for record, message in zip(scope["logRecords"], plain_scope.log_records, strict=True):
                record["spanId"] = message.span_id.hex()
    return encoded(document)


def codec(signal="traces", encoding="proto", **limits):
    columns = GenAIColumns(PredictionLimits(**limits), SEGMENTS)
    return GenAICodec(columns, NAMES, signal=signal, encoding=encoding)


def decode(data, encoding="proto"):
    signal = "logs" if isinstance(data, LogsData) else "traces"
    payload = data.SerializeToString() if encoding == "proto" else json_of(data)
    return codec(signal, encoding).decode([payload])


def flat(rows):
    """List the columns of calls or evaluations with names for codes and None for null."""
    found = {}
    for name in rows.__slots__:
        value = getattr(rows, name)
        for key, column in value.items() if isinstance(value, dict) else [(name, value)]:
            if hasattr(column, "names"):
                values = [None if c < 0 else column.names[c] for c in column.values]
            else:
                values = [None if x != x else x for x in np.asarray(column).tolist()]  # noqa: PLR0124
            found[key] = values
    return found


@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_a_span_is_a_call(encoding):
    batch = decode(traces(CALL, resource={"tenant.id": "acme", "http.route": "/ask"}), encoding)
    row = {name: values[0] for name, values in flat(batch.calls).items()}
    assert row.pop("response_key") > 0
    assert row.pop("conversation_key") > 0
    assert row.pop("span_key") > 0
    assert row == {
        "message": 0,
        "ts": TS,
        "duration_s": 2.0,
        "operation": "chat",
        "provider": "anthropic",
        "request_model": "m-1",
        "response_model": "m-1-2025",
        "finish_reasons": "stop",
        "error_type": None,
        "server": "api.example",
        "tenant": "acme",
        "route": "/ask",
        "input_tokens": 900,
        "output_tokens": 120,
        "cached_tokens": 300,
        "cache_creation_tokens": None,
        "reasoning_tokens": 20,
        "time_to_first_chunk_s": 0.25,
        "response_ids": "r1",
    }
    assert (batch.rejects, batch.refused, batch.ignored) == ([], {}, 0)


@pytest.mark.parametrize(
    ("alias", "canonical", "value"),
    [
        ("gen_ai.usage.prompt_tokens", "input_tokens", 7),
        ("llm.usage.prompt_tokens", "input_tokens", 7),
        ("llm.token_count.prompt", "input_tokens", 7),
        ("usage.input", "input_tokens", 7),
        ("gen_ai.usage.completion_tokens", "output_tokens", 8),
        ("llm.usage.completion_tokens", "output_tokens", 8),
        ("llm.token_count.completion", "output_tokens", 8),
        ("usage.output", "output_tokens", 8),
        ("gen_ai.system", "provider", "openai"),
        ("llm.model_name", "request_model", "m"),
    ],
)
def test_aliases_mean_the_same(alias, canonical, value):
    batch = decode(traces({alias: value, "gen_ai.operation.name": "chat"}))
    assert flat(batch.calls)[canonical] == [value]


@pytest.mark.parametrize("turned", [True, False])
def test_of_two_names_the_canonical_one_wins(turned):
    both = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.prompt_tokens": 6, "usage.input": 7}
    both = dict(reversed(both.items())) if turned else both
    assert flat(decode(traces(both)).calls)["input_tokens"] == [5]


def test_a_configuration_may_add_aliases():
    names = GenAINames.of(
        attributes={"gen_ai.usage.input_tokens": ["my.in"], "my.thing": ["your.thing"]},
        metrics={"gen_ai.client.token.usage": ["my.usage"]},
    )
    assert names.attributes["my.in"] == "gen_ai.usage.input_tokens"
    assert names.attributes["gen_ai.usage.prompt_tokens"] == "gen_ai.usage.input_tokens"
    assert names.attributes["your.thing"] == names.attributes["my.thing"] == "my.thing"
    assert names.metrics["my.usage"] == "gen_ai.client.token.usage"
    columns = set(NUMBERS.values()) | set(CATEGORIES.values())
    assert columns <= names.attributes.keys()


@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_what_was_said_is_never_kept(encoding):
    said = {
        "gen_ai.input.messages": "secret",
        "gen_ai.output.messages": "secret",
        "gen_ai.prompt.0.content": "secret",
        "gen_ai.completion.0.content": "secret",
        "gen_ai.evaluation.explanation": "secret",
        "input.value": "secret",
    }
    batch = decode(traces(CALL | said), encoding)
    assert len(batch.calls) == 1
    assert "secret" not in repr(batch)
    batch = decode(logs(said | {"gen_ai.evaluation.name": "x"}), encoding)
    assert len(batch.evaluations) == 1
    assert "secret" not in repr(batch)


@pytest.mark.parametrize("encoding", ["proto", "json"])
@pytest.mark.parametrize("kind", ["log", "older log", "span event"])
def test_an_evaluation_is_joined_by_response_or_span(kind, encoding):
    evaluation = {
        "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 0.75,
        "gen_ai.evaluation.score.label": "pass",
        "gen_ai.response.id": "r1",
    }
    if kind == "span event":
        data = traces({"http.route": "/x"})
        event = (
            data.resource_spans[0]
            .scope_spans[0]
            .spans[0]
            .events.add(name=EVALUATION, time_unix_nano=TS)
        )
        put(event.attributes, evaluation)
    elif kind == "older log":
        data = logs(evaluation | {"event.name": EVALUATION}, event_name="")
    else:
        data = logs(evaluation)
    batch = decode(data, encoding)
    found = flat(batch.evaluations)
    assert (found["name"], found["score"], found["label"]) == (["relevance"], [0.75], ["pass"])
    assert found["ts"] == [TS]
    call = decode(traces(CALL), encoding).calls
    assert found["response_key"] == call.response_key.tolist()
    assert found["span_key"] == call.span_key.tolist()
    assert len(batch.calls) == 0


def test_other_spans_and_records_are_passed_over():
    assert decode(traces({"http.method": "GET"}, CALL)).ignored == 1
    batch = decode(logs(CALL, event_name="gen_ai.client.inference.operation.details"))
    assert (batch.ignored, len(batch.calls), len(batch.evaluations)) == (1, 0, 0)


@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_a_failed_call_has_an_error_type(encoding):
    failed = Status(code=Status.STATUS_CODE_ERROR)
    for attributes, expected in ((CALL, "_OTHER"), (CALL | {"error.type": "timeout"}, "timeout")):
        data = traces(attributes)
        data.resource_spans[0].scope_spans[0].spans[0].status.CopyFrom(failed)
        assert flat(decode(data, encoding).calls)["error_type"] == [expected]


def test_several_finish_reasons_are_one_category():
    reasons = ["tool_calls", "stop", "stop"]
    batch = decode(traces(CALL | {"gen_ai.response.finish_reasons": reasons}))
    assert flat(batch.calls)["finish_reasons"] == ["stop,tool_calls"]


@pytest.mark.parametrize(("start", "duration_s"), [(0, None), (TS + 1, None), (TS, 0.0)])
def test_a_call_without_a_start_has_no_duration(start, duration_s):
    batch = decode(traces(CALL, start_time_unix_nano=start))
    assert flat(batch.calls)["duration_s"] == [duration_s]


@pytest.mark.parametrize("encoding", ["proto", "json"])
@pytest.mark.parametrize("end", [0, 2**63])
def test_a_call_without_an_end_is_a_dead_letter(encoding, end):
    data = traces(CALL, CALL)
    data.resource_spans[0].scope_spans[0].spans[0].end_time_unix_nano = end
    batch = decode(data, encoding)
    assert [r.reason for r in batch.rejects] == ["bad_timestamp"]
    assert json.loads(batch.rejects[0].row)["name"] == "chat m-1"
    assert len(batch.calls) == 1


def test_a_value_of_another_type_is_null_and_counted():
    batch = decode(traces(CALL | {"gen_ai.usage.input_tokens": "many"}))
    assert math.isnan(batch.calls.numbers["input_tokens"][0])
    assert batch.refused == {("gen_ai.usage.input_tokens", "schema_error"): 1}


def test_codes_go_through_a_checkpoint():
    first, second = codec(), codec()
    for model in ("a", "b"):
        first.decode([traces(CALL | {"gen_ai.request.model": model}).SerializeToString()])
    second.columns.restore(json.loads(json.dumps(first.columns.state())))
    batch = second.decode([traces(CALL | {"gen_ai.request.model": "b"}).SerializeToString()])
    assert batch.calls.categories["request_model"].values.tolist() == [1]


@pytest.mark.parametrize(
    ("encoding", "payload", "reason"),
    [
        ("proto", b"\xff", "decode_error"),
        ("json", b"{", "decode_error"),
        ("json", b"[]", "schema_error"),
        ("json", b'{"resourceMetrics": []}', "schema_error"),
        ("json", b"[" * 9000, "decode_error"),
        ("proto", b"x" * 2_000_000, "too_large"),
        ("json", b"x" * 2_000_000, "too_large"),
    ],
)
def test_a_bad_message_is_a_dead_letter(encoding, payload, reason):
    batch = codec(encoding=encoding).decode([payload, payload])
    assert [(r.message, r.reason) for r in batch.rejects] == [(0, reason), (1, reason)]


def test_json_may_be_snake_case_and_have_text_numbers():
    text = """{"resource_spans": [{"scope_spans": [{"spans": [{"span_id": "AB", "name": 5,
        "start_time_unix_nano": "1", "end_time_unix_nano": "3", "status": {"code": 2},
        "attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"int_value": "7"}},
                       {"key": "gen_ai.system", "value": {"intValue": "x"}}, 5]}]}]}]}"""
    found = flat(codec(encoding="json").decode([text.encode()]).calls)
    assert (found["input_tokens"], found["error_type"], found["ts"]) == ([7], ["_OTHER"], [3])
    assert found["provider"] == [None]


def test_metrics_get_canonical_names():
    data = MetricsData()
    metric = (
        data.resource_metrics.add()
        .scope_metrics.add()
        .metrics.add(name="gen_ai.client.inference.duration")
    )
    point = metric.gauge.data_points.add(time_unix_nano=TS, as_double=0.5)
    put(point.attributes, {"gen_ai.system": "openai", "tier": "gold"})
    samples, rejects = read_genai_metrics(
        data.SerializeToString(), 0, Limits(), "underscore", NAMES
    )
    assert [sample.series.text for sample in samples] == [
        'gen_ai_client_operation_duration{gen_ai_provider_name="openai",tier="gold"}'
    ]
    assert rejects == []
    put(point.attributes, {"gen_ai.provider.name": "azure"})
    samples, _ = read_genai_metrics(data.SerializeToString(), 0, Limits(), "underscore", NAMES)
    assert dict(samples[0].series.labels)["gen_ai_provider_name"] == "azure"
    assert read_genai_metrics(b"\xff", 3, Limits(), "as_is", NAMES)[1][0].reason == "decode_error"
    large = read_genai_metrics(bytes(2_000_000), 3, Limits(), "as_is", NAMES)
    assert large[1][0].reason == "too_large"


ATTRIBUTE_VALUES = st.one_of(
    st.text(max_size=5),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(max_size=3), max_size=3),
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from([*CALL, "gen_ai.system", "usage.input", "x"]), ATTRIBUTE_VALUES, max_size=4
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ATTRIBUTES, min_size=1, max_size=3), ATTRIBUTES)
def test_json_says_the_same_as_protobuf(calls, resource):
    data = traces(*calls, resource=resource)
    proto, text = decode(data), decode(data, "json")
    assert flat(proto.calls) == flat(text.calls)
    assert (proto.refused, proto.ignored) == (text.refused, text.ignored)
    assert len(proto.calls) + proto.ignored == len(calls)


JSON_SPANS = st.recursive(
    JSON,
    lambda inner: st.dictionaries(
        st.sampled_from(
            [
                "resourceSpans",
                "resourceLogs",
                "scopeSpans",
                "spans",
                "logRecords",
                "events",
                "attributes",
                "key",
                "value",
                "stringValue",
                "intValue",
                "arrayValue",
                "values",
                "name",
                "endTimeUnixNano",
                "status",
                "resource",
            ]
        ),
        inner | st.lists(inner, max_size=2) | st.sampled_from([*CALL, EVALUATION]),
        max_size=4,
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), JSON_SPANS, JSON_SPANS, st.integers(0, 300))
def test_whatever_arrives_is_read_or_rejected(payload, document, leaf, cut):
    whole = traces(CALL).SerializeToString()
    span = {"endTimeUnixNano": "5", "attributes": [{"key": "gen_ai.request.model", "value": leaf}]}
    messages = [
        payload,
        whole[:cut] + payload + whole[cut:],
        encoded(document),
        encoded({"resourceSpans": [{"scopeSpans": [{"spans": [leaf, span]}], "resource": leaf}]}),
    ]
    for signal, encoding in (("traces", "proto"), ("logs", "proto"), ("traces", "json")):
        batch = codec(signal, encoding).decode(messages)
        assert all(0 <= r.message < len(messages) for r in batch.rejects)
        assert len(batch.calls.ts) == len(batch.calls.response_key)
