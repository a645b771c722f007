"""Native rows of LLM calls and evaluations."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import JSON, TS_MS, VALUES, encoded

from engine.codecs.genai_calls import GenAIColumns
from engine.codecs.genai_json import NativeGenAICodec
from engine.codecs.genai_names import GenAINames

CALL = {
    "ts": TS_MS,
    "duration_s": 1.5,
    "request_model": "m-1",
    "input_tokens": 900,
    "gen_ai.usage.completion_tokens": 120,
    "finish_reasons": ["stop", "length"],
    "response_id": "r1",
    "tenant": "acme",
    "prompt": "secret",
}
EVALUATION = {"ts": TS_MS + 9, "evaluation": "toxic", "score": 0.25, "response_id": "r1"}


def decode(*documents):
    columns = GenAIColumns(segments={"tenant": "tenant"})
    codec = NativeGenAICodec(columns, GenAINames.of(extra=("tenant",)))
    return codec.decode([encoded(document) for document in documents])


def test_calls_and_evaluations():
    batch = decode([CALL, EVALUATION])
    calls, evaluations = batch.calls, batch.evaluations
    assert (calls.duration_s.tolist(), calls.ts.tolist()) == ([1.5], [TS_MS * 1_000_000])
    assert calls.numbers["input_tokens"].tolist() == [900]
    assert calls.numbers["output_tokens"].tolist() == [120]
    names = {name: column.names for name, column in calls.categories.items() if column.names}
    assert names == {
        "request_model": ("m-1",),
        "finish_reasons": ("length,stop",),
        "tenant": ("acme",),
    }
    assert evaluations.name.names == ("toxic",)
    assert evaluations.score.tolist() == [0.25]
    assert evaluations.response_key == calls.response_key
    assert "secret" not in repr(batch)
    assert batch.rejects == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ts": "now"}, "bad_timestamp"),
        ({"duration_s": -1}, "bad_value"),
        ({"duration_s": "long"}, "bad_value"),
        ({"duration_s": 10**400}, "bad_value"),
        ({"span_id": []}, "schema_error"),
    ],
)
def test_a_bad_row_is_a_dead_letter(change, reason):
    batch = decode([CALL | change, CALL])
    (reject,) = batch.rejects
    assert reject.reason == reason
    assert json.loads(reject.row) == CALL | change
    assert len(batch.calls) == 1


@pytest.mark.parametrize("row", [5, {}, {"ts": 1, "x": 2}])
def test_a_row_that_says_nothing_is_a_dead_letter(row):
    assert len(decode([row]).rejects) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            JSON,
            st.dictionaries(st.sampled_from([*CALL, *EVALUATION]), VALUES).map(lambda r: CALL | r),
        ),
        max_size=4,
    )
)
def test_whatever_arrives_is_read_or_rejected(documents):
    batch = decode(*documents)
    told = {r.message for r in batch.rejects}
    told |= {*batch.calls.message.tolist(), *batch.evaluations.message.tolist()}
    assert told >= {index for index, document in enumerate(documents) if document != []}
