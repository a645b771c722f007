"""What the readers of free-form JSON share: messages of documents, their leaves, and rows of them.

A message is one JSON object, an array of them, or objects one a line. The readers of Vector,
Metricbeat and Fluent Bit turn a document into rows; `read_documents` makes samples of those.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from math import isinf
from typing import Any, NamedTuple

import msgspec

from engine.codecs.samples import (
    Limits,
    RejectedError,
    Sample,
    check_length,
    check_size,
    checked_series,
)
from engine.codecs.timestamps import rfc3339_ns
from engine.series.columns import Reject

_SHOWN_CHARACTERS_MAX = 100
_INTEGER_DIGITS_MAX = 400  # enough for what float64 holds; Python refuses to show very long ones


class NumberText(str):
    """A number of a JSON text as it stands there, with all its digits."""

    __slots__ = ()


Document = dict[str, Any]
"""A JSON object; its numbers are int or `NumberText`, which those with a point always are."""


class Row(NamedTuple):
    """A row of a document that is not checked yet; `value` is whatever the document holds."""

    name: str
    labels: Mapping[str, str]
    ts: int
    value: Any
    flags: int = 0


ReadDocument = Callable[[Document, Limits], list[Row]]
"""Gives the rows of a document, or raises `RejectedError` if it has none that can be used."""

_decode_document = msgspec.json.Decoder(float_hook=NumberText).decode
_decode_raw_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines
_encode = msgspec.json.encode
_unfit = re.compile("[^a-zA-Z0-9_:]")


def read_documents(
    payload: bytes, index: int, limits: Limits, read_document: ReadDocument
) -> tuple[list[Sample], list[Reject]]:
    """Read one message strictly.

    Parameters
    ----------
    payload : bytes
    index : int
        What the rejects say of the message's place.
    limits : Limits
    read_document : callable
        Reads one document.

    Returns
    -------
    samples : list of Sample
        In the order of documents and of the rows in each.
    rejects : list of Reject
        A document without rows is rejected with its bytes, a row as its name and value.
    """
    samples: list[Sample] = []
    rejects: list[Reject] = []
    try:
        for raw in _split(payload, limits):
            try:
                rows = read_document(_document(raw), limits)
            except RejectedError as error:
                rejects.append(error.reject(index, raw))
                continue
            for row in rows:
                try:
                    samples.append(_sample(row, limits))
                except RejectedError as error:
                    rejects.append(error.reject(index, _row_bytes(row)))
    except RejectedError as error:
        return [], [error.reject(index, None)]
    except RecursionError:  # nested just deeply enough to pass the first look
        return [], [Reject(index, "decode_error", "nested too deeply")]
    return samples, rejects


def _split(payload: bytes, limits: Limits) -> list[bytes]:
    """Check a message as a whole and give the bytes of its documents."""
    check_size(payload, limits)
    try:
        payload.decode()  # raw values are not checked for UTF-8
        lines = [bytes(line).strip() for line in _decode_raw_lines(payload)]
        if len(lines) == 1 and lines[0][:1] == b"[":
            return [bytes(item).strip() for item in _decode_raw_array(lines[0])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedError("decode_error", str(error)) from None
    if not lines:
        raise RejectedError("decode_error", "the message is empty")
    if any(line[:1] != b"{" for line in lines):
        raise RejectedError("schema_error", "the message is no object, array or lines of objects")
    return lines


def _document(raw: bytes) -> Document:
    """Decode a document of a message that is known to be JSON."""
    try:
        document = _decode_document(raw)
    except msgspec.ValidationError:  # an integer of thousands of digits, which becomes text here
        document = json.loads(raw, parse_int=_integer, parse_float=NumberText)
    if not isinstance(document, dict):
        raise RejectedError("schema_error", "the row is no object")
    return document


def _integer(text: str) -> int | NumberText:
    return int(text) if len(text) <= _INTEGER_DIGITS_MAX else NumberText(text)


def is_number(value: object) -> bool:
    """Tell whether a value is a number, which truth values are not."""
    return isinstance(value, int | NumberText) and not isinstance(value, bool)


def is_text(value: object) -> bool:
    """Tell whether a leaf is a string."""
    return isinstance(value, str) and not isinstance(value, NumberText)


def number_of(value: object, what: str) -> float:
    """Give a number as float64; one that is a float already may be anything.

    Raises
    ------
    RejectedError
        ``bad_value``: it is none, or beyond what a float64 holds.
    """
    if isinstance(value, float):
        return value
    if isinstance(value, int | NumberText) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if not isinf(number):
            return number
    raise RejectedError("bad_value", f"{what} is {shown(value)}, not a number within float64")


def shown(value: object) -> str:
    """Show a value of a document to people, shortened."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    return "missing" if value is None else repr(value)[:_SHOWN_CHARACTERS_MAX]


def rfc3339_timestamp_ns(value: object, what: str) -> int:
    """Read a timestamp that must be RFC 3339 text.

    Raises
    ------
    RejectedError
        ``bad_timestamp``.
    """
    if isinstance(value, str):  # the text of a number is no RFC 3339 either
        timestamp_ns = rfc3339_ns(value)
        if timestamp_ns is not None:
            return timestamp_ns
    raise RejectedError(
        "bad_timestamp", f"{what} is {shown(value)}, not RFC 3339 between 1970 and 2262"
    )


def sanitised(name: str) -> str:
    """Replace what is no ASCII letter, digit, underscore or colon by an underscore."""
    # Most names are fit, and an ASCII identifier always is.
    return name if name.isascii() and name.isidentifier() else _unfit.sub("_", name)


def checked_labels(labels: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """Sanitise the labels that all rows of a document share, and check them against the limits.

    Of names that become equal the last in sort order is kept. Empty values are dropped.

    Raises
    ------
    RejectedError
        ``limit``: so that a row does not have to carry what each would be refused for.
    """
    kept = {sanitised(label): value for label, value in sorted(labels.items()) if value}
    if len(kept) > limits.max_labels:
        raise RejectedError("limit", f"more than {limits.max_labels} labels")
    for label, value in kept.items():
        check_length("a label's name", label, limits)
        check_length(f"value of label {label[:_SHOWN_CHARACTERS_MAX]}", value, limits)
    return kept


def leaves_of(
    tree: Document, limits: Limits, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give path and value of each leaf in the document's order, without nulls.

    Truth values are given as 1 and 0. Arrays are passed over: the place of an element does not tell
    what it is.

    Raises
    ------
    RejectedError
        ``limit``: a path is longer than a name may be.
    """
    # A stack of its own: generators within generators would cost each leaf its depth.
    stack: list[tuple[tuple[str, ...], Iterator[tuple[str, Any]]]] = [(path, iter(tree.items()))]
    while stack:
        here, items = stack[-1]
        for key, value in items:
            if isinstance(value, dict):
                inner = (*here, key)
                if sum(map(len, inner)) + len(inner) > limits.max_label_bytes:
                    raise RejectedError("limit", "a path is longer than a name may be")
                stack.append((inner, iter(value.items())))
                break
            if value is not None and not isinstance(value, list):
                yield (*here, key), int(value) if isinstance(value, bool) else value
        else:
            stack.pop()


def _sample(row: Row, limits: Limits) -> Sample:
    series = checked_series(sanitised(row.name), dict(row.labels), limits)
    return Sample(series, row.ts, number_of(row.value, "value"), row.flags)


def _row_bytes(row: Row) -> bytes:
    """Make the dead letter of a row; its labels would only repeat what the others have."""
    return _encode({"name": row.name, "value": str(row.value)[:_SHOWN_CHARACTERS_MAX]})
