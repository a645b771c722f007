"""A look at a topic tells predictions, labels and LLM calls from metrics.

Method: messages of each format go to the mock cluster, and all readers of metrics see them first.
"""

import json

import pytest
from confluent_kafka import Producer
from made_documents import (
    BASE_MS,
    SCHEMA_LINE,
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

from engine.config.connections import KafkaSource
from engine.config.durations import MINUTE_NS, SECOND_NS
from engine.sources.topic_summary import look_at_topic

NUMBERS = range(9)
MESSAGES = {
    "json": [prediction(number) for number in NUMBERS],
    "cloudevents": inferences(NUMBERS),
    "bentoml": [*(bento(number) for number in NUMBERS), SCHEMA_LINE],
    "flat": [flat(number) for number in NUMBERS],
    "otlp_proto": [spans_proto(number) for number in NUMBERS],
    "otlp_json": [spans_json(number) for number in NUMBERS],
}


def send(brokers, messages, partition=0):
    producer = Producer({"bootstrap.servers": brokers})
    for message in messages:
        one = message if isinstance(message, tuple) else record(message)
        options = {"partition": partition, "timestamp": BASE_MS, "headers": list(one.headers)}
        producer.produce("t", one.payload, key=b"k", **options)
    assert producer.flush(30) == 0


def look(brokers):
    settings = KafkaSource(brokers=brokers, topic="t")
    return look_at_topic(settings, max_ahead_ns=MINUTE_NS)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_format_is_recognised(mock_cluster, name):
    send(mock_cluster, MESSAGES[name])
    seen = look(mock_cluster)
    assert seen.format == seen.documents.form.format == name
    assert (seen.partitions, seen.messages, seen.keyed) == (4, len(MESSAGES[name]), True)
    assert (seen.samples, seen.metrics) == (0, ())
    assert sum(model.rows for model in seen.documents.summary.models) == len(NUMBERS)
    assert (seen.documents.summary.rejects, seen.documents.wild) == (0, 0)


def test_calls_with_evaluations_are_recognised(mock_cluster):
    send(mock_cluster, [row for number in NUMBERS for row in (call(number), evaluation(number))])
    assert look(mock_cluster).documents.form == ("llm", "json", "traces")


def test_log_records_are_recognised(mock_cluster):
    send(mock_cluster, [logs_proto(number) for number in NUMBERS])
    assert look(mock_cluster).documents.form == ("llm", "otlp_proto", "logs")


def test_labels_are_recognised(mock_cluster):
    send(mock_cluster, [label(number) for number in NUMBERS])
    assert look(mock_cluster).documents.summary.kind == "labels"


def test_disorder_is_that_of_each_partition(mock_cluster):
    send(mock_cluster, [prediction(number) for number in (0, 20, 5)])
    send(mock_cluster, [prediction(number) for number in (50, 49)], partition=2)
    assert look(mock_cluster).documents.summary.out_of_order_ns == {
        0: 15 * SECOND_NS,
        2: SECOND_NS,
    }


def test_records_say_which_clocks_are_wild(mock_cluster):
    send(mock_cluster, [prediction(number) for number in (0, 60, 61)])
    assert look(mock_cluster).documents.wild == 1


def test_metrics_stay_metrics(mock_cluster):
    row = {"ts": BASE_MS, "name": "cpu", "labels": {"host": "a"}, "value": 1}
    send(mock_cluster, [json.dumps(row).encode()] * 5)
    seen = look(mock_cluster)
    assert (seen.documents, seen.samples) == (None, 5)
