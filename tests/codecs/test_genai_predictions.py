"""LLM calls as predictions.

Aim: a call gives the same prediction whatever it was written in and however messages are batched;
what was said never comes through.
"""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_calls import CALL, EVALUATION, codec, decode, rows, span_call
from naive_predictions import JSON, TS_MS, encoded
from test_genai_otlp import CALL as SPAN
from test_genai_otlp import json_of, traces

from engine.codecs.genai_settings import LlmSettings
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import Kind, PredictionLimits, keys_of


def test_a_call_is_a_prediction_of_its_service():
    batch = decode(CALL)
    (table,) = batch.tables
    assert (table.model, batch.rejects, batch.refused) == ("support", [], {})
    assert math.isnan(table.prediction.values[0])
    assert rows(table) == [
        {
            "version": "m-1-2025",
            "ts": TS_MS * 1_000_000,
            "id": "r1",
            "key": int(keys_of("support", ["r1"])[0]),
            "provider": "acme-ai",
            "tenant": "north",
            "input_tokens": 900,
            "output_tokens": 90,
            "cached_share": 300 / 900,
            "reasoning_tokens": 20,
            "output_input_ratio": 0.1,
            "duration_s": 1.5,
            "time_to_first_chunk_s": 0.25,
            "cost_usd": (600 * 2 + 300 * 0.5 + 90 * 10) / 1e6,
            "tool_calls": 2,
            "finish_reason": "stop",
            "error_type": "none",
            "request_model": "m-1",
            "failed": 0,
            "refusal": 0,
        }
    ]
    assert "secret" not in repr(batch)


@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_a_span_is_the_same_prediction_as_the_native_row(encoding):
    native = {name: CALL[name] for name in ("duration_s", "operation", "request_model")}
    span = {"gen_ai.usage.input_tokens": 900, "my.tools": 2}
    span |= {"gen_ai.request.model": "m-1", "gen_ai.operation.name": "chat", "tenant.id": "north"}
    native |= {"input_tokens": 900, "tool_calls": 2, "my.vector": [0.5, -1.0]}
    data = traces(span)
    vector = data.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="my.vector")
    vector.value.array_value.values.add(double_value=0.5)
    vector.value.array_value.values.add(int_value=-1)
    end = data.resource_spans[0].scope_spans[0].spans[0].end_time_unix_nano
    native |= {"ts": end // 1_000_000, "duration_s": 2.0, "span_id": "0" * 16, "tenant.id": "north"}
    payload = data.SerializeToString() if encoding == "proto" else json_of(data)
    found = codec(f"otlp_{encoding}").decode([payload]).tables[0]
    (one,), (other,) = rows(found), rows(decode(native).tables[0])
    assert one.pop("ts") // 1_000_000 == other.pop("ts") // 1_000_000
    assert one == other
    assert one["question"] == [0.5, -1.0]


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("encoding", ["proto", "json"])
def test_of_messages_only_their_sizes_are_kept(encoding, structured):
    text = [
        {"type": "text", "content": "secret" * 10},
        {"type": "tool_call", "name": "secret"},
        {"type": "tool_call", "name": "secret"},
    ]
    messages = [{"role": "assistant", "parts": text}]
    data = traces(SPAN if structured else {**SPAN, "gen_ai.output.messages": json.dumps(messages)})
    if structured:
        span = data.resource_spans[0].scope_spans[0].spans[0]
        held = span.attributes.add(key="gen_ai.output.messages").value
        parts = held.array_value.values.add().kvlist_value.values.add(key="parts").value
        for part in text:
            pairs = parts.array_value.values.add().kvlist_value.values
            for key, value in part.items():
                pairs.add(key=key).value.string_value = value
    payload = data.SerializeToString() if encoding == "proto" else json_of(data)
    batch = codec(f"otlp_{encoding}").decode([payload])
    (row,) = rows(batch.tables[0])
    assert (row["output_characters"], row["tool_calls"]) == (60, 2)
    assert "secret" not in repr(batch)


def test_what_a_call_says_of_its_tool_calls_counts_before_the_messages():
    messages = [{"parts": [{"type": "tool_call"}]}]
    for first in (CALL, {"gen_ai.output.messages": messages}):
        call = {**first, **CALL, "gen_ai.output.messages": messages}
        (row,) = rows(decode(call).tables[0])
        assert (row["tool_calls"], row["output_characters"]) == (2, 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"finish_reasons": ["Content_Filter"]}, {"refusal": 1}),
        ({"finish_reasons": ["stop", "refusal"]}, {"refusal": 1, "finish_reason": "refusal,stop"}),
        ({"finish_reasons": None}, {"refusal": None, "finish_reason": None}),
        (
            {"error_type": "timeout"},
            {"failed": 1, "error_type": "timeout", "finish_reason": "stop"},
        ),
        (
            {"error_type": "timeout", "finish_reasons": None},
            {"failed": 1, "finish_reason": "error", "refusal": 0},
        ),
        ({"input_tokens": 0}, {"cached_share": None, "output_input_ratio": None}),
        ({"cached_tokens": None}, {"cached_share": None, "cost_usd": 0.0027}),
        ({"input_tokens": None, "output_tokens": None}, {"cost_usd": None}),
        ({"cost_usd": 0.5}, {"cost_usd": 0.5}),
        ({"duration_s": None}, {"duration_s": None}),
        ({"response_model": None}, {"version": "m-1"}),
        ({"response_model": None, "request_model": None}, {"version": "unknown"}),
        ({"response_model": "x"}, {"version": "x", "cost_usd": 0.00225}),  # the asked one's price
    ],
)
def test_what_follows_from_a_calls_values(change, expected):
    (row,) = rows(decode(CALL | change).tables[0])
    found = {name: row.get(name) for name in expected}
    for name, value in expected.items():
        same = found[name] == value
        assert same or math.isclose(found[name], value, rel_tol=1e-12), (name, found[name])


def test_a_failed_call_has_the_version_that_answers_now():
    failed = {**CALL, "error_type": "timeout", "response_model": None}
    batch = decode(failed, CALL, failed, CALL | {"response_model": "m-1-2026"}, failed)
    versions = {table.version: table.message.tolist() for table in batch.tables}
    assert versions == {"m-1": [0], "m-1-2025": [1, 2], "m-1-2026": [3, 4]}


def test_spans_of_agents_and_tools_are_no_calls():
    calls = [CALL | {"operation": name} for name in ("invoke_agent", "CHAIN", "chat")]
    assert [table.message.tolist() for table in decode(*calls).tables] == [[2]]


def test_a_model_without_a_price_is_counted():
    other = CALL | {"response_model": "x", "request_model": "y"}
    batch = decode(CALL, other, other | {"input_tokens": None, "output_tokens": None})
    assert batch.refused == {("support", "cost_usd", "no_price"): 1}
    assert decode(other, given_settings=LlmSettings()).refused == {}


def test_a_value_of_another_type_is_refused_by_its_feature():
    batch = decode(CALL | {"input_tokens": "many"})
    assert batch.refused == {("support", "input_tokens", "schema_error"): 1}
    assert json.loads(batch.rejects[0].row)["prediction_id"] == "r1"
    assert "input_tokens" not in rows(batch.tables[0])[0]


def test_a_vector_of_another_dimension_is_refused():
    batch = decode(CALL | {"my.vector": [1, 2]}, CALL | {"my.vector": [1, 2, 3]})
    assert batch.refused == {("support", "question", "dimension_mismatch"): 1}


def documents():
    call = st.builds(
        span_call,
        st.integers(0, 5),
        st.sampled_from([None, "r0", "r1"]),
        response_model=st.sampled_from([None, "a", "b"]),
        input_tokens=st.sampled_from([None, 5, 10.5, "x"]),
        error_type=st.sampled_from([None, "timeout", "busy"]),
    )
    evaluation = st.builds(
        lambda span, name, score: {
            **EVALUATION,
            "response_id": None,
            "span_id": f"s{span}",
            "evaluation": name,
            "score": score,
        },
        st.integers(0, 5),
        st.sampled_from(["faithful", "polite", "other"]),
        st.sampled_from([0, 1, None]),
    )
    return st.lists(st.lists(st.one_of(call, evaluation), min_size=1, max_size=3), max_size=8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(documents(), st.integers(0, 8))
def test_batches_and_checkpoints_change_nothing(messages, cut):
    payloads = [encoded(message) for message in messages]
    whole = codec().decode(payloads)
    first = codec()
    parts = [first.decode(payloads[:cut])]
    second = codec()
    second.restore(json.loads(json.dumps(first.state())))
    second.tables.restore(json.loads(json.dumps(first.tables.state())))
    parts.append(second.decode(payloads[cut:]))
    for read in (rows, lambda table: table.label.values.tolist()):
        one, other = {}, {}
        for batches, found in ((parts, one), ([whole], other)):
            for batch in batches:
                for table in batch.tables if read is rows else batch.labels:
                    name = table.version if read is rows else table.evaluator
                    found.setdefault(name, []).extend(read(table))
        assert one == other
    assert sum((part.refused for part in parts), start=whole.refused - whole.refused) == (
        whole.refused
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(st.sampled_from([*CALL, "evaluation", "span_id"]), JSON)))
def test_no_row_breaks_the_codec(found):
    batch = decode([CALL | part for part in found] or [CALL])
    assert len(batch.tables) + len(batch.labels) + len(batch.rejects) > 0
    for table in batch.tables:
        for column in table.features.values():
            if column.kind is Kind.NUMERIC:
                assert not np.isinf(column.values).any()


def test_features_that_are_declared_elsewhere_stay_so():
    tables = PredictionTables(declared={"support": {"tool_calls": Kind.CATEGORICAL}})
    (row,) = rows(decode(CALL, tables=tables).tables[0])
    assert (row["tool_calls"], row["input_tokens"]) == ("2", 900)
    assert tables.schemas["support"].features["finish_reason"].declared


def test_limits_of_names_hold():
    tables = PredictionTables(PredictionLimits())
    batch = decode(CALL | {"response_id": "x" * 100_000}, CALL, tables=tables)
    assert [(r.message, r.reason) for r in batch.rejects] == [(0, "limit")]
    assert batch.tables[0].message.tolist() == [1]


def test_an_alias_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"my\.x stands for gen_ai\.nothing"):
        LlmSettings(aliases={"my.x": "gen_ai.nothing"})


def test_an_alias_may_stand_for_the_attribute_of_a_tag():
    given_settings = LlmSettings(tags={"tenant": "tenant.id"}, aliases={"org": "tenant.id"})
    call = {**CALL, "org": "south"}
    del call["tenant.id"]
    assert rows(decode(call, given_settings=given_settings).tables[0])[0]["tenant"] == "south"
