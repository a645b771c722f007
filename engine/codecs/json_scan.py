"""One pass of compiled code over joined native JSON messages, for the forms that producers write.

The scan recognises a subset of what the strict reader accepts and gives the same rows for it. What
it is not sure about (escapes outside of names and labels, repeated keys, nested values,
anything malformed) it leaves to the strict reader, message by message.

Names and labels are only delimited here: their bytes are parsed, and so checked, when the table of
`interning.py` meets them for the first time.
"""

from typing import Any

import numpy as np

from engine.codecs.interning import LABELS_LENGTH, LABELS_START, NAME_LENGTH, NAME_START, load_word
from engine.codecs.json_tokens import (
    CLOSE_BRACE,
    CLOSE_BRACKET,
    COLON,
    COMMA,
    OPEN_BRACE,
    OPEN_BRACKET,
    QUOTE,
    UNSURE,
    foreign_end,
    labels_end,
    plain_string_end,
    skip_space,
    string_token_end,
)
from engine.codecs.timestamps import MILLISECOND_NS, TIMESTAMP_NS_MAX, parse_rfc3339
from engine.kernels.jit import in_place
from engine.kernels.parse_float import parse_number

ROW_BYTES_MIN = len('{"ts":0,"name":"a","value":0}')
"""The shortest row that the scan accepts, to bound the number of rows."""

_ZERO, _NINE, _POINT, _LOWER_E, _UPPER_E = (ord(character) for character in "09.eE")

_TS, _NAME, _VALUE, _LABELS = 1, 2, 4, 8  # bits of the keys seen in a row
_REQUIRED = _TS | _NAME | _VALUE
_TS_WORD, _NAME_WORD, _VALUE_WORD, _LABELS_WORD = (
    int.from_bytes(key, "little") for key in (b'"ts"', b'"name"', b'"value"', b'"labels"')
)
_NAN_WORD, _INF_WORD, _PLUS_INF_WORD, _MINUS_INF_WORD = (
    int.from_bytes(text, "little") for text in (b'"NaN"', b'"Inf"', b'"+Inf"', b'"-Inf"')
)
_TS_MS_MAX = TIMESTAMP_NS_MAX // MILLISECOND_NS


@in_place
def _scan_key(buffer: Any, position: int) -> tuple[int, int]:
    """Read a key with its colon; gives its bit and the value's place, or 0 and where it began."""
    begin = position
    word = load_word(buffer, position)
    if word & np.uint64(0xFFFFFFFF) == np.uint64(_TS_WORD):
        key, position = _TS, position + 4
    elif word & np.uint64(0xFFFFFFFFFFFF) == np.uint64(_NAME_WORD):
        key, position = _NAME, position + 6
    elif word & np.uint64(0xFFFFFFFFFFFFFF) == np.uint64(_VALUE_WORD):
        key, position = _VALUE, position + 7
    elif word == np.uint64(_LABELS_WORD):
        key, position = _LABELS, position + 8
    else:
        return 0, begin
    position = skip_space(buffer, position)
    if buffer[position] != COLON:
        return 0, begin
    return key, skip_space(buffer, position + 1)


@in_place
def _scan_ts(buffer: Any, position: int) -> tuple[int, int]:
    """Read epoch milliseconds as an integer, or RFC 3339; gives the next position, nanoseconds."""
    if buffer[position] == QUOTE:
        end = plain_string_end(buffer, position + 1)
        if end < 0:
            return UNSURE, 0
        timestamp_ns = parse_rfc3339(buffer, position + 1, end)
        return (end + 1 if timestamp_ns >= 0 else UNSURE), timestamp_ns
    begin = position
    milliseconds = 0
    while _ZERO <= buffer[position] <= _NINE and position - begin < 14:
        milliseconds = milliseconds * 10 + (buffer[position] - _ZERO)
        position += 1
    if position == begin or milliseconds > _TS_MS_MAX:
        return UNSURE, 0
    if buffer[begin] == _ZERO and position > begin + 1:
        return UNSURE, 0
    character = buffer[position]
    if character in (_POINT, _LOWER_E, _UPPER_E):
        return UNSURE, 0
    return position, milliseconds * MILLISECOND_NS


@in_place
def _scan_value(buffer: Any, position: int) -> tuple[int, Any]:
    """Read a number or one of the texts for what JSON has no number; gives next position, value."""
    if buffer[position] != QUOTE:
        return parse_number(buffer, position)
    word = load_word(buffer, position)
    signed = word & np.uint64(0xFFFFFFFFFFFF)
    if signed == np.uint64(_MINUS_INF_WORD):
        return position + 6, -np.inf
    if signed == np.uint64(_PLUS_INF_WORD):
        return position + 6, np.inf
    unsigned = word & np.uint64(0xFFFFFFFFFF)
    if unsigned == np.uint64(_INF_WORD):
        return position + 5, np.inf
    return (position + 5 if unsigned == np.uint64(_NAN_WORD) else UNSURE), np.nan


@in_place
def _scan_row(buffer: Any, position: int, row: int, ts: Any, value: Any, spans: Any) -> int:
    """Read one row into the columns at `row`; gives the position behind it."""
    if buffer[position] != OPEN_BRACE:
        return UNSURE
    spans[row, LABELS_START] = position
    spans[row, LABELS_LENGTH] = 0
    seen = 0
    while True:
        key, position = _scan_key(buffer, skip_space(buffer, position + 1))
        if seen & key:
            return UNSURE
        seen |= key
        begin = position
        if key == 0:
            position = foreign_end(buffer, begin)
        elif key == _TS:
            position, ts[row] = _scan_ts(buffer, begin)
        elif key == _VALUE:
            position, value[row] = _scan_value(buffer, begin)
        elif key == _LABELS:
            position = labels_end(buffer, begin)
            spans[row, LABELS_START] = begin
            spans[row, LABELS_LENGTH] = position - begin
        else:
            position = string_token_end(buffer, begin)
            spans[row, NAME_START] = begin + 1
            spans[row, NAME_LENGTH] = position - begin - 2
        if position < 0:
            return UNSURE
        position = skip_space(buffer, position)
        if buffer[position] == CLOSE_BRACE:
            return position + 1 if seen & _REQUIRED == _REQUIRED else UNSURE
        if buffer[position] != COMMA:
            return UNSURE


@in_place
def _scan_message(
    buffer: Any, position: int, row: int, ts: Any, value: Any, spans: Any
) -> tuple[int, int]:
    """Read an object or an array of objects; gives the position behind it and the next free row."""
    position = skip_space(buffer, position)
    if buffer[position] != OPEN_BRACKET:
        position = _scan_row(buffer, position, row, ts, value, spans)
        if position < 0:
            return UNSURE, row
        return skip_space(buffer, position), row + 1
    position = skip_space(buffer, position + 1)
    if buffer[position] == CLOSE_BRACKET:
        return skip_space(buffer, position + 1), row
    while True:
        position = _scan_row(buffer, position, row, ts, value, spans)
        if position < 0:
            return UNSURE, row
        row += 1
        position = skip_space(buffer, position)
        if buffer[position] == CLOSE_BRACKET:
            return skip_space(buffer, position + 1), row
        if buffer[position] != COMMA:
            return UNSURE, row
        position = skip_space(buffer, position + 1)


@in_place
def scan(
    buffer: Any, lengths: Any, plain: Any, ts: Any, value: Any, message: Any, spans: Any
) -> int:
    """Read the rows of all messages that the scan is sure about.

    Parameters
    ----------
    buffer : uint8[b]
        The messages, each followed by `messages.SEPARATOR`, and a few bytes of padding.
    lengths : int64[m]
        Bytes of each message.
    plain : bool[m]
        In: which messages to read. Out: those that were read, wholly.
    ts : int64[c]
        Out: nanoseconds since the epoch. c is at least the number of rows, for example
        ``b // ROW_BYTES_MIN + 1``.
    value : float64[c]
        Out: the sample.
    message : int32[c]
        Out: index of the row's message.
    spans : int64[c, 4]
        Out: where name and labels stand, as `IdentityTable.find` takes it.

    Returns
    -------
    int64
        The number of rows.
    """
    rows = 0
    start = 0
    for index in range(len(lengths)):
        end = start + lengths[index]
        if plain[index]:
            position, next_row = _scan_message(buffer, start, rows, ts, value, spans)
            plain[index] = position == end
            if position == end:
                for row in range(rows, next_row):
                    message[row] = index
                rows = next_row
        start = end + 1
    return rows
