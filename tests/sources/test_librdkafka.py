"""Records straight from librdkafka's memory are those that confluent-kafka gives.

Method: both clients read the same partitions of the mock cluster.
"""

import time

import pytest
from confluent_kafka import KafkaError as Code
from confluent_kafka import Producer

from engine.config.connections import KafkaSource
from engine.errors import SourceError
from engine.sources.confluent_client import ConfluentClient
from engine.sources.kafka_client import consumer_settings, open_client
from engine.sources.librdkafka import NativeClient, library
from engine.sources.records import joined_records

PATIENCE_S = 20
ROWS = [
    (b"k", b"value"),
    (None, b""),
    (b"", b"x" * 3000),
    (b"key \0 with all", None),
    *((None, b"%d" % number) for number in range(500)),
]


HEADERS = [
    [("ce_id", b"1"), ("ce_id", b""), ("none", None), ("bytes", b"\0\xff")],
    [],
    [("long", b"x" * 3000)],
]


def native(*place, **options):
    functions = library()
    assert functions is not None, "confluent-kafka's wheel for this platform has librdkafka inside"
    return NativeClient(functions, *place, **options)


CLIENTS = pytest.mark.parametrize("client_of", [native, ConfluentClient])


@pytest.fixture
def topic(mock_cluster):
    producer = Producer({"bootstrap.servers": mock_cluster})
    for number, (key, value) in enumerate(ROWS):
        producer.produce("t", value, key=key, partition=1, timestamp=1_000_000 + number)
    assert producer.flush(30) == 0
    return KafkaSource(brokers=mock_cluster, topic="t")


def read_to_end(client, count):
    """Fetch until the end is told; gives rows and whether an error came."""
    parts, errors = [], []
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        fetched = client.fetch(count)
        errors += fetched.errors
        if fetched.records is not None:
            assert len(fetched.records) <= count
            parts.append(fetched.records)
        if fetched.at_end or errors:
            break
        time.sleep(0.01)
    return joined_records(parts) if parts else None, errors


@CLIENTS
@pytest.mark.parametrize("count", [7, 10_000])
def test_all_of_a_record_comes_through(client_of, count, topic):
    client = client_of(consumer_settings(topic), "t", 1, 0)
    records, errors = read_to_end(client, count)
    assert errors == []
    assert [(records.key(row), records.values[row]) for row in range(len(ROWS))] == [
        (key, value or b"") for key, value in ROWS
    ]
    assert records.offset.tolist() == list(range(len(ROWS)))
    assert records.timestamp_ms.tolist() == [1_000_000 + number for number in range(len(ROWS))]
    assert client.high() == len(ROWS)
    client.close()


@CLIENTS
@pytest.mark.parametrize("count", [2, 100])
def test_headers_come_through_where_they_are_asked_for(client_of, count, mock_cluster):
    producer = Producer({"bootstrap.servers": mock_cluster})
    for headers in HEADERS:
        producer.produce("h", b"value", headers=headers or None, partition=0)
    assert producer.flush(30) == 0
    settings = consumer_settings(KafkaSource(brokers=mock_cluster, topic="h"))
    client = client_of(settings, "h", 0, 0, headers=True)
    records, errors = read_to_end(client, count)
    assert errors == []
    assert [list(headers) for headers in records.headers] == HEADERS
    assert list(records.values) == [b"value"] * len(HEADERS)
    client.close()
    client = client_of(settings, "h", 0, 0)
    assert read_to_end(client, count)[0].headers is None
    client.close()


@CLIENTS
def test_reading_begins_at_the_offset_and_the_end_is_told(client_of, topic):
    client = client_of(consumer_settings(topic), "t", 1, 500)
    records, errors = read_to_end(client, 100)
    assert (records.offset.tolist(), errors) == ([500, 501, 502, 503], [])
    producer = Producer({"bootstrap.servers": topic.brokers})
    producer.produce("t", b"more", partition=1)
    assert producer.flush(30) == 0
    records, errors = read_to_end(client, 100)
    assert (list(records.values), errors) == ([b"more"], [])
    client.close()


@CLIENTS
def test_an_offset_that_is_gone_is_told(client_of, topic):
    client = client_of(consumer_settings(topic), "t", 1, 10_000)
    _, errors = read_to_end(client, 100)
    assert [error.code for error in errors] == [Code._AUTO_OFFSET_RESET]
    client.close()


@CLIENTS
def test_offsets_are_committed(client_of, topic):
    client = client_of(consumer_settings(topic), "t", 1, 0)
    assert client.commit(3, wait=True)
    client.close()


def test_closed_clients_know_nothing_more(topic):
    client = native(consumer_settings(topic), "t", 1, 0)
    client.close()
    assert client.high() < 0
    client.close()


def test_a_setting_that_librdkafka_refuses_is_named(topic):
    with pytest.raises(SourceError, match=r"no\.such\.setting"):
        native({**consumer_settings(topic), "no.such.setting": 1}, "t", 1, 0)


def test_the_fast_client_is_taken_where_it_is_there(topic, monkeypatch):
    client = open_client(topic, 1, 0)
    assert isinstance(client, NativeClient)
    client.close()
    monkeypatch.setattr("engine.sources.kafka_client.library", lambda: None)
    client = open_client(topic, 1, 0)
    assert isinstance(client, ConfluentClient)
    client.close()
