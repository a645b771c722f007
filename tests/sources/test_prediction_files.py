"""Recordings of predictions: tables and lines, in file order, resumed anywhere, never a crash."""

import datetime as dt
import json

import polars as pl
import pytest
from document_readers import every_epoch, file_reader, poll_to_end

from engine.codecs.predictions import Kind
from engine.codecs.samples import Limits
from engine.config.connections import RecordingSource, Source
from engine.errors import SourceError, UsageError
from engine.sources.prediction_files import open_predictions, recording_kind

T0_MS = 1_760_000_000_000


def at(second):
    return T0_MS + 1000 * second


def prediction(number):
    return {
        "ts": at(number),
        "model": "m",
        "version": "1",
        "prediction_id": f"p{number}",
        "feature.age": number + 0.5,
        "feature.zone": f"zone {number % 3}",
        "tag.env": "prod",
        "prediction": number % 2,
        "score": 0.25,
    }


ROWS = [
    *(prediction(number) for number in range(10)),
    {"ts": at(12), "model": "m", "prediction_id": "p3", "label": 1},
    {"ts": at(1), "model": "m", "prediction_id": "p4", "label": 1},  # late
    {"ts": at(13), "prediction_id": "p5", "label": 1},  # of no model
    *(prediction(number) for number in range(14, 17)),
]


def write(path, rows):
    frame = pl.DataFrame(rows, infer_schema_length=None)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".csv":
        frame.write_csv(path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return path


def open_one(path, declared=None, **settings):
    recording = RecordingSource(path=str(path), **settings)
    (file,) = open_predictions(path, recording, Limits(), declared)
    return file, Source(recording=recording, kind="predictions")


def reader_of(path, *, rows=1000, plan=None, begin=None, declared=None, **settings):
    file, source = open_one(path, declared, **settings)
    return file_reader(file, source, rows=rows, plan=plan, begin=begin)


def told(documents):
    """List what documents say: predictions with their features, and labels."""
    found = []
    for batch in documents:
        for table in batch.tables:
            zone, age = table.features["zone"], table.features["age"]
            found += [
                (table.model, table.version, identity, ts, zone.names[code], years, target)
                for identity, ts, code, years, target in zip(
                    table.ids,
                    table.ts.tolist(),
                    zone.values.tolist(),
                    age.values.tolist(),
                    table.prediction.values.tolist(),
                    strict=True,
                )
            ]
            assert {name: list(tag.names) for name, tag in table.tags.items()} == {"env": ["prod"]}
        for table in batch.labels:
            values = table.label.values.tolist()
            found += zip(table.ids, table.ts.tolist(), values, strict=True)
    return sorted(found, key=repr)


EXPECTED = sorted(
    [
        ("m", "1", f"p{n}", at(n) * 10**6, f"zone {n % 3}", n + 0.5, float(n % 2))
        for n in [*range(10), *range(14, 17)]
    ]
    + [("p3", at(12) * 10**6, 1.0)],
    key=repr,
)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("rows", [1, 4, 1000])
def test_rows_come_as_they_stand_in_the_file(tmp_path, suffix, rows):
    path = write(tmp_path / f"r.{suffix}", ROWS)
    documents, letters = poll_to_end(reader_of(path, rows=rows))
    assert told(documents) == EXPECTED
    found = sorted((item.offset, str(item.reason)) for item in letters)
    assert found == [(11, "late"), (12, "schema_error")]
    late = next(item for item in letters if item.offset == 11)
    assert json.loads(late.value) == ROWS[11]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize("polls", range(7))
def test_a_reading_goes_on_from_any_snapshot(tmp_path, suffix, polls):
    path = write(tmp_path / f"r.{suffix}", ROWS)
    first = reader_of(path, rows=3, plan=every_epoch())
    documents = []
    for _ in range(polls):
        batch = first.poll().batch
        documents += [batch.documents] if batch and batch.documents else []
    # The next block is decoded, but waits for another partition.
    first._block = first._next_block()
    _, _, position = first.snapshot()["checkpoints"][-1]
    second = reader_of(path, rows=4, plan=every_epoch(2), begin=position)
    more, _ = poll_to_end(second)
    assert told([*documents, *more]) == EXPECTED
    codes = [list(t.features["zone"].names) for batch in more for t in batch.tables]
    assert all(names == [f"zone {n}" for n in range(len(names))] for names in codes)


def test_a_row_with_nothing_but_a_time_advances_the_watermark(tmp_path):
    rows = [prediction(0), {"ts": at(60)}, prediction(50), {"ts": None}, prediction(70)]
    path = write(tmp_path / "r.parquet", rows)
    documents, letters = poll_to_end(reader_of(path))
    assert [row[2] for row in told(documents)] == ["p0", "p70"]
    assert [(item.offset, str(item.reason)) for item in letters] == [(2, "late")]


def test_times_may_be_dates_or_numbers_of_any_unit(tmp_path):
    moment = dt.datetime(2025, 10, 9, 8, 53, 20, tzinfo=dt.UTC)
    for number, ts in enumerate((moment, at(0) // 1000, at(0) * 10**6, "2025-10-09 08:53:20")):
        rows = [{**prediction(0), "ts": ts, "label": 1, "label_ts": ts}]
        path = write(tmp_path / f"{number}.parquet", rows)
        (batch,), letters = poll_to_end(reader_of(path))
        assert letters == []
        (table,) = batch.tables
        assert (table.ts.tolist(), table.label_ts.tolist()) == ([at(0) * 10**6], [at(0) * 10**6])
        if isinstance(ts, int):
            (batch,), _ = poll_to_end(reader_of(write(tmp_path / f"{number}.jsonl", rows)))
            assert batch.tables[0].label_ts.tolist() == [at(0) * 10**6]


def test_lines_may_be_native_messages(tmp_path):
    rows = [
        {
            "ts": at(1),
            "model": "m",
            "version": "1",
            "prediction_id": "p1",
            "features": {"age": 1.5, "zone": "zone 1"},
            "prediction": True,
            "tags": {"env": "prod"},
        },
        {"ts": at(2), "model": "m", "prediction_id": "p1", "label": 1},
    ]
    path = tmp_path / "r.jsonl"
    lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join([lines[0], "", "{broken", lines[1]]))
    documents, letters = poll_to_end(reader_of(path))
    assert told(documents) == [
        ("m", "1", "p1", at(1) * 10**6, "zone 1", 1.5, 1.0),
        ("p1", at(2) * 10**6, 1.0),
    ]
    assert [(item.offset, item.value) for item in letters] == [(2, b"{broken")]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_model_and_version_may_be_those_of_the_recording(tmp_path, suffix):
    rows = [{k: v for k, v in prediction(1).items() if k not in ("model", "version")}]
    path = write(tmp_path / f"r.{suffix}", rows)
    documents, _ = poll_to_end(reader_of(path, model="credit", version="3"))
    assert [row[:3] for row in told(documents)] == [("credit", "3", "p1")]
    with pytest.raises(UsageError, match="has no column `model`; give the source's recording"):
        open_one(path)


def test_text_that_is_no_number_is_refused_alone(tmp_path):
    rows = [prediction(number) for number in range(1500)]
    rows[1200] = {**rows[1200], "feature.age": "old"}
    path = tmp_path / "r.csv"
    path.write_text(pl.DataFrame([{k: str(v) for k, v in row.items()} for row in rows]).write_csv())
    documents, letters = poll_to_end(reader_of(path, rows=500))
    assert sum(len(t) for batch in documents for t in batch.tables) == 1500
    assert [(item.offset, str(item.reason)) for item in letters] == [(1200, "schema_error")]
    refused = [item for batch in documents for item in batch.refused.items()]
    assert refused == [(("m", "age", "schema_error"), 1)]


def test_declared_kinds_hold(tmp_path):
    path = write(tmp_path / "r.parquet", [{**prediction(0), "feature.code": 7}])
    declared = {"m": {"code": Kind.CATEGORICAL}}
    (batch,), _ = poll_to_end(reader_of(path, declared=declared))
    assert batch.tables[0].features["code"].kind is Kind.CATEGORICAL


def test_files_that_can_not_be_read_are_refused(tmp_path):
    write(tmp_path / "r.parquet", [{"ts": at(0), "model": "m", "other": 1}])
    with pytest.raises(UsageError, match="holds no predictions; their columns are"):
        open_one(tmp_path / "r.parquet")
    write(tmp_path / "r.parquet", [{"ts": at(0), "model": "m", "feature.x": {"a": 1}}])
    with pytest.raises(UsageError, match="which no feature can be"):
        open_one(tmp_path / "r.parquet")
    write(tmp_path / "r.parquet", ROWS)
    reader = reader_of(tmp_path / "r.parquet")
    (tmp_path / "r.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(SourceError, match="damaged after row 0"):
        reader.poll()


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (prediction(0), "predictions"),
        ({"ts": at(0), "model": "m", "features": {"a": 1}}, "predictions"),
        ({"ts": at(0), "model": "m", "prediction_id": "a", "label": 1}, "predictions"),
        ({"ts": at(0), "name": "cpu", "value": 1, "labels": {"model": "m"}}, "metrics"),
        ({"ts": at(0), "cpu": 1}, "metrics"),
        ({"ts": at(0), "request_model": "a", "input_tokens": 1}, "llm"),
        ({"ts": at(0), "gen_ai.request.model": "a"}, "llm"),
    ],
)
def test_what_a_recording_holds_is_seen_by_its_columns(tmp_path, row, kind):
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(row))
    assert recording_kind(path) == kind
