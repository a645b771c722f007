"""Requests and responses as CloudEvents: joined by id in any order, and never kept for ever.

Aim: the rows do not depend on the order in which halves come, and each half counts once.
"""

import base64
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_predictions import JSON, TS_MS, encoded, rows_of

from engine.codecs.cloud_events import Record, read_event
from engine.codecs.inference_bodies import BodyOptions
from engine.codecs.prediction_cloudevents import CloudEventsCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import PredictionLimits
from engine.codecs.samples import Limits, RejectedError
from engine.codecs.timestamps import MILLISECOND_NS, SECOND_NS
from engine.events import rfc3339

TS = TS_MS * MILLISECOND_NS


def headers(kind, identity="0009", at_s=0, **more):
    named = {
        "ce_specversion": "1.0",
        "ce_type": f"org.kubeflow.serving.inference.{kind}",
        "ce_id": identity,
        "ce_source": "http://localhost:9081/",
        "ce_inferenceservicename": "sklearn-iris",
        "ce_namespace": "default",
        "ce_component": "predictor",
        "ce_endpoint": "canary",
        "ce_time": rfc3339(TS + at_s * SECOND_NS),
        "content-type": "application/json",
        **more,
    }
    return [(name, value.encode()) for name, value in named.items() if value is not None]


def request(*instances, **more):
    return Record(encoded({"instances": list(instances)}), headers("request", **more))


def response(*predictions, **more):
    return Record(encoded({"predictions": list(predictions)}), headers("response", **more))


def codec(**limits):
    return CloudEventsCodec(PredictionTables(PredictionLimits(**limits)))


def seen(batches):
    """List prediction rows as (model, version, ts, id, features, prediction), sorted."""
    found = []
    for batch in batches:
        for table in batch.tables:
            predictions = table.prediction.values.tolist()
            for row, value in zip(rows_of([table]), predictions, strict=True):
                found.append((*row[:2], *row[3:], None if math.isnan(value) else value))
    return sorted(found, key=repr)


JOINED = [
    ("sklearn-iris", "canary", TS, "0009#0", {"x0": 6.8, "x1": 2.8}, 1.0),
    ("sklearn-iris", "canary", TS, "0009#1", {"x0": 6.1, "x1": 3.0}, 0.0),
]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_a_request_and_its_response_are_joined_in_any_order(turned, together):
    halves = [request([6.8, 2.8], [6.1, 3.0]), response(1, 0, at_s=2)]
    halves = halves[::-1] if turned else halves
    some = codec()
    batches = [some.decode(halves)] if together else [some.decode([half]) for half in halves]
    assert seen(batches) == JOINED
    assert len(some) == 0
    (table,) = batches[-1].tables
    assert {name: column.names for name, column in table.tags.items()} == {
        "namespace": ("default",),
        "component": ("predictor",),
        "endpoint": ("canary",),
    }
    assert table.message.tolist() == [int(together)] * 2


def test_v2_bodies_name_model_and_version():
    one = {"shape": [1], "datatype": "FP32"}
    records = [
        Record(
            encoded({"id": "q", "inputs": [{"name": "age", "data": [41], **one}]}),
            headers("request"),
        ),
        Record(
            encoded({"model_version": "3", "outputs": [{"name": "y", "data": [0.5], **one}]}),
            headers("response"),
        ),
    ]
    expected = [("sklearn-iris", "3", TS, "0009#0", {"age": 41}, 0.5)]
    assert seen([codec().decode(records)]) == expected


def test_components_with_the_same_id_are_apart():
    records = [
        request([1], ce_component="transformer"),
        request([2], ce_component="predictor"),
        response(5, ce_component="predictor"),
        response(6, ce_component="transformer"),
    ]
    found = [(row[4], row[5]) for row in seen([codec().decode(records)])]
    assert found == [({"x0": 1}, 6.0), ({"x0": 2}, 5.0)]


def test_seldons_request_id_joins_events_with_ids_of_their_own():
    records = [
        request([1], ce_type="io.seldon.serving.inference.request", ce_id="a", ce_requestid="r"),
        response(5, ce_type="io.seldon.serving.inference.response", ce_id="b", ce_requestid="r"),
    ]
    assert [row[3] for row in seen([codec().decode(records)])] == ["r#0"]


def test_a_half_that_waited_too_long_counts_alone():
    some = codec()
    assert some.decode([request([1], identity="a"), response(5, identity="b")]).tables == []
    batch = some.decode([request([2], identity="c", at_s=61)])
    assert [(row[3], row[4], row[5]) for row in seen([batch])] == [
        ("a#0", {"x0": 1}, None),
        ("b#0", {}, 5.0),
    ]
    assert (some.unpaired.requests, some.unpaired.responses) == (1, 1)
    assert len(some) == 1
    # What comes still later has been counted, its other half or not.
    assert some.decode([response(5, identity="a", at_s=61)]).tables == []
    assert len(some) == 1


def test_at_the_end_all_is_given():
    some = codec()
    some.decode([request([1], identity="a"), request([2], identity="b")])
    assert [row[3] for row in seen([some.flush()])] == ["a#0", "b#0"]
    assert len(some) == 0


def test_what_comes_again_counts_once():
    some = codec()
    batches = [
        some.decode([request([1]), request([1])]),
        some.decode([response(5), response(5), request([1])]),
    ]
    assert len(seen(batches)) == 1
    assert len(some) == 0


@pytest.mark.parametrize("limits", [{"waiting": 2}, {"waiting_bytes": 50}])
def test_of_too_many_that_wait_the_oldest_go(limits):
    some = codec(**limits)
    batch = some.decode([request([n], identity=f"{n}") for n in range(5)])
    given_up = [row[3] for row in seen([batch])]
    assert given_up == ["0#0", "1#0", "2#0"]
    assert len(some) == 2
    for n in range(100):
        some.decode([request([n], identity=f"x{n}"), response(n, identity=f"x{n}")])
    assert len(some._joined) <= max(some.tables.limits.waiting, 2) or "waiting" not in limits


def test_what_waits_goes_through_json():
    first, second = codec(), codec()
    first.decode([response(1, 0), request([9], identity="z"), response(9, identity="z")])
    second.restore(json.loads(json.dumps(first.state())))
    assert seen([second.decode([request([6.8, 2.8], [6.1, 3.0])])]) == JOINED
    assert second.decode([request([9], identity="z")]).tables == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record(b"{}", []), "schema_error"),
        (Record(b"{}", headers("feedback")), "schema_error"),
        (Record(b"{}", headers("request")), "schema_error"),
        (Record(b"{", headers("request")), "decode_error"),
        (Record(b"[]", headers("request")), "schema_error"),
        (Record(b"{}", headers("request", ce_id="")), "schema_error"),
        (request([1], ce_time="now"), "bad_timestamp"),
        (request([1], ce_time=None), "bad_timestamp"),
        (request([1], ce_inferenceservicename=None), "schema_error"),
        (request([1], ce_namespace="n" * 2000), "limit"),
        (Record(b"{}", [("ce_type", b"\xff")]), "decode_error"),
        (request([1], **{"content-type": "application/octet-stream"}), "unsupported"),
        (request([1], **{"inference-header-content-length": "12"}), "unsupported"),
        (Record(b"x" * 2_000_000, headers("request")), "too_large"),
        (
            Record(b'{"data": 5}', [("content-type", b"application/cloudevents+json")]),
            "schema_error",
        ),
        (
            Record(b'{"data_base64": "%"}', [("content-type", b"application/cloudevents+json")]),
            "decode_error",
        ),
    ],
)
def test_what_is_no_event_is_a_dead_letter(record, reason):
    batch = codec().decode([record, request([1])])
    assert [(r.message, r.reason) for r in batch.rejects] == [(0, reason)]


def test_rows_that_do_not_match_are_a_dead_letter():
    some = codec()
    batch = some.decode([request([1], [2]), response(5)])
    assert [(r.message, r.reason) for r in batch.rejects] == [(1, "schema_error")]
    assert len(some) == 0


def test_the_records_time_serves_where_the_event_has_none():
    half = request([1], ce_time=None)
    some = CloudEventsCodec(PredictionTables(), BodyOptions(), model="m")
    some.decode([half._replace(ts=TS + 7)])
    assert [row[2] for row in seen([some.flush()])] == [TS + 7]


@pytest.mark.parametrize("form", ["object", "text", "base64"])
def test_structured_events_are_read_too(form):
    data = {"instances": [[6.8, 2.8], [6.1, 3.0]]}
    text = json.dumps(data)
    held = {
        "object": {"data": data},
        "text": {"data": text},
        "base64": {"data_base64": base64.b64encode(text.encode()).decode()},
    }[form]
    attributes = {name[3:]: value.decode() for name, value in headers("request")[:-1]}
    record = Record(
        encoded({**attributes, **held}),
        [("Content-Type", b"application/cloudevents+json; charset=utf-8")],
    )
    assert seen([codec().decode([record, response(1, 0)])]) == JOINED


def test_headers_may_have_the_prefix_of_http():
    event = read_event(Record(b"{}", [("Ce-Type", b"x"), ("ce-id", None)]), Limits())
    assert event.attributes == {"type": "x", "id": ""}


@settings(max_examples=60, deadline=None)
@given(
    st.permutations([(kind, n) for kind in ("request", "response") for n in range(5)]), st.data()
)
def test_rows_do_not_depend_on_the_order(order, data):
    halves = [
        request([n], identity=f"{n}", at_s=n)
        if kind == "request"
        else response(n, identity=f"{n}", at_s=n + 1)
        for kind, n in order
    ]
    cut = data.draw(st.integers(0, len(halves)))
    some = codec()
    batches = [some.decode(halves[:cut]), some.decode(halves[cut:])]
    assert [(row[2], row[3], row[4], row[5]) for row in seen(batches)] == [
        (TS + n * SECOND_NS, f"{n}#0", {"x0": n}, n) for n in range(5)
    ]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=20),
                JSON.map(encoded),
                st.dictionaries(st.sampled_from(["instances", "inputs", "data"]), JSON).map(
                    encoded
                ),
            ),
            st.one_of(
                st.sampled_from([headers("request"), headers("response")]),
                st.lists(
                    st.tuples(
                        st.sampled_from(["ce_type", "ce_id", "content-type", "x"]),
                        st.none() | st.binary(max_size=9),
                    ),
                    max_size=3,
                ),
            ),
        ),
        max_size=4,
    )
)
def test_whatever_arrives_is_read_or_rejected(pairs):
    some = codec()
    batch = some.decode([Record(payload, given_headers) for payload, given_headers in pairs])
    rejected = {reject.message for reject in batch.rejects}
    rows = sum(map(len, batch.tables))
    assert len(rejected) + rows + len(some) >= min(1, len(pairs))
    with pytest.raises(RejectedError):
        read_event(Record(b"", []), Limits())
