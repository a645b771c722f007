"""LLM calls and evaluations as native lines, which must read back as the same rows.

Method: rows of any attributes that the settings name are written and read again by the native
codec; rows of all formats come from messages.
"""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_calls import CALL, SETTINGS
from naive_predictions import JSON, encoded

from engine.codecs.genai_calls import CATEGORIES, NUMBERS, CallRow, EvaluationRow, GenAIColumns
from engine.codecs.genai_json import NativeGenAICodec
from engine.codecs.genai_lines import row_line
from engine.codecs.genai_messages import OUTPUT_CHARACTERS, OUTPUT_MESSAGES, TOOL_CALLS
from engine.codecs.samples import RejectedError
from engine.codecs.timestamps import TIMESTAMP_NS_MAX

NAMES = SETTINGS.names()
NAME = "gen_ai.evaluation.name"
TAKEN = sorted({*NAMES.attributes.values()} - {OUTPUT_MESSAGES, NAME})
HAS_COLUMN = [*NUMBERS.values(), *CATEGORIES.values(), "gen_ai.response.id"]

VALUES = st.one_of(
    JSON.filter(lambda value: value is not None),
    st.text(max_size=5),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.lists(st.floats(allow_nan=False), max_size=3),
)
ATTRIBUTES = st.one_of(
    st.dictionaries(st.sampled_from(TAKEN), VALUES, min_size=1, max_size=6),
    st.dictionaries(st.sampled_from(HAS_COLUMN), VALUES | st.none(), min_size=1, max_size=3),
)
TIMES = st.integers(0, TIMESTAMP_NS_MAX)
SPANS = st.sampled_from(["", "00f067aa0ba902b7", "a b", "\u2028"])
DURATIONS = st.just(math.nan) | st.floats(0, allow_nan=False, allow_infinity=False)
CALLS = st.builds(CallRow, st.just(0), TIMES, DURATIONS, SPANS, ATTRIBUTES)
EVALUATIONS = st.builds(
    lambda ts, span, name, attributes: EvaluationRow(0, ts, span, {**attributes, NAME: name}),
    TIMES,
    SPANS,
    VALUES,
    ATTRIBUTES,
)


def read(payload):
    """Read a native message; gives its rows."""
    rows = NativeGenAICodec(GenAIColumns(), NAMES).read([payload])
    assert rows.rejects == []
    return [*rows.calls, *rows.evaluations]


def plain(row):
    """Give a row's fields, such that unknown durations are equal and 1 is not 1.0."""
    duration_s = repr(row.duration_s) if isinstance(row, CallRow) else None
    return type(row), row.ts, duration_s, row.span_id, json.dumps(row.attributes, sort_keys=True)


@given(CALLS | EVALUATIONS)
def test_a_line_reads_back_as_its_row(row):
    line = row_line(row)
    assert b"\n" not in line
    (found,) = read(line)
    assert plain(found) == plain(row)


def test_what_was_said_is_not_in_the_line():
    messages = [{"parts": [{"type": "text", "content": "secret"}, {"type": "tool_call"}]}]
    said = {OUTPUT_MESSAGES: messages, "gen_ai.input.messages": messages, "prompt": "secret"}
    (row,) = read(encoded({"ts": CALL["ts"], "request_model": "m", **said}))
    line = row_line(row)
    assert b"secret" not in line
    assert json.loads(line) == {
        "ts": "2025-10-09T08:53:20Z",
        "gen_ai.request.model": "m",
        OUTPUT_CHARACTERS: len("secret"),
        TOOL_CALLS: 1,
    }


def test_nan_is_null():
    row = CallRow(0, 1, 1.5, "", {"my.vector": [0.5, math.nan], "gen_ai.usage.input_tokens": 1})
    (found,) = read(row_line(row))
    assert found.attributes["my.vector"] == [0.5, None]


def test_a_call_with_the_name_of_an_evaluation_stays_a_call():
    row = CallRow(0, 1, 1.5, "s", {NAME: "polite", "gen_ai.request.model": "m"})
    assert read(row_line(row)) == [CallRow(0, 1, 1.5, "s", {"gen_ai.request.model": "m"})]


def test_an_evaluation_without_name_is_refused():
    with pytest.raises(RejectedError, match="no name"):
        row_line(EvaluationRow(0, 1, "s", {"gen_ai.evaluation.score.value": 1}))
