"""The values of one feature to a column; values that don't fit are refused one by one."""

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.prediction_schema import NULL_TEXTS, Feature, is_vector
from engine.codecs.predictions import Column, Kind, PredictionLimits

Values = Sequence[Any] | NDArray[np.float64]
"""Values as JSON has them, None for null; or numbers, NaN for null."""

Refuse = Callable[[int, Any, str, str], None]
"""Told of a refused value: its row, itself, the reason and the detail."""

_NUMBERS = {int, float, NoneType}
_TRUTHS = {bool, NoneType}
_TEXTS = {str, NoneType}


def is_null(value: Any) -> bool:
    """Tell whether a value stands for none."""
    if isinstance(value, str):
        return value in NULL_TEXTS
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN


def encode(
    feature: Feature,
    values: Values,
    limits: PredictionLimits,
    refuse: Refuse,
    changed: set[int] | None = None,
) -> Column:
    """Make the column of a feature.

    Parameters
    ----------
    feature : Feature
        Learns categories, dimensions, and that it is text.
    values : sequence of length n
        As JSON has them; None for null. Or float64[n], NaN for null.
    limits : PredictionLimits
    refuse : callable
    changed : set of int or None
        Gets the row whose value showed that the feature is text; the whole column is text then.
    """
    if feature.kind is Kind.EMBEDDING:
        return _vectors(feature, values, limits, refuse)
    if feature.kind is Kind.NUMERIC:
        return Column(Kind.NUMERIC, numbers(values, refuse, truths=feature.declared))
    if feature.kind is Kind.BOOLEAN:
        return Column(Kind.BOOLEAN, _truths(feature, values, refuse))
    texts: Sequence[str | None] = values.tolist() if isinstance(values, np.ndarray) else values
    if not set(map(type, texts)) <= _TEXTS:
        texts = _texts(feature, texts, refuse)
    if feature.kind is Kind.CATEGORICAL:
        texts = _learn_categories(feature, texts, limits, refuse, changed)
    if feature.kind is Kind.TEXT:
        lengths = [np.nan if v is None or v in NULL_TEXTS else len(v) for v in texts]
        return Column(Kind.TEXT, np.array(lengths, np.float64))
    codes = np.array(list(map(feature.codes.__getitem__, texts)), np.int32)
    return Column(Kind.CATEGORICAL, codes, feature.codes.names)


def numbers(values: Values, refuse: Refuse, *, truths: bool = False) -> NDArray[np.float64]:
    """Make float64[n] of numbers, NaN for null.

    Parameters
    ----------
    values : sequence of length n
    refuse : callable
    truths : bool
        Whether true and false are 1 and 0; else they are refused.
    """
    if isinstance(values, np.ndarray):
        if not np.isinf(values).any():
            return values
        values = values.tolist()
    elif set(map(type, values)) <= _NUMBERS:
        try:
            result = np.array(values, np.float64)  # null becomes NaN
        except OverflowError:
            pass
        else:
            if not np.isinf(result).any():
                return result
    return np.array(
        [_number(row, value, refuse, truths=truths) for row, value in enumerate(values)], np.float64
    )


def _number(row: int, value: Any, refuse: Refuse, *, truths: bool) -> float:
    if is_null(value):
        return np.nan
    if isinstance(value, int | float) and (truths or not isinstance(value, bool)):
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        if not np.isinf(number):
            return number
        refuse(row, value, "bad_value", "no number within float64")
    else:
        refuse(row, value, "schema_error", "the feature is numeric")
    return np.nan


def _truths(feature: Feature, values: Values, refuse: Refuse) -> NDArray[np.int8]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if set(map(type, values)) <= _TRUTHS:
        return np.array([-1 if value is None else value for value in values], np.int8)
    result = np.full(len(values), -1, np.int8)
    for row, value in enumerate(values):
        if isinstance(value, bool) or (
            feature.declared and isinstance(value, int | float) and value in {0, 1}
        ):
            result[row] = value
        elif not is_null(value):
            refuse(row, value, "schema_error", "the feature is boolean")
    return result


def _texts(feature: Feature, values: Values, refuse: Refuse) -> list[str | None]:
    """Refuse what is no string; of a declared feature numbers and truth values are categories."""
    result: list[str | None] = []
    for row, value in enumerate(values):
        text = value if isinstance(value, str) else None
        if text is None and not is_null(value):
            if feature.declared and isinstance(value, int | float):
                text = category_of(value)
            else:
                refuse(row, value, "schema_error", f"the feature is {feature.kind}")
        result.append(text)
    return result


def category_of(value: float) -> str:
    """Write a number or truth value as a category: 2.0 is the same as 2."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    # Python refuses to show integers of thousands of digits.
    return str(value) if isinstance(value, float) or abs(value) < 1 << 1000 else hex(value)


def _learn_categories(
    feature: Feature,
    values: Sequence[str | None],
    limits: PredictionLimits,
    refuse: Refuse,
    changed: set[int] | None,
) -> Sequence[str | None]:
    """Learn new categories, or that the feature is text; gives the values without refused ones."""
    codes = feature.codes
    too_long: set[str] = set()
    for value in dict.fromkeys(values):
        if value is None or value in codes:
            continue
        if feature.becomes_text(value, limits):
            feature.become_text()
            if changed is not None:
                changed.add(values.index(value))
            return values
        if len(value) > limits.category_characters:
            too_long.add(value)
        else:
            codes.learn(value)
    if not too_long:
        return values
    for row, value in enumerate(values):
        if value in too_long:
            detail = f"longer than {limits.category_characters} characters"
            refuse(row, value, "limit", detail)
    return [None if value in too_long else value for value in values]


def _vectors(feature: Feature, values: Values, limits: PredictionLimits, refuse: Refuse) -> Column:
    rows: list[int] = []
    vectors: list[NDArray[np.float32]] = []
    for row, value in enumerate(values):
        if is_null(value):
            continue
        if not isinstance(value, list) or not is_vector(value):
            refuse(row, value, "schema_error", "the feature is an embedding")
        elif len(value) > limits.dimensions:
            refuse(row, value, "limit", f"more than {limits.dimensions} dimensions")
        elif feature.dimensions not in {0, len(value)}:
            detail = f"{len(value)} dimensions where there were {feature.dimensions}"
            refuse(row, value, "dimension_mismatch", detail)
        else:
            feature.dimensions = len(value)
            vector = _vector(value)
            if vector is None:
                refuse(row, value, "bad_value", "a number is beyond float32")
            else:
                rows.append(row)
                vectors.append(vector)
    stacked = np.array(vectors, np.float32).reshape(len(vectors), feature.dimensions)
    return Column(Kind.EMBEDDING, stacked, rows=np.array(rows, np.int64))


def _vector(value: list[float]) -> NDArray[np.float32] | None:
    """Give a vector in float32; None if an element is beyond it."""
    try:
        with np.errstate(over="ignore"):
            vector = np.array(value, np.float64).astype(np.float32)
    except OverflowError:
        return None
    return vector if np.isfinite(vector).all() else None
