"""One pass of compiled code over joined Influx line protocol, for the forms that producers write.

The scan recognises a subset of what the strict reader accepts and gives the same rows for it. What
it is not sure about (escapes, quotes elsewhere than around a text field, repeated fields, missing
timestamps, anything malformed) it leaves to the strict reader, message by message.

Measurement, tags and field names are only delimited here: their bytes are parsed, and so checked,
when the table of `interning.py` meets them for the first time.
"""

from typing import Any

import numpy as np

from engine.codecs.interning import (
    LABELS_LENGTH,
    LABELS_START,
    NAME_LENGTH,
    NAME_START,
    equal_bytes,
    hash_bytes,
    load_word,
)
from engine.codecs.timestamps import TIMESTAMP_NS_MAX
from engine.kernels.jit import in_place
from engine.kernels.parse_float import parse_number

FIELD_BYTES_MIN = len("a=1,")
"""The shortest field, to bound the number of rows."""

_UNSURE = -1
_FIELDS_MAX = 256  # more in a line are left out: looking for repeated ones takes their square
_ASCII_END = 128
_INTEGER_BYTES_MAX = 18  # with a sign or not, no such integer overflows
_TIMESTAMP_DIGITS_MAX = 19
_SMALLEST_NORMAL = 2.2250738585072014e-308  # the library refuses what is below
_TEXT_FIELD = -1  # stands for the time of a row that must not stay

_NUL, _CARRIAGE_RETURN, _NEWLINE, _SPACE, _QUOTE, _HASH, _COMMA, _MINUS, _POINT, _ZERO, _NINE = (
    ord(character) for character in '\0\r\n "#,-.09'
)
_EQUAL, _BACKSLASH, _LOWER_I, _LOWER_U = (ord(character) for character in "=\\iu")
_LOWER_T, _UPPER_T, _LOWER_F, _UPPER_F = (ord(character) for character in "tTfF")
_TRUE_WORD, _TITLE_TRUE_WORD, _UPPER_TRUE_WORD = (
    int.from_bytes(text, "little") for text in (b"true", b"True", b"TRUE")
)
_FALSE_WORD, _TITLE_FALSE_WORD, _UPPER_FALSE_WORD = (
    int.from_bytes(text, "little") for text in (b"false", b"False", b"FALSE")
)


@in_place
def _key_end(buffer: Any, position: int) -> int:
    """Give the end of measurement and tags: the first space, if nothing odd comes before it."""
    begin = position
    while True:
        character = buffer[position]
        if character == _SPACE:
            return position if position > begin else _UNSURE
        if character <= _NEWLINE or character in (_BACKSLASH, _QUOTE):
            return _UNSURE
        position += 1


@in_place
def _name_end(buffer: Any, position: int) -> int:
    """Give the place of the equal sign behind a field's name of plain ASCII."""
    begin = position
    while True:
        character = buffer[position]
        if character == _EQUAL:
            return position if position > begin else _UNSURE
        if (
            character <= _SPACE
            or character >= _ASCII_END
            or character in (_COMMA, _BACKSLASH, _QUOTE)
        ):
            return _UNSURE
        position += 1


@in_place
def _text_end(buffer: Any, position: int) -> int:
    """Give the position behind a text's closing quote, if it is of plain ASCII."""
    while True:
        character = buffer[position]
        if character == _QUOTE:
            return position + 1
        if character < _SPACE or character >= _ASCII_END or character == _BACKSLASH:
            return _UNSURE
        position += 1


@in_place
def _comment_end(buffer: Any, position: int) -> int:
    """Give the place of the newline or NUL behind a comment of ASCII."""
    while True:
        character = buffer[position]
        if character in (_NEWLINE, _NUL):
            return position
        if character >= _ASCII_END:
            return _UNSURE
        position += 1


@in_place
def _only_digits(buffer: Any, position: int, end: int) -> bool:
    for index in range(position, end):
        if buffer[index] < _ZERO or buffer[index] > _NINE:
            return False
    return True


@in_place
def _only_zeros(buffer: Any, position: int, end: int) -> bool:
    """Tell whether a number is spelled with zeros, without an exponent."""
    for index in range(position, end):
        character = buffer[index]
        if character not in (_ZERO, _POINT, _MINUS):
            return False
    return True


@in_place
def _scan_boolean(buffer: Any, position: int) -> tuple[int, Any]:
    word = load_word(buffer, position)
    four = word & np.uint64(0xFFFFFFFF)
    if (
        four == np.uint64(_TRUE_WORD)
        or four == np.uint64(_TITLE_TRUE_WORD)
        or four == np.uint64(_UPPER_TRUE_WORD)
    ):
        return position + 4, 1.0
    five = word & np.uint64(0xFFFFFFFFFF)
    if (
        five == np.uint64(_FALSE_WORD)
        or five == np.uint64(_TITLE_FALSE_WORD)
        or five == np.uint64(_UPPER_FALSE_WORD)
    ):
        return position + 5, 0.0
    first = buffer[position]
    if first in (_LOWER_T, _UPPER_T):
        return position + 1, 1.0
    return (position + 1 if first in (_LOWER_F, _UPPER_F) else _UNSURE), 0.0


@in_place
def _scan_number(buffer: Any, begin: int) -> tuple[int, Any]:
    """Read a float, or an integer with its suffix; gives the next position and the value."""
    position, value = parse_number(buffer, begin)
    if position < 0:
        return _UNSURE, 0.0
    suffix = buffer[position]
    if suffix in (_LOWER_I, _LOWER_U):
        digits = begin + (suffix == _LOWER_I and buffer[begin] == _MINUS)
        if position - begin > _INTEGER_BYTES_MAX or not _only_digits(buffer, digits, position):
            return _UNSURE, 0.0
        return position + 1, value + 0.0  # an integer has no negative zero
    if abs(value) < _SMALLEST_NORMAL and not _only_zeros(buffer, begin, position):
        return _UNSURE, 0.0
    return position, value


@in_place
def _scan_value(buffer: Any, position: int) -> tuple[int, Any]:
    character = buffer[position]
    if character == _MINUS or _ZERO <= character <= _NINE:
        return _scan_number(buffer, position)
    return _scan_boolean(buffer, position)


@in_place
def _scan_timestamp(buffer: Any, position: int) -> tuple[int, int]:
    """Read decimal digits that an int64 holds, gives the next position and the number."""
    begin = position
    number = 0
    while _ZERO <= buffer[position] <= _NINE:
        # The library refuses the largest int64, so that ten times this limit is near enough.
        if position - begin == _TIMESTAMP_DIGITS_MAX or number >= TIMESTAMP_NS_MAX // 10:
            return _UNSURE, 0
        number = number * 10 + (buffer[position] - _ZERO)
        position += 1
    return (position if position > begin else _UNSURE), number


@in_place
def _is_repeated(buffer: Any, spans: Any, first: int, row: int) -> bool:
    """Tell whether a row's field has the name of an earlier one since `first`."""
    start, length = spans[row, NAME_START], spans[row, NAME_LENGTH]
    for other in range(first, row):
        if spans[other, NAME_LENGTH] == length and equal_bytes(
            buffer, spans[other, NAME_START], buffer, start, length
        ):
            return True
    return False


@in_place
def _scan_fields(
    buffer: Any, position: int, first: int, ts: Any, value: Any, spans: Any
) -> tuple[int, int]:
    """Read fields into rows from `first` on, text fields too; gives the space behind, next row."""
    row = first
    seen = np.uint64(0)
    while True:
        begin = position
        position = _name_end(buffer, begin)
        if position < 0 or row - first == _FIELDS_MAX:
            return _UNSURE, first
        spans[row, NAME_START] = begin
        spans[row, NAME_LENGTH] = position - begin
        # One bit of a hash: only names that share it are compared.
        name_hash = hash_bytes(buffer, begin, position - begin, 0)
        bit = np.uint64(1) << (name_hash >> np.uint64(58))
        if seen & bit != np.uint64(0) and _is_repeated(buffer, spans, first, row):
            return _UNSURE, first
        seen |= bit
        if buffer[position + 1] == _QUOTE:
            position = _text_end(buffer, position + 2)
            ts[row] = _TEXT_FIELD
        else:
            position, value[row] = _scan_value(buffer, position + 1)
            ts[row] = 0
        if position < 0:
            return _UNSURE, first
        row += 1
        if buffer[position] == _SPACE:
            return position, row
        if buffer[position] != _COMMA:
            return _UNSURE, first
        position += 1


@in_place
def _settle_rows(
    first: int, end: int, key_start: int, key_length: int, time_ns: int, ts: Any, value: Any,
    spans: Any,
) -> int:  # fmt: skip
    """Give a line's rows their time, measurement and tags, and close the gaps of text fields."""
    kept = first
    for row in range(first, end):
        if ts[row] == _TEXT_FIELD:
            continue
        value[kept] = value[row]
        spans[kept, NAME_START] = spans[row, NAME_START]
        spans[kept, NAME_LENGTH] = spans[row, NAME_LENGTH]
        spans[kept, LABELS_START] = key_start
        spans[kept, LABELS_LENGTH] = key_length
        ts[kept] = time_ns
        kept += 1
    return kept


@in_place
def _scan_line(
    buffer: Any, start: int, row: int, unit_ns: int, ts: Any, value: Any, spans: Any
) -> tuple[int, int]:
    """Read one line; gives the position behind its timestamp and the next free row."""
    key_end = _key_end(buffer, start)
    if key_end < 0:
        return _UNSURE, row
    position, end_row = _scan_fields(buffer, key_end + 1, row, ts, value, spans)
    if position < 0:
        return _UNSURE, row
    position, number = _scan_timestamp(buffer, position + 1)
    if position < 0 or number > TIMESTAMP_NS_MAX // unit_ns:
        return _UNSURE, row
    next_row = _settle_rows(
        row, end_row, start, key_end - start, number * unit_ns, ts, value, spans
    )
    # Without a row nobody would check measurement and tags.
    return (position if next_row > row else _UNSURE), next_row


@in_place
def _scan_message(
    buffer: Any, start: int, end: int, row: int, unit_ns: int, ts: Any, value: Any, spans: Any
) -> tuple[int, int]:
    """Read the lines of a message; gives its end if all went well, and the next free row."""
    position = start
    while position < end:
        character = buffer[position]
        if character == _HASH:
            position = _comment_end(buffer, position)
        elif character not in (_NEWLINE, _CARRIAGE_RETURN):
            position, row = _scan_line(buffer, position, row, unit_ns, ts, value, spans)
        if position < 0:
            return _UNSURE, row
        if buffer[position] == _CARRIAGE_RETURN:
            position += 1
        if position == end:
            return end, row
        if buffer[position] != _NEWLINE:
            return _UNSURE, row
        position += 1
    return position, row


@in_place
def scan(
    buffer: Any,
    lengths: Any,
    plain: Any,
    unit_ns: int,
    ts: Any,
    value: Any,
    message: Any,
    spans: Any,
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
    unit_ns : int64
        Nanoseconds of the timestamps' unit.
    ts : int64[c]
        Out: nanoseconds since the epoch. c is at least the number of fields, for example
        ``b // FIELD_BYTES_MIN + 1``.
    value : float64[c]
        Out: the sample.
    message : int32[c]
        Out: index of the row's message.
    spans : int64[c, 4]
        Out: where the field's name, and measurement with tags stand, as `IdentityTable.find` takes
        them for name and labels.

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
            position, next_row = _scan_message(buffer, start, end, rows, unit_ns, ts, value, spans)
            plain[index] = position == end
            if position == end:
                for row in range(rows, next_row):
                    message[row] = index
                rows = next_row
        start = end + 1
    return rows
