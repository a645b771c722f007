"""Bodies of inference requests and responses: KServe's V1, and V2, the Open Inference Protocol.

V1: ``{"instances": [...]}`` and ``{"predictions": [...]}``. V2: ``{"inputs": [tensor, ...]}`` and
``{"outputs": [tensor, ...]}``, a tensor being ``{"name", "shape", "datatype", "data"}`` with its
data in row-major order, flat or nested. Row i of a response belongs to row i of its request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from engine.codecs.json_documents import shown
from engine.codecs.prediction_schema import is_vector
from engine.codecs.samples import RejectedError

_INTEGERS = frozenset(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
_FLOATS = frozenset({"FP16", "FP32", "FP64"})
_TYPES: Mapping[str, frozenset[type]] = {
    "BYTES": frozenset({str}),
    "BOOL": frozenset({bool}),
    **dict.fromkeys(_INTEGERS, frozenset({int})),
    **dict.fromkeys(_FLOATS, frozenset({int, float})),
}
"""Types of JSON that need no further look, by datatype."""

_BINARY = ("binary_data_size", "binary_data", "binary_data_output")
_DEPTH_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyOptions:
    """How bodies become rows.

    Attributes
    ----------
    feature_names : tuple of str
        Names for the elements of an instance or of a row of the only input, where there are as
        many. Else they are ``x0``, ``x1``, ... in V1, ``<input>.0``, ``<input>.1``, ... in V2.
    columns_max : int
        An instance or row of more elements is one embedding, by the name ``x`` or that of the
        input; so is one of several dimensions, in row-major order.
    output, score_output : str or None
        Names of V2 outputs; by default the first is the prediction, and none is the score.
    probabilities : bool
        Whether a prediction of several numbers holds the probabilities of classes: the prediction
        is then the place of the first of the largest, the score the probability of class 1 of two,
        else the largest. If not, such a prediction is refused.
    """

    feature_names: tuple[str, ...] = ()
    columns_max: int = 256
    output: str | None = None
    score_output: str | None = None
    probabilities: bool = False


class Body(NamedTuple):
    """The rows of a request or response.

    Attributes
    ----------
    rows : list
        Of a request a dict of features each, of a response (prediction, score).
    model, version : str
        As the body says; empty where it doesn't.
    """

    rows: list[Any]
    model: str = ""
    version: str = ""


def read_request(document: Mapping[str, Any], options: BodyOptions) -> Body:
    """Read the body of a request.

    Raises
    ------
    RejectedError
        ``schema_error``, or ``unsupported`` for tensors beside the JSON.
    """
    instances = document.get("instances")
    if isinstance(instances, list):
        return Body([_features_of("x", instance, options, "x") for instance in instances])
    tensors = list(_tensors(document, "inputs"))
    count = len(tensors[0][1])
    if any(len(rows) != count for _, rows in tensors):
        raise RejectedError("schema_error", "inputs differ in their number of rows")
    named = options if len(tensors) == 1 else BodyOptions(columns_max=options.columns_max)
    features: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, rows in tensors:
        for row, value in zip(features, rows, strict=True):
            if type(value) is list:
                row.update(_features_of(name, value, named, f"{name}."))
            else:
                row[name] = value
    return _named(document, features)


def read_response(document: Mapping[str, Any], options: BodyOptions) -> Body:
    """Read the body of a response.

    Raises
    ------
    RejectedError
        ``schema_error``, or ``unsupported`` for tensors beside the JSON.
    """
    predictions = document.get("predictions")
    if isinstance(predictions, list):
        return Body([_prediction_of(prediction, options) for prediction in predictions])
    tensors = dict(_tensors(document, "outputs"))
    name = options.output or next(iter(tensors))
    if name not in tensors:
        raise RejectedError("schema_error", f"there is no output {shown(name)}")
    rows = [_prediction_of(value, options) for value in tensors[name]]
    scores = tensors.get(options.score_output) if options.score_output else None
    if scores is not None:
        if len(scores) != len(rows):
            raise RejectedError("schema_error", "outputs differ in their number of rows")
        rows = [(row[0], _score_of(score)) for row, score in zip(rows, scores, strict=True)]
    return _named(document, rows)


def _named(document: Mapping[str, Any], rows: list[Any]) -> Body:
    model, version = document.get("model_name"), document.get("model_version")
    return Body(
        rows,
        model if isinstance(model, str) else "",
        version if isinstance(version, str) else "",
    )


def _features_of(name: str, instance: Any, options: BodyOptions, prefix: str) -> dict[str, Any]:
    """Give the features of one row: an object, one value, an array of values or a vector."""
    if isinstance(instance, dict):
        return instance
    if not isinstance(instance, list):
        return {f"{prefix}0": instance}
    if any(isinstance(element, list) for element in instance) or (
        len(instance) > options.columns_max and is_vector(instance)
    ):
        return {name: list(_flattened(instance))}
    names = options.feature_names
    if len(names) == len(instance):
        return dict(zip(names, instance, strict=True))
    return {f"{prefix}{place}": element for place, element in enumerate(instance)}


def _prediction_of(value: Any, options: BodyOptions) -> tuple[Any, Any]:
    """Give prediction and score of one row."""
    if isinstance(value, dict):
        return value.get("prediction"), value.get("score")
    if not isinstance(value, list):
        return value, None
    if len(value) == 1 and not isinstance(value[0], list | dict):
        return value[0], None
    if options.probabilities and is_vector(value):
        largest = value.index(max(value))
        return largest, value[1] if len(value) == 2 else value[largest]
    return value, None  # refused as what it is when columns are made


def _score_of(value: Any) -> Any:
    """Give the score of a row of the score's output: of two classes that of class 1."""
    if isinstance(value, list) and is_vector(value):
        return value[1] if len(value) == 2 else max(value)
    return value


def _flattened(value: list[Any], depth: int = 1) -> Iterator[Any]:
    """Give the elements of nested arrays in row-major order."""
    if depth > _DEPTH_MAX:
        raise RejectedError("schema_error", f"data is nested more than {_DEPTH_MAX} deep")
    for element in value:
        if isinstance(element, list):
            yield from _flattened(element, depth + 1)
        else:
            yield element


def _tensors(document: Mapping[str, Any], key: str) -> Iterator[tuple[str, list[Any]]]:
    """Give name and rows of each tensor; a row of one element is that element."""
    _refuse_binary(document)
    tensors = document.get(key)
    if not isinstance(tensors, list) or not tensors:
        which = "instances" if key == "inputs" else "predictions"
        raise RejectedError("schema_error", f"the body has neither {which} nor {key}")
    names: set[str] = set()
    for tensor in tensors:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise RejectedError("schema_error", f"{key} has a tensor without a name")
        _refuse_binary(tensor)
        if tensor["name"] in names:
            raise RejectedError("schema_error", f"{key} has two of {shown(tensor['name'])}")
        names.add(tensor["name"])
        yield tensor["name"], _rows_of(tensor)


def _refuse_binary(holder: Mapping[str, Any]) -> None:
    parameters = holder.get("parameters")
    if isinstance(parameters, dict):
        for name in _BINARY:
            if parameters.get(name):
                detail = f"{name}: the binary tensor extension is not read, only JSON"
                raise RejectedError("unsupported", detail)


def _rows_of(tensor: Mapping[str, Any]) -> list[Any]:
    name, shape, data = tensor["name"], tensor.get("shape"), tensor.get("data")
    if not isinstance(data, list):
        raise RejectedError("schema_error", f"data of {shown(name)} is {shown(data)}, no array")
    if (
        not isinstance(shape, list)
        or len(shape) > _DEPTH_MAX
        or not all(
            isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape
        )
    ):
        raise RejectedError("schema_error", f"shape of {shown(name)} has no positive sizes")
    values = _values_of(data, tensor)
    count = shape[0] if shape else 1
    if prod(shape) != len(values):
        detail = f"{shown(name)} has {len(values)} elements, not as many as its shape"
        raise RejectedError("schema_error", detail)
    size = len(values) // count
    if size == 1:
        return values
    return [values[start : start + size] for start in range(0, len(values), size)]


def _values_of(data: list[Any], tensor: Mapping[str, Any]) -> list[Any]:
    """Give the elements, checked against the tensor's type."""
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str):
        raise RejectedError("schema_error", f"datatype of {shown(tensor['name'])} is no text")
    types = set(map(type, data))
    if list in types:
        data = list(_flattened(data))
        types = set(map(type, data))
    if types <= _TYPES.get(datatype, frozenset()):
        return data
    return [_element(value, datatype, tensor) for value in data]


def _element(value: Any, datatype: str, tensor: Mapping[str, Any]) -> Any:
    """Check an element that is not of the usual types."""
    if value is None:
        return None
    if datatype == "BYTES":
        if isinstance(value, str):
            return value
    elif datatype == "BOOL":
        if value in (0, 1) and isinstance(value, int):
            return bool(value)
    elif datatype in _INTEGERS:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif datatype in _FLOATS:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if value == "NaN":
            return None
    else:
        detail = f"datatype of {shown(tensor['name'])} is {shown(datatype)}, which is not known"
        raise RejectedError("schema_error", detail)
    detail = f"{shown(tensor['name'])} holds {shown(value)}, which is no {datatype}"
    raise RejectedError("schema_error", detail)
