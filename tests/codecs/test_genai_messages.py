"""Sizes of answers: what is counted, and that nothing which is no message breaks it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import JSON
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from engine.codecs.genai_messages import json_messages, proto_messages, sizes_of

ANSWER = [
    {"role": "assistant", "parts": [{"type": "text", "content": "Grüße"}, {"type": "tool_call"}]},
    {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text"}]},
]


@pytest.mark.parametrize("form", [lambda messages: messages, json.dumps])
@pytest.mark.parametrize(
    ("messages", "sizes"),
    [
        (ANSWER, (5, 1)),
        (ANSWER * 3, (15, 3)),
        ([], None),
        ([{"role": "assistant", "content": "another form"}], None),
        ([{"parts": [{"type": "text", "content": ""}]}], (0, 0)),
        ([{"parts": [5, {"type": ["text"]}, {"type": "text", "content": 5}]}], (0, 0)),
        ({"parts": []}, None),
        ("no messages", None),
        (7, None),
        (None, None),
    ],
)
def test_texts_and_tool_calls_are_counted(messages, sizes, form):
    assert sizes_of(form(messages)) == sizes


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(JSON, st.text(), st.lists(st.fixed_dictionaries({"parts": JSON}))))
def test_nothing_breaks_it(value):
    sizes = sizes_of(value)
    assert sizes is None or min(sizes) >= 0


def otlp(value):
    """Make an attribute's value, as protobuf and as OTLP's JSON."""
    held = AnyValue()
    if isinstance(value, list):
        held.array_value.SetInParent()
        parts = [otlp(part) for part in value]
        held.array_value.values.extend(part for part, _ in parts)
        return held, {"arrayValue": {"values": [part for _, part in parts]}}
    if isinstance(value, dict):
        held.kvlist_value.SetInParent()
        plain = []
        for key, part in value.items():
            proto, text = otlp(part)
            held.kvlist_value.values.add(key=key).value.CopyFrom(proto)
            plain.append({"key": key, "value": text})
        return held, {"kvlistValue": {"values": plain}}
    held.string_value = value
    return held, {"stringValue": value}


def test_structured_attributes_are_the_same_messages():
    proto, plain = otlp(ANSWER)
    assert proto_messages(proto) == json_messages(plain) == ANSWER


def test_what_is_nested_too_deeply_is_cut():
    deep = "x"
    for _ in range(50):
        deep = [deep]
    proto, plain = otlp(deep)
    assert proto_messages(proto) == json_messages(plain)
    assert "x" not in repr(proto_messages(proto))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.recursive(
        JSON,
        lambda inner: st.dictionaries(
            st.sampled_from(
                ["arrayValue", "kvlistValue", "kvlist_value", "values", "key", "value"]
            ),
            st.one_of(inner, st.lists(inner)),
        ),
    )
)
def test_no_json_breaks_the_reader(value):
    messages = json_messages(value)
    assert messages is None or not isinstance(messages, float)
