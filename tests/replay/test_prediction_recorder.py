"""A recording of topics of predictions replays to what a run has read from the topics.

Method: messages are sent to the mock cluster and recorded. A reader of the log in memory and one of
the recording must give the same documents and the same late rows.
"""

import json
from math import isnan

import numpy as np
import pytest
from confluent_kafka import Producer

from engine.codecs.samples import Limits
from engine.config.connections import RecordingSource, Source
from engine.config.load import parse_config
from engine.errors import UsageError
from engine.pipeline.document_sources import document_codec
from engine.replay.recorder import record
from engine.sources.documents import batch_of
from engine.sources.intake import DeadLetterRate, Intake
from engine.sources.journal import Journal
from engine.sources.partition_clock import PartitionClock
from engine.sources.prediction_files import open_predictions, recording_kind
from engine.sources.reader import Epochs
from engine.sources.recording import RecordingReader
from engine.sources.sieve import Sieve
from engine.sources.skew import Skew
from engine.telemetry import Telemetry

BASE_MS = 1_760_000_000_000
SECOND_NS = 10**9


def config(folder, brokers, *, kind="predictions", more=""):
    kafka = f'kafka: {{brokers: "{brokers}", topic: t, start: earliest{more}}}'
    text = f"sources: [{{kind: {kind}, {kafka}}}]\nstate: {{dir: {folder / 'state'}}}"
    return parse_config(text, file="c.yaml", environment={}, folder=folder)


def send(brokers, messages):
    """Send (payload, headers) to one partition; records are stamped with the base time."""
    producer = Producer({"bootstrap.servers": brokers})
    for body, headers in messages:
        producer.produce("t", body, headers=headers, partition=0, timestamp=BASE_MS)
    assert producer.flush(30) == 0


def prediction(number, at_s=None, **features):
    return {
        "ts": BASE_MS + 1000 * (number if at_s is None else at_s),
        "model": "m",
        "version": "7",
        "prediction_id": f"p{number}",
        "features": {"age": number, "zone": f"z{number % 3}", **features},
        "prediction": "yes" if number % 2 else "no",
        "score": 0.5,
        "tags": {"env": "prod"},
    }


def label(number, at_s, value="yes"):
    row = {"model": "m", "prediction_id": f"p{number}", "label": value}
    return {"ts": BASE_MS + 1000 * at_s, **row}


MESSAGES = [
    [prediction(1), prediction(0)],
    prediction(2, comment="long text " * 30, vector=[0.5, 1.5]),
    b"junk",
    [label(1, 20), prediction(9), prediction(10)],  # the label comes last by time
    prediction(3),  # late
    prediction(4, at_s=70),  # a wild clock
    {**prediction(21), "ts": "2025-10-09T08:53:41.0000005Z"},
    prediction(22, age="old"),
]


def rows_of(batches):
    """List what documents say, as text, since a missing number is NaN."""
    found = []
    for batch in batches:
        for table in (*batch.tables, *batch.labels):
            columns = {"label": table.label} if table.label else {}
            columns |= getattr(table, "features", {}) | getattr(table, "tags", {})
            for row, (identity, ts) in enumerate(zip(table.ids, table.ts.tolist(), strict=True)):
                values = {name: value_of(column, row) for name, column in columns.items()}
                held = {name: value for name, value in sorted(values.items()) if value is not None}
                found.append(repr((identity, ts, held)))
    return sorted(found)


def value_of(column, row):
    if column.rows is not None:
        return column.values[column.rows == row].tolist() or None
    value = column.values[row].item()
    if column.kind == "categorical":
        return column.names[value] if value >= 0 else None
    return None if isnan(value) else value


def intake():
    return Intake(
        PartitionClock(5 * SECOND_NS),
        max_ahead_ns=60 * SECOND_NS,
        detectors_of=lambda _: 0,
        rate=DeadLetterRate(1000),
    )


def replayed(folder):
    """Play the only file; gives its documents, and how many dead letters there are by reason."""
    recording = RecordingSource(path=str(folder))
    (file,) = open_predictions(folder, recording, Limits())
    reader = RecordingReader(
        file,
        0,
        sieve=Sieve(Source(recording=recording, kind="predictions"), entries_max=1),
        intake=intake(),
        skew=Skew(10**6 * SECOND_NS, buffered_rows_max=10**9),
        epochs=Epochs(None),
        rows=3,
        stopping=lambda: False,
        resume=None,
        progress=lambda _: None,
        telemetry=Telemetry("test"),
    )
    documents, letters = [], []
    for _ in range(100):
        polled = reader.poll()
        documents += [polled.batch.documents] if polled.batch.documents else []
        letters += [str(letter.reason) for letter in polled.dead_letters]
        if polled.batch.progress.ended:
            break
    return documents, sorted(letters), reader.intake.clock.newest


def live(settings, records):
    """Decode a log as a run does; gives its documents."""
    (source,) = settings.sources
    codec = document_codec(settings, source, source.kafka)
    decoded = codec.decode([value for value, _ in records])
    taken = intake().take(decoded.columns, [], np.full(len(decoded.columns), BASE_MS * 10**6))
    return [batch_of(None, taken, decoded.documents).documents]


def test_a_recording_replays_to_what_a_run_reads(tmp_path, mock_cluster):
    records = [
        (body if isinstance(body, bytes) else json.dumps(body).encode(), None) for body in MESSAGES
    ]
    send(mock_cluster, records)
    settings = config(tmp_path, mock_cluster)
    summary = record(settings, tmp_path / "out", until_end=True)
    assert (summary.messages, summary.samples, summary.series) == (8, 9, 0)
    assert summary.rejected == {"bad_timestamp": 1, "decode_error": 1}
    assert recording_kind(tmp_path / "out") == "predictions"
    documents, letters, _ = replayed(tmp_path / "out")
    assert rows_of(documents) == rows_of(live(settings, records))
    # The late row, and the age that is no number.
    assert letters == ["late", "schema_error"]
    lines = (tmp_path / "out" / "t-0.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == prediction(0)


def test_events_are_recorded_as_what_they_say_together(tmp_path, mock_cluster):
    def half(kind, body):
        named = {
            "ce_type": f"org.kubeflow.serving.inference.{kind}",
            "ce_id": "a",
            "ce_inferenceservicename": "iris",
        }
        return json.dumps(body).encode(), [(k, v.encode()) for k, v in named.items()]

    halves = [
        half("request", {"instances": [[1.5, 2.5]]}),
        half("response", {"predictions": [1]}),
    ]
    send(mock_cluster, halves)
    record(
        config(tmp_path, mock_cluster, more=", format: cloudevents"),
        tmp_path / "out",
        until_end=True,
    )
    (line,) = (tmp_path / "out" / "t-0.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "ts": BASE_MS,
        "model": "iris",
        "prediction_id": "a#0",
        "features": {"x0": 1.5, "x1": 2.5},
        "prediction": 1,
    }


def test_the_runs_advances_are_lines_of_their_own(tmp_path, mock_cluster):
    send(mock_cluster, [(json.dumps(prediction(n)).encode(), None) for n in range(3)])
    (tmp_path / "state").mkdir()
    journal = Journal(tmp_path / "state" / "idle.jsonl")
    journal.write("t/0", 1, (BASE_MS + 30_000) * 10**6)
    journal.write("t/0", 3, (BASE_MS + 50_000) * 10**6)
    summary = record(config(tmp_path, mock_cluster), tmp_path / "out", until_end=True)
    assert (summary.samples, summary.advances) == (3, 2)
    documents, letters, newest = replayed(tmp_path / "out")
    assert [table.ids for batch in documents for table in batch.tables] == [["p0"]]
    assert letters == ["late", "late"]
    assert newest == (BASE_MS + 55_000) * 10**6


def test_a_folder_with_lines_is_not_written_again(tmp_path, mock_cluster):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "t-0.jsonl").write_text("{}")
    with pytest.raises(UsageError, match="holds a recording already"):
        record(config(tmp_path, mock_cluster), tmp_path / "out", until_end=True)
