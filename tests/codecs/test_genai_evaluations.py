"""Evaluations of answers as late labels.

Aim: an evaluation bears the key of its call, whichever comes first and whatever it names of it.
"""

import json

import pytest
from made_calls import CALL, EVALUATION, codec, decode, labels, span_call
from test_genai_otlp import CALL as SPAN
from test_genai_otlp import put, traces

from engine.codecs.genai_otlp import EVALUATION as EVALUATION_EVENT
from engine.codecs.predictions import Kind


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({}, 0.25),
        ({"label": "pass"}, 0.25),
        ({"score": None, "label": "Passed"}, 1.0),
        ({"score": None, "label": "fail"}, 0.0),
        ({"score": None, "label": True}, 1.0),
        ({"score": True}, 1.0),
    ],
)
def test_an_evaluation_is_a_label_of_the_calls_key(change, value):
    batch = decode(CALL, EVALUATION | change)
    assert labels(batch) == [("faithful", "r1", int(batch.tables[0].key[0]), value)]
    assert batch.labels[0].ts.tolist() == [EVALUATION["ts"] * 1_000_000]
    assert batch.labels[0].label.kind is Kind.NUMERIC


def test_each_evaluator_has_its_own_table():
    polite = EVALUATION | {"evaluation": "polite", "score": 1}
    batch = decode([EVALUATION, polite, EVALUATION | {"response_id": "r2"}])
    assert [(t.evaluator, t.ids) for t in batch.labels] == [
        ("faithful", ["r1", "r2"]),
        ("polite", ["r1"]),
    ]


@pytest.mark.parametrize(
    ("change", "reason", "word"),
    [
        ({"evaluation": "toxic"}, "unsupported", "'toxic' is none of support's evaluators"),
        ({"score": None}, "bad_value", "missing"),
        ({"score": 10**400}, "bad_value", "score"),
        ({"score": None, "label": "meh"}, "bad_value", "'meh'"),
        ({"response_id": None}, "schema_error", "no response id and no span"),
    ],
)
def test_an_evaluation_that_can_not_be_used_is_a_dead_letter(change, reason, word):
    batch = decode(CALL, EVALUATION | change)
    (reject,) = batch.rejects
    assert (reject.message, reject.reason) == (1, reason)
    assert word in reject.detail
    assert json.loads(reject.row)["span_id"] == ""
    assert batch.labels == []


@pytest.mark.parametrize("response_id", ["r7", None])
def test_an_evaluation_may_name_only_the_span(response_id):
    evaluation = EVALUATION | {"response_id": None, "span_id": "s1"}
    batch = decode([evaluation, span_call(1, response_id)])  # the order in a message is no matter
    key = int(batch.tables[0].key[0])
    assert labels(batch) == [("faithful", response_id or "s1", key, 0.25)]
    assert batch.tables[0].ids == [response_id or "s1"]


def test_an_event_of_a_span_is_joined_with_its_call():
    data = traces(SPAN)
    span = data.resource_spans[0].scope_spans[0].spans[0]
    event = span.events.add(name=EVALUATION_EVENT, time_unix_nano=span.end_time_unix_nano)
    put(event.attributes, {"gen_ai.evaluation.name": "polite", "gen_ai.evaluation.score.value": 1})
    batch = codec("otlp_proto").decode([data.SerializeToString()])
    assert labels(batch) == [("polite", "r1", int(batch.tables[0].key[0]), 1.0)]


def test_without_its_call_an_evaluation_has_the_spans_id():
    evaluation = EVALUATION | {"response_id": None, "span_id": "s1"}
    assert [label[1] for label in labels(decode(evaluation, span_call(1, "r1")))] == ["s1"]


def test_spans_that_are_remembered_are_bounded():
    evaluations = [EVALUATION | {"response_id": None, "span_id": f"s{n}"} for n in range(5)]
    calls = [span_call(n, f"r{n}") for n in (0, 1, 2, 0, 3)]
    batch = decode(*calls, *evaluations)  # s1 is the one that was met the longest time ago
    assert [label[1] for label in labels(batch)] == ["r0", "s1", "r2", "r3", "s4"]
