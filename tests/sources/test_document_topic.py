"""Messages of predictions, labels and LLM calls are told apart, and their models named.

Method: made messages in every format, as records of a topic, without Kafka.
"""

import pytest
from made_documents import (
    BASE_MS,
    BASE_S,
    SCHEMA_LINE,
    SECOND_NS,
    bento,
    call,
    evaluation,
    flat,
    inferences,
    label,
    logs_proto,
    prediction,
    record,
    spans_json,
    spans_proto,
)

from engine.codecs.predictions import Kind
from engine.config.connections import FORMATS_OF_KIND
from engine.config.durations import MINUTE_NS
from engine.config.prediction_fields import FIELDS_OF_FORMAT
from engine.sources.document_topic import look_at_records

NUMBERS = range(12)


def look(*partitions, topic="topic", **options):
    records = {
        number: [one if isinstance(one, tuple) else record(one) for one in some]
        for number, some in enumerate(partitions)
    }
    every = [one for some in records.values() for one in some]
    options = {"max_ahead_ns": MINUTE_NS, **options}
    return look_at_records(records, every, topic=topic, **options)


def test_predictions_are_told_with_their_models():
    seen = look([prediction(number) for number in NUMBERS])
    assert seen.form == ("predictions", "json", "traces")
    assert seen.summary.kind == "predictions"
    (model,) = seen.summary.models
    assert (model.name, model.versions, model.tags) == ("credit", {"7": 8, "8": 4}, ("region",))
    kinds = {"age": Kind.NUMERIC, "home": Kind.CATEGORICAL, "new": Kind.BOOLEAN}
    assert model.features == kinds
    assert model.categories == {"region": 3, "home": 2}
    assert (model.rows, model.ids, model.predictions, model.scores) == (12, 12, 12, 12)
    assert (model.labels, model.late_labels, model.evaluators) == (0, 0, ())
    assert (seen.summary.rows, seen.summary.rejects, seen.wild) == (12, 0, 0)
    assert seen.summary.first_ts == BASE_S * SECOND_NS
    assert seen.summary.last_ts == (BASE_S + 11) * SECOND_NS


def test_what_rows_leave_out_is_counted():
    rows = [prediction(number) for number in NUMBERS]
    for row in rows[:5]:
        del row["score"], row["prediction_id"]
        row["label"] = 1
    (model,) = look(rows).summary.models
    assert (model.ids, model.scores, model.labels) == (7, 7, 5)


def test_labels_alone_are_labels_and_with_predictions_are_not():
    seen = look([label(number) for number in NUMBERS])
    assert (seen.form.kind, seen.summary.kind) == ("predictions", "labels")
    (model,) = seen.summary.models
    assert (model.late_labels, model.versions) == (12, {})
    both = look([row for number in NUMBERS for row in (prediction(number), label(number))])
    assert both.summary.kind == "predictions"
    assert both.summary.rows == 24


def test_disorder_is_that_of_each_partition():
    first = [prediction(number) for number in (0, 20, 5, 12)]
    second = [prediction(number) for number in (50, 49)]
    assert look(first, second).summary.out_of_order_ns == {0: 15 * SECOND_NS, 1: SECOND_NS}


def test_wild_clocks_are_counted_and_disturb_nothing():
    ats = (0, 30, 31, 10_000, 29)
    seen = look([record(prediction(at), at_s=0) for at in ats])
    assert seen.wild == 1
    assert seen.summary.rows == 4
    assert seen.summary.out_of_order_ns == {0: 2 * SECOND_NS}


def test_unusable_messages_are_counted_with_the_first_reason():
    rows = [prediction(number) for number in NUMBERS]
    seen = look([*rows[:3], b"junk", {**rows[3], "ts": "yesterday"}, *rows[4:]])
    assert seen.summary.rejects == 2
    assert "JSON" in seen.summary.first_reject
    assert seen.summary.rows == 11


def test_most_messages_decide():
    rows = [prediction(number) for number in range(3)]
    assert look([*rows, b"a", b"b"]) is not None
    assert look([*rows, b"a", b"b", b"c"]) is None


@pytest.mark.parametrize(
    "message",
    [
        b"junk",
        b"\xff\x00\x01",
        b"",
        {"level": "info", "message": "started", "ts": BASE_MS},
        {"ts": BASE_MS, "score": 0.5},
        {"ts": BASE_MS, "features": {"a": 1}, "score": 0.5},
        {"timestamp": BASE_MS, "host": "a", "cpu": 0.5},
        {"ts": BASE_MS, "id": 3, "label": "a", "cpu": 0.5},
        {"ts": BASE_MS, "prediction": 1, "features": {"a": 1}},
        {"columns": [1], "timestamp": BASE_MS},
    ],
)
def test_other_messages_are_none_of_them(message):
    assert look([message] * 5) is None


def test_no_messages_are_none_of_them():
    assert look() is None
    assert look([]) is None


def test_cloud_events_are_joined_and_named():
    seen = look(inferences(NUMBERS))
    assert seen.form.format == "cloudevents"
    (model,) = seen.summary.models
    assert (model.name, model.rows, model.predictions) == ("iris", 12, 12)
    assert seen.fields.given() == set()
    assert seen.summary.out_of_order_ns == {0: 0}


def test_cloud_events_without_a_name_have_the_topics():
    seen = look(inferences(NUMBERS, service=""), topic="flowers")
    assert [model.name for model in seen.summary.models] == ["flowers"]
    assert seen.fields.given() == {"model_name"}
    assert seen.fields.model_name == "flowers"


def test_halves_that_still_wait_are_named_too():
    seen = look(inferences(NUMBERS)[::2])
    (model,) = seen.summary.models
    assert (model.rows, model.predictions, len(model.features)) == (12, 0, 2)
    assert seen.summary.out_of_order_ns == {0: 0}


def test_responses_that_come_late_are_disorder():
    events = inferences(NUMBERS)
    requests, responses = events[::2], events[1::2]
    assert look([*requests, *responses]).summary.out_of_order_ns == {0: 11 * SECOND_NS}


def test_the_schema_line_of_bentoml_is_found_wherever_it_is():
    rows = [bento(number) for number in NUMBERS]
    seen = look(rows[:6], [*rows[6:], SCHEMA_LINE])
    assert seen.form.format == "bentoml"
    assert seen.fields.given() == {"schema_line"}
    assert seen.fields.schema_line == SCHEMA_LINE
    (model,) = seen.summary.models
    assert (model.name, model.versions) == ("iris", {"v3": 12})
    assert seen.summary.rejects == 0
    assert look(rows) is None  # nothing says which column is what


def test_native_calls_are_told_with_tags_and_evaluators():
    rows = [row for number in NUMBERS for row in (call(number), evaluation(number))]
    seen = look([*rows, evaluation(0, "faithful")], topic="support")
    assert (seen.form, seen.summary.kind) == (("llm", "json", "traces"), "llm")
    assert (seen.model, seen.tags) == ("support", ("tenant.id",))
    (model,) = seen.summary.models
    assert model.versions == {"large-1": 12}
    assert model.tags == ("provider", "operation", "tenant.id")
    assert model.categories["tenant.id"] == 2
    assert (model.evaluators, model.late_labels) == (("faithful", "polite"), 13)
    assert seen.summary.rejects == 0


def test_evaluations_alone_are_of_llm_calls():
    seen = look([evaluation(number) for number in NUMBERS])
    assert (seen.form.kind, seen.form.format) == ("llm", "json")
    assert seen.summary.models[0].late_labels == 12


@pytest.mark.parametrize(
    ("write", "name"), [(spans_proto, "otlp_proto"), (spans_json, "otlp_json")]
)
def test_spans_of_calls_are_told_with_their_service(write, name):
    seen = look([write(number) for number in NUMBERS])
    assert seen.form == ("llm", name, "traces")
    assert seen.model == "shop"
    (model,) = seen.summary.models
    assert model.versions == {"large-1": 12}
    assert model.tags == ("operation", "service.name", "http.route")
    assert model.categories["http.route"] == 2


def test_log_records_of_evaluations_are_told():
    seen = look([logs_proto(number) for number in NUMBERS], topic="judged")
    assert seen.form == ("llm", "otlp_proto", "logs")
    assert (seen.model, seen.summary.models[0].evaluators) == ("judged", ("polite",))


def test_flat_rows_are_told_with_what_must_be_told():
    seen = look([flat(number) for number in NUMBERS], topic="credit")
    assert seen.form.format == "flat"
    assert seen.fields.given() == {"model_name"}
    (model,) = seen.summary.models
    assert (model.name, model.features) == ("credit", {"age": Kind.NUMERIC})
    named = look([flat(number, model="loans") for number in NUMBERS], topic="credit")
    assert (named.fields.given(), named.summary.models[0].name) == (set(), "loans")


def test_every_format_is_one_that_a_source_may_have():
    seen = [
        look([prediction(number) for number in NUMBERS]),
        look(inferences(NUMBERS)),
        look([SCHEMA_LINE, *(bento(number) for number in NUMBERS)]),
        look([flat(number) for number in NUMBERS]),
        look([call(number) for number in NUMBERS]),
        look([spans_proto(number) for number in NUMBERS]),
        look([spans_json(number) for number in NUMBERS]),
        look([logs_proto(number) for number in NUMBERS]),
    ]
    for one in seen:
        assert one.form.format in FORMATS_OF_KIND[one.summary.kind]
        if one.form.kind == "predictions":
            assert one.fields.given() <= FIELDS_OF_FORMAT[one.form.format]
