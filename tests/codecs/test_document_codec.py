"""Predictions and labels as rows that sources can check, whatever their format and compression."""

import gzip
import json

import pytest
from naive_predictions import TS_MS, encoded, rows_of

from engine.codecs.cloud_events import Record
from engine.codecs.document_codec import DocumentCodec
from engine.codecs.prediction_formats import PREDICTION_FORMATS, make_prediction_codec, make_tables
from engine.codecs.samples import Limits
from engine.config.connections import FORMATS_OF_KIND, KafkaSource
from engine.config.prediction_fields import FIELDS_OF_FORMAT, PredictionFields
from engine.errors import UsageError
from engine.series.columns import FLAG_DOCUMENT

SECOND_NS = 10**9


def codec_of(message_format, compression="none", lateness_ns=5 * SECOND_NS, **fields):
    settings = KafkaSource(
        brokers="a",
        topic="t",
        format=message_format,
        compression=compression,
        predictions=PredictionFields(**fields),
    )
    tables = make_tables(Limits(), compression)
    return make_prediction_codec(settings, tables, limits=Limits(), lateness_ns=lateness_ns)


def prediction(number, **more):
    row = {"ts": TS_MS + number, "model": "m", "prediction_id": str(number), "prediction": 1}
    return {**row, "features": {"age": number}, **more}


def label(number):
    return {"ts": TS_MS + number, "model": "m", "prediction_id": str(number), "label": 0}


def event(kind, body, identity="1", second=0):
    named = {
        "ce_type": f"org.kubeflow.serving.inference.{kind}",
        "ce_id": identity,
        "ce_inferenceservicename": "iris",
        "ce_time": f"2026-01-01T00:00:{second:02d}Z",
        "content-type": "application/json",
    }
    return Record(encoded(body), [(key, value.encode()) for key, value in named.items()])


def test_each_row_says_which_document_it_stands_for():
    decoded = codec_of("json").decode([encoded([label(5), prediction(3)]), encoded(prediction(4))])
    assert decoded.columns.ts.tolist() == [(TS_MS + n) * 10**6 for n in (3, 5, 4)]
    assert decoded.message.tolist() == [0, 0, 1]
    assert decoded.columns.value.tolist() == [0.0, 2.0, 1.0]
    assert set(decoded.columns.flags.tolist()) == {int(FLAG_DOCUMENT)}
    assert len(set(decoded.columns.fingerprint.tolist())) == 1
    assert decoded.new_series == []
    assert [row[4] for row in rows_of(decoded.documents.tables)] == ["3", "4"]


def test_refused_values_go_along_and_are_rejected():
    decoded = codec_of("json").decode(
        [encoded(prediction(1)), encoded(prediction(2, features={"age": "x"})), b"{"]
    )
    assert decoded.documents.refused == {("m", "age", "schema_error"): 1}
    assert [(r.message, r.reason) for r in decoded.rejects] == [
        (1, "schema_error"),
        (2, "decode_error"),
    ]
    assert decoded.documents.rejects == []


def test_nothing_gives_nothing():
    decoded = codec_of("json").decode([])
    assert (len(decoded.columns), decoded.rejects, decoded.documents.tables) == (0, [], [])


def test_compressed_messages_keep_their_places():
    payloads = [gzip.compress(encoded(prediction(1))), b"bad", gzip.compress(encoded(label(2)))]
    decoded = codec_of("json", "gzip").decode(payloads)
    assert decoded.message.tolist() == [0, 2]
    assert decoded.documents.labels[0].message.tolist() == [2]
    assert [(r.message, r.reason) for r in decoded.rejects] == [(1, "decode_error")]
    # What is long only when it is decompressed is no longer than it may be.
    long = prediction(1, features={"text": "x" * 2_000_000})
    assert len(codec_of("json", "gzip").decode([gzip.compress(encoded(long))]).columns) == 1
    assert len(codec_of("json").decode([encoded(long)]).columns) == 0


def test_flat_rows_have_the_keys_of_the_configuration():
    codec = codec_of("flat", prediction_id="id", timestamp="at", model_name="credit", score="p")
    row = {"id": "a", "at": TS_MS, "age": 41, "prediction": 1, "p": 0.5}
    table = codec.decode([encoded(row)]).documents.tables[0]
    assert (table.model, table.ids, table.score.tolist()) == ("credit", ["a"], [0.5])
    assert list(table.features) == ["age"]


def test_cloud_events_are_joined_across_calls_and_checkpoints():
    request = event("request", {"instances": [[1.0, 10**30]]})
    response = event("response", {"predictions": [1]}, second=1)
    whole = codec_of("cloudevents", features=("a", "b"))
    assert whole.wants_headers
    expected = rows_of(whole.decode_records([request, response]).documents.tables)
    assert expected[0][5] == {"a": 1.0, "b": 1e30}
    first = codec_of("cloudevents", features=("a", "b"))
    assert len(first.decode_records([request]).columns) == 0
    second = codec_of("cloudevents", features=("a", "b"))
    second.restore(first.state())
    rows = rows_of(second.decode_records([response]).documents.tables)
    assert [row[3:] for row in rows] == [row[3:] for row in expected]


def test_compressed_cloud_events_keep_their_headers():
    halves = [
        event("request", {"instances": [[1.0]]}),
        event("response", {"predictions": [1]}),
    ]
    packed = [half._replace(payload=gzip.compress(half.payload)) for half in halves]
    bad = halves[0]._replace(payload=b"bad")
    decoded = codec_of("cloudevents", "gzip").decode_records([packed[0], bad, packed[1]])
    assert decoded.message.tolist() == [2]
    assert [reject.message for reject in decoded.rejects] == [1]


def test_events_wait_for_half_of_the_lateness_unless_told():
    alone = event("request", {"instances": [[1.0]]})
    later = event("request", {"instances": [[1.0]]}, identity="2", second=4)
    for options, expected in (({}, 1), ({"wait_ns": 10 * SECOND_NS}, 0)):
        assert len(codec_of("cloudevents", **options).decode_records([alone, later]).columns) == (
            expected
        )


@pytest.mark.parametrize("size", [1, 2, 7])
def test_when_events_give_up_does_not_depend_on_batches(size):
    records = [
        event("request", {"instances": [[1.0]]}, identity=str(n), second=3 * n) for n in range(12)
    ]
    records.insert(8, event("response", {"predictions": [1]}, identity="3", second=20))

    def seen(codec, first, some):
        decoded = codec.decode_records(some)
        return [(m + first, ts) for m, ts in zip(decoded.message, decoded.columns.ts, strict=True)]

    whole = seen(codec_of("cloudevents"), 0, records)
    codec, parts = codec_of("cloudevents"), []
    for first in range(0, len(records), size):
        parts += seen(codec, first, records[first : first + size])
    assert parts == whole


def test_a_monitor_goes_on_with_its_schema_line():
    line = {
        "meta_data": {"bento_name": "iris", "bento_version": "1"},
        "columns": [
            {"name": "age", "role": "feature", "type": "numerical"},
            {"name": "kind", "role": "prediction", "type": "categorical"},
        ],
    }
    data = {"age": 1, "kind": "a", "timestamp": "2026-01-01T00:00:00", "request_id": "r"}
    first = codec_of("bentoml")
    first.decode([encoded(line)])
    second = codec_of("bentoml")
    assert len(second.decode([encoded(data)]).columns) == 0
    second.restore(first.state())
    given = codec_of("bentoml", schema_line=line, model_name="own")
    for codec, model in ((second, "iris"), (given, "own")):
        assert codec.decode([encoded(data)]).documents.tables[0].model == model


def test_a_schema_line_that_can_not_be_used_is_named():
    with pytest.raises(UsageError, match=r"predictions\.schema_line: bento_name is missing"):
        codec_of("bentoml", schema_line={"columns": []})


def test_codes_go_on_after_a_checkpoint():
    first = codec_of("json")
    first.decode([encoded(prediction(1, features={"zone": "EU"}))])
    second = codec_of("json")
    second.restore(first.state())
    table = second.decode([encoded(prediction(2, features={"zone": "US"}))]).documents.tables[0]
    assert list(table.features["zone"].names) == ["EU", "US"]
    assert json.loads(second.state())["schemas"]["m"]["version"] == 1


def test_every_format_of_the_configuration_has_a_codec():
    assert set(PREDICTION_FORMATS) == set(FIELDS_OF_FORMAT) == set(FORMATS_OF_KIND["predictions"])
    known = set().union(*FIELDS_OF_FORMAT.values())
    assert known == {name.removesuffix("_ns") for name in PredictionFields.__struct_fields__}
    for name in PREDICTION_FORMATS:
        codec = codec_of(name)
        assert isinstance(codec, DocumentCodec)
        assert codec.read(b"", 0) == ([], [])
