"""Predictions and labels through a source: checked as samples are, and resumed anywhere.

Method: readers run over logs in memory. Whatever the batches, the same documents and dead letters
come out; a reader that goes on from any snapshot continues as if nothing had happened.
"""

import json
import time

import pytest
from confluent_kafka import Producer
from document_readers import every_epoch, kafka_reader, poll_to_end, topic_reader

from engine.codecs.native_json import NativeJsonCodec
from engine.codecs.prediction_formats import make_prediction_codec, make_tables
from engine.codecs.samples import Limits
from engine.config.connections import KafkaSource
from engine.config.prediction_fields import PredictionFields

T0_MS = 1_760_000_000_000


def codec_of(message_format="json", **fields):
    settings = KafkaSource(
        brokers="none", topic="t", format=message_format, predictions=PredictionFields(**fields)
    )
    tables = make_tables(Limits())
    return make_prediction_codec(settings, tables, limits=Limits(), lateness_ns=5 * 10**9)


def record(row, stamp_ms=None, headers=()):
    at = row["ts"] if stamp_ms is None else stamp_ms
    return json.dumps(row).encode(), headers, at


def prediction(number, at_s=None, **more):
    return {
        "ts": T0_MS + 1000 * (number if at_s is None else at_s),
        "model": "mn"[number % 2],
        "prediction_id": f"p{number}",
        "features": {"age": number, "zone": f"zone {number % 5}"},
        "prediction": number % 2,
        **more,
    }


def label(number, at_s):
    return {
        "ts": T0_MS + 1000 * at_s,
        "model": "mn"[number % 2],
        "prediction_id": f"p{number}",
        "label": 1,
    }


LOG = [
    *(record(prediction(number)) for number in range(12)),
    record(label(3, 12)),
    record(label(4, 2)),  # late
    record(prediction(13, at_s=500), T0_MS + 12_000),  # a wild clock
    (b"{", (), T0_MS + 13_000),
    record(prediction(14, features={"age": "old", "zone": "zone 9"})),
    *(record(prediction(number)) for number in range(15, 20)),
]


def told(documents):
    """List what documents say, by model, as if all had come in one batch."""
    found = {}
    for batch in documents:
        for table in batch.tables:
            zones = table.features["zone"]
            names = [zones.names[code] for code in zones.values.tolist()]
            rows = zip(table.ids, table.ts.tolist(), zones.values.tolist(), names, strict=True)
            found.setdefault((table.model, "predictions"), []).extend(rows)
        for table in batch.labels:
            rows = zip(table.ids, table.ts.tolist(), table.label.values.tolist(), strict=True)
            found.setdefault((table.model, "labels"), []).extend(rows)
    return found


def letters_of(letters):
    return sorted((item.offset, str(item.reason), item.value, item.key) for item in letters)


def test_late_wild_and_broken_documents_are_dead_letters():
    documents, letters = poll_to_end(kafka_reader(LOG, codec_of()))
    ids = [row[0] for rows in told(documents).values() for row in rows]
    assert sorted(ids) == sorted(
        [f"p{number}" for number in [*range(12), 14, *range(15, 20)]] + ["p3"]
    )
    assert [(offset, reason) for offset, reason, _, _ in letters_of(letters)] == [
        (13, "late"),
        (14, "bad_timestamp"),
        (15, "decode_error"),
        (16, "schema_error"),
    ]
    by_offset = {item.offset: item.value for item in letters}
    assert json.loads(by_offset[13]) == label(4, 2)
    assert json.loads(by_offset[14]) == prediction(13, at_s=500)
    assert by_offset[15] == b"{"
    refused = [item for batch in documents for item in batch.refused.items()]
    assert refused == [(("m", "age", "schema_error"), 1)]


def test_series_shards_get_progress_alone():
    reader = kafka_reader(LOG, codec_of())
    batch = None
    while batch is None or not batch.documents:
        batch = reader.poll().batch
    assert (len(batch.columns), batch.definitions, batch.population) == (0, [], [])
    assert batch.progress.newest == (T0_MS + 19_000) * 10**6
    assert batch.progress.claim == (T0_MS + 14_000) * 10**6
    reader.close()


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_batches_change_nothing(rows):
    whole = poll_to_end(kafka_reader(LOG, codec_of()))
    cut = poll_to_end(kafka_reader(LOG, codec_of(), rows=rows))
    assert told(cut[0]) == told(whole[0])
    assert letters_of(cut[1]) == letters_of(whole[1])


@pytest.mark.parametrize("polls", range(12))
def test_a_reader_goes_on_from_any_snapshot(polls):
    whole = poll_to_end(kafka_reader(LOG, codec_of(), rows=3))
    first = kafka_reader(LOG, codec_of(), rows=3, plan=every_epoch())
    documents, letters = [], []
    for _ in range(polls):
        polled = first.poll()
        letters += polled.dead_letters
        documents += [polled.batch.documents] if polled.batch and polled.batch.documents else []
    # What was fetched and not yet taken over is read again.
    _, _, position = first.snapshot()["checkpoints"][-1]
    second = kafka_reader(LOG, codec_of(), rows=3, plan=every_epoch(2), begin=position)
    more = poll_to_end(second) if second.lag() else ([], [])
    assert told([*documents, *more[0]]) == told(whole[0])
    assert letters_of(letters + more[1]) == letters_of(whole[1])


def event(kind, identity, second, body):
    named = {
        "ce_type": f"org.kubeflow.serving.inference.{kind}",
        "ce_id": identity,
        "ce_inferenceservicename": "iris",
        "content-type": "application/json",
    }
    headers = [(name, value.encode()) for name, value in named.items()]
    # These events have no time of their own but the record's.
    return json.dumps(body).encode(), headers, T0_MS + 1000 * second


EVENTS = [
    half
    for number in range(8)
    for half in (
        event("request", str(number), number, {"instances": [[number]]}),
        event("response", str(number - 1), number, {"predictions": [number % 2]}),
    )
]


@pytest.mark.parametrize("polls", [0, 1, 2, 3, 5, 8])
def test_requests_that_wait_are_in_a_snapshot(polls):
    def joined(documents):
        return {
            identity: (ts, float(age), prediction)
            for batch in documents
            for table in batch.tables
            for identity, ts, age, prediction in zip(
                table.ids,
                table.ts.tolist(),
                table.features["x0"].values if table.features else [-1.0] * len(table),
                table.prediction.values.tolist(),
                strict=True,
            )
        }

    whole = joined(poll_to_end(kafka_reader(EVENTS, codec_of("cloudevents")))[0])
    assert whole["3#0"] == ((T0_MS + 3000) * 10**6, 3.0, 0.0)
    first = kafka_reader(EVENTS, codec_of("cloudevents"), rows=3, plan=every_epoch())
    documents = []
    for _ in range(polls):
        batch = first.poll().batch
        documents += [batch.documents] if batch and batch.documents else []
    _, _, position = first.snapshot()["checkpoints"][-1]
    second = kafka_reader(EVENTS, codec_of("cloudevents"), rows=2, begin=position)
    documents += poll_to_end(second)[0] if second.lag() else []
    found = joined(documents)
    # As text, since a prediction that is missing is NaN.
    assert sorted(map(repr, found.items())) == sorted(map(repr, whole.items()))


def test_samples_have_no_codec_state():
    row = {"ts": T0_MS, "name": "a", "value": 1}
    reader = kafka_reader([record(row)], NativeJsonCodec(limits=Limits()), plan=every_epoch())
    poll_to_end(reader)
    _, _, position = reader.snapshot()["checkpoints"][-1]
    assert "codec" not in position


def test_headers_come_from_the_broker(mock_cluster):
    producer = Producer({"bootstrap.servers": mock_cluster})
    for value, headers, stamp in EVENTS:
        producer.produce("events", value, headers=headers, timestamp=stamp, partition=0)
    assert producer.flush(30) == 0
    settings = KafkaSource(brokers=mock_cluster, topic="events", format="cloudevents")
    reader = topic_reader(settings, codec_of("cloudevents"))
    found = {}
    until_s = time.monotonic() + 20
    while len(found) < 7 and time.monotonic() < until_s:
        batch = reader.poll().batch
        for table in batch.documents.tables if batch and batch.documents else ():
            found.update(zip(table.ids, table.ts.tolist(), strict=True))
    reader.close()
    assert found["3#0"] == (T0_MS + 3000) * 10**6
    assert {f"{number}#0" for number in range(7)} <= found.keys()
