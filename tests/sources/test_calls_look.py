"""Calls are read with tags and evaluators that nobody has configured."""

import pytest
from made_documents import call, evaluation, record

from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.recognise import DocumentFormat
from engine.codecs.samples import Limits
from engine.sources.calls_look import CallsLook, tags_of_calls

NATIVE = DocumentFormat("llm", "json")


def payloads(*rows):
    return [record(row).payload for row in rows]


def tags(rows):
    return tags_of_calls(payloads(*rows), Limits())


def test_evaluators_are_taken_as_they_are_met():
    look = CallsLook("support", PredictionTables(), NATIVE)
    first = look.decode(payloads(call(0), evaluation(0, "polite")))
    second = look.decode(payloads(evaluation(0, "faithful"), evaluation(0, "polite")))
    assert look.evaluators == ["polite", "faithful"]
    found = [(table.evaluator, len(table)) for table in (*first.labels, *second.labels)]
    assert sorted(found) == [("faithful", 1), ("polite", 1), ("polite", 1)]
    assert first.rejects == second.rejects == []


def test_evaluators_are_bounded():
    look = CallsLook("support", PredictionTables(), NATIVE)
    batch = look.decode(payloads(*(evaluation(0, f"e{number}") for number in range(60))))
    assert len(look.evaluators) == len(batch.labels) == 50
    assert len(batch.rejects) == 10


def test_a_new_evaluator_does_not_make_it_forget_which_model_answers():
    look = CallsLook("support", PredictionTables(), NATIVE)
    look.decode(payloads(call(0)))
    failed = call(1)
    del failed["response_model"]
    (table,) = look.decode(payloads(evaluation(0), failed)).tables
    assert table.version == "large-1"


def test_calls_without_any_mark_are_named():
    look = CallsLook("support", PredictionTables(), NATIVE)
    plain = {"ts": call(0)["ts"], "score": 0.5}
    look.decode(payloads(call(0), plain, evaluation(0)))
    assert look.unmarked == {1}


def test_keys_with_few_short_values_may_be_tags():
    rows = [call(number, route="/a", user=f"u{number}") for number in range(12)]
    assert tags(rows) == ["tenant.id", "route"]


@pytest.mark.parametrize(
    "value", ["x" * 65, "", 3, True, None, ["a"]], ids=["long", "empty", "n", "b", "null", "list"]
)
def test_what_is_no_short_text_is_no_tag(value):
    assert tags([call(number, other=value) for number in range(12)]) == ["tenant.id"]


def test_what_comes_once_is_no_tag():
    assert tags([call(0)]) == []
    assert tags_of_calls([b"junk", b"[1]", b""], Limits()) == []
