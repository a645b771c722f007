"""A recording holds what the topics' logs hold, in their order.

Method: messages are sent to the mock cluster, recorded, and read back as a replay would.
"""

import json

import polars as pl
import pytest
from confluent_kafka import Producer

from engine.config.load import parse_config
from engine.config.scalars import Start
from engine.errors import SourceError, UsageError
from engine.replay import recorder
from engine.replay.recorder import record
from engine.sources.journal import Journal
from engine.sources.recording_files import open_recording

BASE_MS = 1_760_000_000_000
NS_PER_MS = 1_000_000


def config(folder, brokers, *topics, start="earliest", more=""):
    sources = ", ".join(
        f'{{kafka: {{brokers: "{brokers}", topic: {topic}, start: {start}}}}}' for topic in topics
    )
    text = f"sources: [{sources}]\nstate: {{dir: {folder / 'state'}}}\n{more}"
    return parse_config(text, file="c.yaml", environment={}, folder=folder)


def row(at_ms, *, name="cpu", host="a", value=1.0):
    return {"ts": BASE_MS + at_ms, "name": name, "labels": {"host": host}, "value": value}


def send(brokers, topic, messages):
    """Send (partition, payload); records are stamped with the base time."""
    producer = Producer({"bootstrap.servers": brokers})
    for partition, payload in messages:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        producer.produce(topic, body, partition=partition, timestamp=BASE_MS)
    assert producer.flush(30) == 0


def read(folder):
    """Give (at_ms, host, value) of each row, by file; an advance has no host."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        rows = pl.read_parquet(path)
        found[path.stem] = [
            (
                row["ts"].timestamp() * 1000 - BASE_MS,
                json.loads(row["labels"])["host"] if row["labels"] else None,
                row["value"],
            )
            for row in rows.iter_rows(named=True)
        ]
    return found


def test_rows_are_in_the_order_of_each_log_and_late_ones_are_among_them(tmp_path, mock_cluster):
    sent = [(at % 2, row(at, value=at)) for at in (0, 1, 50_000, 50_001, 3, 2, 59_000)]
    send(mock_cluster, "t", [*sent, (0, [row(59_001, value=8), row(59_002, host="b", value=9)])])
    more = "time: {lateness: 5s}"
    summary = record(
        config(tmp_path, mock_cluster, "t", more=more), tmp_path / "out", until_end=True
    )
    assert read(tmp_path / "out") == {
        "t-0": [
            (0, "a", 0), (50_000, "a", 50_000), (2, "a", 2), (59_000, "a", 59_000),
            (59_001, "a", 8), (59_002, "b", 9),
        ],
        "t-1": [(1, "a", 1), (50_001, "a", 50_001), (3, "a", 3)],
    }  # fmt: skip
    assert (summary.partitions, summary.messages, summary.samples) == (4, 8, 9)
    assert (summary.series, summary.rejected, summary.at_end) == (2, {}, True)


def test_what_a_run_would_not_take_is_counted_and_left_out(tmp_path, mock_cluster):
    messages = [
        (0, row(0)),
        (0, b"junk"),
        (0, row(60_000, value=2)),
        (0, row(60_001, value=3)),
        (0, {"ts": BASE_MS, "value": 1}),
    ]
    send(mock_cluster, "t", messages)
    summary = record(config(tmp_path, mock_cluster, "t"), tmp_path / "out", until_end=True)
    assert read(tmp_path / "out") == {"t-0": [(0, "a", 1), (60_000, "a", 2)]}
    assert summary.rejected == {"bad_timestamp": 1, "decode_error": 1, "schema_error": 1}
    assert (summary.messages, summary.samples) == (5, 2)


def test_series_above_the_limit_are_left_out_and_counted(tmp_path, mock_cluster):
    hosts = ("a", "b", "c", "a", "b", "c")
    send(mock_cluster, "t", [(0, row(at, host=host)) for at, host in enumerate(hosts)])
    limited = config(tmp_path, mock_cluster, "t", more="limits: {series: 2}")
    summary = record(limited, tmp_path / "out", until_end=True)
    assert [host for _, host, _ in read(tmp_path / "out")["t-0"]] == ["a", "b", "a", "b"]
    assert (summary.series, summary.rejected) == (2, {"limit": 2})


def test_the_runs_advances_stand_before_their_offsets(tmp_path, mock_cluster):
    send(mock_cluster, "t", [(0, row(at)) for at in range(4)])
    (tmp_path / "state").mkdir()
    journal = Journal(tmp_path / "state" / "idle.jsonl")
    journal.write("t/0", 2, (BASE_MS + 500) * NS_PER_MS)
    journal.write("t/0", 4, (BASE_MS + 900) * NS_PER_MS)
    summary = record(config(tmp_path, mock_cluster, "t"), tmp_path / "out", until_end=True)
    assert [at for at, _, _ in read(tmp_path / "out")["t-0"]] == [0, 1, 500, 2, 3, 900]
    assert [host for _, host, _ in read(tmp_path / "out")["t-0"]].count(None) == 2
    assert (summary.samples, summary.advances) == (4, 2)


def test_it_reads_back_as_a_recording(tmp_path, mock_cluster):
    send(mock_cluster, "t", [(at % 4, row(at, host=f"h{at}")) for at in range(40)])
    record(config(tmp_path, mock_cluster, "t"), tmp_path / "out", until_end=True)
    partitions = open_recording(tmp_path / "out").partitions
    assert [one.key for one in partitions] == [f"t-{number}.parquet" for number in range(4)]
    series = {
        str(one) for part in partitions for block in part.blocks(100) for one in block.new_series
    }
    assert series == {f'cpu{{host="h{at}"}}' for at in range(40)}


def test_several_topics(tmp_path, mock_cluster):
    for topic in ("t", "u"):
        send(mock_cluster, topic, [(0, row(1, host=topic))])
    summary = record(config(tmp_path, mock_cluster, "t", "u"), tmp_path / "out", until_end=True)
    assert read(tmp_path / "out") == {"t-0": [(1, "t", 1)], "u-0": [(1, "u", 1)]}
    assert summary.partitions == 8


@pytest.mark.parametrize(("start", "rows"), [(None, 0), (Start("earliest"), 2)])
def test_the_start_is_the_sources_unless_another_is_given(tmp_path, mock_cluster, start, rows):
    send(mock_cluster, "t", [(0, row(1)), (0, row(2))])
    latest = config(tmp_path, mock_cluster, "t", start="latest")
    summary = record(latest, tmp_path / "out", start=start, until_end=True)
    assert summary.samples == rows


def test_it_ends_when_it_is_told_to(tmp_path, mock_cluster):
    send(mock_cluster, "t", [(0, row(1))])
    seen = []
    summary = record(
        config(tmp_path, mock_cluster, "t"),
        tmp_path / "out",
        stopping=lambda: sum(seen) > 0,
        on_progress=seen.append,
    )
    assert summary.samples == sum(seen) == 1


def test_it_ends_after_its_duration(tmp_path, mock_cluster):
    send(mock_cluster, "t", [(0, row(1))])
    summary = record(config(tmp_path, mock_cluster, "t"), tmp_path / "out", duration_ns=1)
    assert (summary.samples, summary.at_end) == (0, False)


def test_an_error_of_the_topic_leaves_what_was_read_before(tmp_path, mock_cluster, monkeypatch):
    send(mock_cluster, "t", [(0, row(1))])

    def fail_at_the_end(self):
        if all_read():
            raise SourceError("the topic is gone")
        return False

    seen = []
    all_read = lambda: sum(seen) == 1  # noqa: E731
    monkeypatch.setattr(recorder._Recorder, "at_end", property(fail_at_the_end))
    with pytest.raises(SourceError, match="the topic is gone"):
        record(
            config(tmp_path, mock_cluster, "t"),
            tmp_path / "out",
            until_end=True,
            on_progress=seen.append,
        )
    assert read(tmp_path / "out") == {"t-0": [(1, "a", 1)]}


def test_a_missing_topic_is_an_error(tmp_path, mock_cluster):
    send(mock_cluster, "t", [(0, row(1))])
    with pytest.raises(SourceError, match="there are: t"):
        record(config(tmp_path, mock_cluster, "u"), tmp_path / "out")


@pytest.mark.parametrize(("topics", "message"), [((), "no Kafka source"), (("t", "t"), "twice")])
def test_sources_that_can_not_be_recorded_are_refused(tmp_path, topics, message):
    with pytest.raises(UsageError, match=message):
        record(config(tmp_path, "nowhere:1", *topics), tmp_path / "out")


def test_a_folder_with_a_recording_is_refused(tmp_path, mock_cluster):
    send(mock_cluster, "t", [(0, row(1))])
    for _ in range(2):
        settings = config(tmp_path, mock_cluster, "t")
        if (tmp_path / "out").exists():
            with pytest.raises(UsageError, match="holds a recording already"):
                record(settings, tmp_path / "out", until_end=True)
        else:
            record(settings, tmp_path / "out", until_end=True)


@pytest.mark.kafka
def test_a_real_topic_is_recorded_to_its_end(tmp_path, kafka_brokers, kafka_topic):
    # The records' timestamps are old: the broker is to keep them all the same.
    topic = kafka_topic(partitions=3, config={"retention.ms": "-1"})
    send(kafka_brokers, topic, [(at % 2, row(at)) for at in range(10)])
    summary = record(config(tmp_path, kafka_brokers, topic), tmp_path / "out", until_end=True)
    found = read(tmp_path / "out")
    assert [at for at, _, _ in found[f"{topic}-0"]] == [0, 2, 4, 6, 8]
    assert [at for at, _, _ in found[f"{topic}-1"]] == [1, 3, 5, 7, 9]
    assert (summary.partitions, summary.samples, summary.at_end) == (3, 10, True)
