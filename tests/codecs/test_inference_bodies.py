"""Bodies of inference requests and responses, V1 and V2, to rows."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_predictions import JSON

from engine.codecs.inference_bodies import BodyOptions, read_request, read_response
from engine.codecs.samples import RejectedError

PLAIN = BodyOptions()


def tensor(name, shape, datatype, data, **more):
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **more}


@pytest.mark.parametrize(
    ("instance", "features"),
    [
        ([6.8, 2.8], {"x0": 6.8, "x1": 2.8}),
        ([6.8, "a", True], {"x0": 6.8, "x1": "a", "x2": True}),
        ({"age": 41, "zone": "EU"}, {"age": 41, "zone": "EU"}),
        (5, {"x0": 5}),
        ("some text", {"x0": "some text"}),
        ([[1, 2], [3, 4]], {"x": [1, 2, 3, 4]}),
        ([0.5] * 257, {"x": [0.5] * 257}),
        ([], {}),
    ],
)
def test_an_instance_of_v1_is_a_row(instance, features):
    assert read_request({"instances": [instance, instance]}, PLAIN).rows == [features] * 2


def test_elements_may_have_names():
    options = BodyOptions(feature_names=("age", "income"))
    body = read_request({"instances": [[41, 5], [41]]}, options)
    assert body.rows == [{"age": 41, "income": 5}, {"x0": 41}]
    single = {"inputs": [tensor("in", [1, 2], "FP32", [41, 5])]}
    assert read_request(single, options).rows == [{"age": 41, "income": 5}]


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (1, (1, None)),
        ("cat", ("cat", None)),
        ([0.5], (0.5, None)),
        ({"prediction": "a", "score": 0.5, "more": 1}, ("a", 0.5)),
        ([0.2, 0.8], ([0.2, 0.8], None)),
    ],
)
def test_a_prediction_of_v1(prediction, expected):
    assert read_response({"predictions": [prediction]}, PLAIN).rows == [expected]


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ([0.7, 0.3], (0, 0.3)),
        ([0.3, 0.7], (1, 0.7)),
        ([0.2, 0.5, 0.3], (1, 0.5)),
        ([0.5], (0.5, None)),
    ],
)
def test_probabilities_are_a_class_and_a_score(prediction, expected):
    options = BodyOptions(probabilities=True)
    assert read_response({"predictions": [prediction]}, options).rows == [expected]


@pytest.mark.parametrize(
    "data", [[1, 2, 3, 4, 5, 6], [[1, 2], [3, 4], [5, 6]], [[1, 2, 3], 4, 5, 6]]
)
def test_v2_data_is_flat_or_nested(data):
    body = read_request(
        {"model_name": "m", "model_version": "2", "inputs": [tensor("in", [3, 2], "INT64", data)]},
        PLAIN,
    )
    assert body.rows == [
        {"in.0": 1, "in.1": 2},
        {"in.0": 3, "in.1": 4},
        {"in.0": 5, "in.1": 6},
    ]
    assert (body.model, body.version) == ("m", "2")


def test_v2_inputs_are_features_side_by_side():
    body = read_request(
        {
            "inputs": [
                tensor("age", [2], "UINT8", [41, 7]),
                tensor("zone", [2, 1], "BYTES", ["EU", "US"]),
                tensor("ok", [2, 1], "BOOL", [True, 0]),
                tensor("image", [2, 2, 2], "FP32", [1, 2, 3, 4, 5, 6, 7, "NaN"]),
            ]
        },
        BodyOptions(columns_max=3),
    )
    assert body.rows == [
        {"age": 41, "zone": "EU", "ok": True, "image": [1, 2, 3, 4]},
        {
            "age": 7,
            "zone": "US",
            "ok": False,
            "image.0": 5,
            "image.1": 6,
            "image.2": 7,
            "image.3": None,
        },
    ]


def test_v2_outputs_are_prediction_and_score():
    document = {
        "outputs": [
            tensor("label", [2], "BYTES", ["a", "b"]),
            tensor("proba", [2, 2], "FP32", [0.9, 0.1, 0.2, 0.8]),
            tensor("margin", [2], "FP32", [3, 4]),
            tensor("many", [2, 3], "FP32", [1, 2, 3, 4, 6, 5]),
        ]
    }
    assert read_response(document, PLAIN).rows == [("a", None), ("b", None)]
    named = BodyOptions(output="margin", score_output="proba")
    assert read_response(document, named).rows == [(3, 0.1), (4, 0.8)]
    assert read_response(document, BodyOptions(score_output="margin")).rows == [("a", 3), ("b", 4)]
    assert read_response(document, BodyOptions(score_output="many")).rows == [("a", 3), ("b", 6)]


@pytest.mark.parametrize(
    "holder",
    [
        {"parameters": {"binary_data_output": True}, "inputs": [tensor("a", [1], "INT8", [1])]},
        {
            "inputs": [
                {
                    "name": "a",
                    "shape": [1],
                    "datatype": "INT8",
                    "parameters": {"binary_data_size": 1},
                }
            ]
        },
    ],
)
def test_binary_tensors_are_refused_by_name(holder):
    with pytest.raises(RejectedError, match="binary tensor extension") as raised:
        read_request(holder, PLAIN)
    assert raised.value.reason == "unsupported"


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [5],
        [{"shape": [1], "datatype": "INT8", "data": [1]}],
        [tensor("a", [2], "INT8", [1])],
        [tensor("a", [0, 5], "INT8", [])],
        [tensor("a", [10**9, 0], "INT8", [])],
        [tensor("a", [-1, -1], "INT8", [1])],
        [tensor("a", [True], "INT8", [1])],
        [tensor("a", [1] * 17, "INT8", [1])],
        [tensor("a", None, "INT8", [1])],
        [tensor("a", [1], "INT8", 1)],
        [tensor("a", [1], "INT8", [1.5])],
        [tensor("a", [1], "INT8", [True])],
        [tensor("a", [1], "BOOL", [2])],
        [tensor("a", [1], "BYTES", [2])],
        [tensor("a", [1], "FP32", ["x"])],
        [tensor("a", [1], "COMPLEX", [1])],
        [tensor("a", [1], ["INT8"], [1])],
        [tensor("a", [1], "INT8", [1]), tensor("a", [1], "INT8", [1])],
        [tensor("a", [1], "INT8", [1]), tensor("b", [2], "INT8", [1, 2])],
    ],
)
def test_bad_tensors_are_refused(bad):
    with pytest.raises(RejectedError) as raised:
        read_request({"inputs": bad}, PLAIN)
    assert raised.value.reason == "schema_error"


def test_a_missing_output_is_refused():
    document = {"outputs": [tensor("a", [1], "INT8", [1]), tensor("b", [2], "INT8", [1, 2])]}
    for options in (BodyOptions(output="c"), BodyOptions(score_output="b")):
        with pytest.raises(RejectedError):
            read_response(document, options)


TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
        "datatype": st.sampled_from(["BOOL", "INT64", "FP32", "BYTES"]) | JSON,
        "data": st.lists(st.integers() | st.booleans() | JSON, max_size=6) | JSON,
        "parameters": JSON,
    },
)


@given(
    st.sampled_from(["instances", "inputs"]), JSON | st.lists(TENSORS, max_size=3), st.booleans()
)
def test_any_body_gives_rows_or_is_refused(key, value, probabilities):
    options = BodyOptions(probabilities=probabilities, score_output="a")
    other = {"instances": "predictions", "inputs": "outputs"}[key]
    for read, name in ((read_request, key), (read_response, other)):
        rows = "refused"
        with suppress(RejectedError):
            rows = read({name: value}, options).rows
        assert rows == "refused" or (isinstance(value, list) and len(rows) <= 50)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.data())
def test_rows_of_a_tensor_follow_its_row_major_order(shape, data):
    size = int(np.prod(shape))
    values = data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    nested = np.array(values).reshape(shape)
    given_data = data.draw(st.sampled_from([values, nested.tolist()]))
    document = {"inputs": [tensor("t", shape, "INT32", given_data)]}
    body = read_request(document, BodyOptions(columns_max=100))
    expected = [row.reshape(-1).tolist() for row in nested]
    found = [list(row.values()) for row in body.rows]
    assert found == expected
