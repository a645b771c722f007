"""What the keys of flat rows are taken for."""

import pytest
from made_documents import BASE_MS, flat, record

from engine.codecs.samples import Limits
from engine.sources.flat_fields import flat_fields


def fields(*rows):
    return flat_fields([record(row).payload for row in rows], "topic", Limits())


def test_usual_rows_need_nothing_but_a_model():
    assert fields(flat(0, model_version="7", actual=0)).given() == {"model_name"}


def test_other_usual_names_are_known():
    found = fields(
        {"id": "1", "ts": BASE_MS, "version": 3, "predicted": 1, "probability": 0.5, "label": 0}
    )
    assert (found.prediction_id, found.timestamp, found.version) == ("id", "ts", "version")
    assert (found.prediction, found.score, found.actual) == ("predicted", "probability", "label")


def test_the_usual_name_comes_before_the_others():
    found = fields(flat(0, id="x", ts=1, label=3), {"actual": 1})
    assert (found.prediction_id, found.timestamp) == ("prediction_id", "prediction_timestamp")
    assert found.actual == "actual"


@pytest.mark.parametrize(
    ("time", "unit"),
    [
        (BASE_MS // 1000, "s"),
        (BASE_MS / 1000 + 0.5, "s"),
        (BASE_MS, "ms"),
        (BASE_MS * 1000, "us"),
        (BASE_MS * 10**6, "ns"),
        ("2025-10-09T08:53:20Z", "ms"),
        (True, "ms"),
    ],
)
def test_the_unit_of_times_follows_from_their_size(time, unit):
    assert fields(flat(0, prediction_timestamp=time)).timestamp_unit == unit


def test_what_is_no_object_is_passed_over():
    found = flat_fields([b"junk", b"[1, 2]", b""], "topic", Limits())
    assert found.given() == {"model_name"}
