"""One pass of compiled code over joined remote write messages, in the order that producers write.

The scan recognises a subset of what the strict reader accepts: labels first, then samples, fields
of the schema only, times in range, no histograms. It leaves every other message to that reader.
Labels are only delimited here: they are parsed, and so checked, when they are met for the first
time. In 2.0 they are numbers of symbols, which mean something only within their message, so that
symbols get numbers for the codec's life first.
"""

from typing import Any

import numpy as np

from engine.codecs.interning import LABELS_LENGTH, LABELS_START, NAME_LENGTH, NAME_START
from engine.codecs.protobuf_walk import BAD, is_ascii, read_fixed64, read_length, read_varint
from engine.codecs.timestamps import MILLISECOND_NS, TIMESTAMP_NS_MAX
from engine.kernels.jit import in_place

ROW_BYTES_MIN = len(b"\x12\x00")
"""The shortest sample, to bound the number of rows."""
SERIES_BYTES_MIN = len(b"\x0a\x02\x12\x00")
"""The shortest time series with a sample, to bound their number."""
SYMBOL_BYTES_MIN = len(b"\x22\x00")
"""The shortest symbol, to bound their number."""

_LENGTH_BYTES_MAX = 5
_TIMESTAMP_MS_MAX = TIMESTAMP_NS_MAX // MILLISECOND_NS

# Tags: the field's number times eight, plus the wire type.
_VALUE, _TIMESTAMP, _START_TIMESTAMP = 0x09, 0x10, 0x18  # Sample
_LABELS, _SAMPLES = 0x0A, 0x12  # TimeSeries of 1.0 and 2.0
_EXEMPLARS_1 = 0x1A
_EXEMPLARS_2, _METADATA_2, _CREATED_2 = 0x22, 0x2A, 0x30
_TIMESERIES_1, _METADATA_1 = 0x0A, 0x1A  # WriteRequest
SYMBOLS_TAG, _TIMESERIES_2 = 0x22, 0x2A  # Request


@in_place
def _length(buffer: Any, position: int, end: int) -> tuple[int, int]:
    """As `read_length`, but unsure about lengths padded so far that the library refuses them."""
    start, stop = read_length(buffer, position, end)
    return (start, stop) if start - position <= _LENGTH_BYTES_MAX else (BAD, BAD)


@in_place
def _is_utf8(buffer: Any, position: int, stop: int) -> bool:
    """Check a span by table 3-7 of the Unicode standard."""
    while position < stop:
        lead = buffer[position]
        low, high = 0x80, 0xBF
        if lead < 0x80:
            position += 1
            continue
        if 0xC2 <= lead <= 0xDF:
            size = 2
        elif 0xE0 <= lead <= 0xEF:
            size = 3
            low = 0xA0 if lead == 0xE0 else low
            high = 0x9F if lead == 0xED else high
        elif 0xF0 <= lead <= 0xF4:
            size = 4
            low = 0x90 if lead == 0xF0 else low
            high = 0x8F if lead == 0xF4 else high
        else:
            return False
        if stop - position < size or not low <= buffer[position + 1] <= high:
            return False
        for offset in range(2, size):
            if buffer[position + offset] & 0xC0 != 0x80:
                return False
        position += size
    return True


@in_place
def _scan_sample(buffer: Any, position: int, end: int, row: int, ts: Any, bits: Any) -> int:
    """Read the sample behind its tag into `row`; gives the position behind it."""
    position, stop = _length(buffer, position, end)
    if position < 0:
        return BAD
    value_bits = np.uint64(0)
    milliseconds = np.uint64(0)
    while position < stop:
        tag = buffer[position]
        if tag == _VALUE and stop - position >= 9:
            value_bits = read_fixed64(buffer, position + 1)
            position += 9
        elif tag == _TIMESTAMP:
            position, milliseconds = read_varint(buffer, position + 1, stop)
        elif tag == _START_TIMESTAMP:
            position, _ = read_varint(buffer, position + 1, stop)
        else:
            return BAD
        if position < 0:
            return BAD
    if milliseconds > np.uint64(_TIMESTAMP_MS_MAX):
        return BAD
    bits[row] = value_bits
    ts[row] = np.int64(milliseconds) * MILLISECOND_NS
    return stop


@in_place
def _scan_samples(
    buffer: Any, position: int, end: int, second: bool, row: int, ts: Any, bits: Any
) -> int:
    """Read what follows a time series' labels; gives the next free row, -1 if unsure."""
    begin = row
    while position < end:
        tag = buffer[position]
        position += 1
        if tag == _SAMPLES:
            position = _scan_sample(buffer, position, end, row, ts, bits)
            row += 1
        elif tag == _CREATED_2 and second:
            position, _ = read_varint(buffer, position, end)
        elif tag in (_EXEMPLARS_2, _METADATA_2) if second else tag == _EXEMPLARS_1:
            _, position = _length(buffer, position, end)
        else:
            return BAD
        if position < 0:
            return BAD
    return row if row > begin else BAD


@in_place
def _scan_labels_1(buffer: Any, position: int, end: int, spans: Any, series: int) -> int:
    """Delimit the labels that a time series of 1.0 begins with; gives the position behind them."""
    begin = position
    while position < end and buffer[position] == _LABELS:
        _, position = _length(buffer, position + 1, end)
        if position < 0:
            return BAD
    spans[series, NAME_START] = begin
    spans[series, NAME_LENGTH] = 0
    spans[series, LABELS_START] = begin
    spans[series, LABELS_LENGTH] = position - begin
    return position


@in_place
def _scan_labels_2(
    buffer: Any, position: int, end: int, ids: Any, keys: Any, used: int
) -> tuple[int, int]:
    """Translate the references that a time series of 2.0 begins with to ids.

    Gives the position behind them and how much of `keys` is used then.
    """
    if position >= end or buffer[position] != _LABELS:
        return BAD, used
    position, stop = _length(buffer, position + 1, end)
    begin = used
    symbols = np.uint64(len(ids))
    while position < stop:
        reference = np.uint64(buffer[position])
        position += 1
        if reference >= np.uint64(0x80):
            position, reference = read_varint(buffer, position - 1, stop)
        if position < 0 or reference >= symbols:
            return BAD, used
        keys[used] = ids[reference]
        used += 1
    return (position if (used - begin) % 2 == 0 else BAD), used


@in_place
def scan_1(
    buffer: Any,
    lengths: Any,
    plain: Any,
    ts: Any,
    bits: Any,
    series_of_row: Any,
    spans: Any,
    message: Any,
) -> tuple[int, int]:
    """Read the rows of all messages of 1.0 that the scan is sure about.

    Parameters
    ----------
    buffer : uint8[b]
        The messages, and a few bytes of padding.
    lengths : int64[m]
        Bytes of each message.
    plain : bool[m]
        In: which messages to read. Out: those that were read, wholly.
    ts : int64[c]
        Out: nanoseconds since the epoch; c is at least ``b // ROW_BYTES_MIN``.
    bits : uint64[c]
        Out: the bits of the samples' values.
    series_of_row : int64[c]
        Out: index of the row's time series.
    spans : int64[s, 4]
        Out: where each time series' labels stand in `buffer`, as `IdentityTable.find` takes it; s
        is at least ``b // SERIES_BYTES_MIN``.
    message : int32[s]
        Out: index of the time series' message.

    Returns
    -------
    rows, series : int64
        How many there are.
    """
    rows, series = 0, 0
    end = 0
    for index in range(len(lengths)):
        position, end = end, end + lengths[index]
        row, next_series = rows, series
        while plain[index] and position < end:
            tag = buffer[position]
            position, stop = _length(buffer, position + 1, end)
            if position >= 0 and tag == _TIMESERIES_1:
                begin = row
                position = _scan_labels_1(buffer, position, stop, spans, next_series)
                if position >= 0:
                    row = _scan_samples(buffer, position, stop, False, row, ts, bits)
                    position = min(position, row)
                for sample in range(begin, row):
                    series_of_row[sample] = next_series
                message[next_series] = index
                next_series += 1
            elif tag != _METADATA_1:
                position = BAD
            plain[index] = position >= 0
            position = stop
        if plain[index]:
            rows, series = row, next_series
    return rows, series


@in_place
def scan_symbols(
    buffer: Any, lengths: Any, plain: Any, spans: Any, firsts: Any, behind: Any
) -> int:
    """Delimit the symbols that messages of 2.0 begin with.

    Parameters
    ----------
    buffer, lengths, plain
        As in `scan_1`.
    spans : int64[s, 4]
        Out: where each symbol stands, as `IdentityTable.find` takes it; s is at least
        ``b // SYMBOL_BYTES_MIN``.
    firsts : int64[m + 1]
        Out: number of each message's first symbol.
    behind : int64[m]
        Out: position behind each message's symbols.

    Returns
    -------
    int64
        How many symbols there are.
    """
    symbols = 0
    end = 0
    for index in range(len(lengths)):
        position, end = end, end + lengths[index]
        firsts[index] = symbols
        while plain[index] and position < end and buffer[position] == SYMBOLS_TAG:
            start, position = _length(buffer, position + 1, end)
            is_first = symbols == firsts[index]
            plain[index] = (
                position >= 0
                and (position == start or not is_first)
                and (is_ascii(buffer, start, position) or _is_utf8(buffer, start, position))
            )
            spans[symbols, NAME_START] = start
            spans[symbols, NAME_LENGTH] = 0
            spans[symbols, LABELS_START] = start
            spans[symbols, LABELS_LENGTH] = position - start
            symbols += plain[index]
        behind[index] = position
    firsts[len(lengths)] = symbols
    return symbols


@in_place
def scan_2(
    buffer: Any,
    lengths: Any,
    plain: Any,
    firsts: Any,
    behind: Any,
    ids: Any,
    keys: Any,
    ts: Any,
    bits: Any,
    series_of_row: Any,
    spans: Any,
    message: Any,
) -> tuple[int, int]:
    """Read the rows of all messages of 2.0 that the scan is sure about.

    Parameters
    ----------
    buffer, lengths, plain, ts, bits, series_of_row, message
        As in `scan_1`.
    firsts, behind
        As `scan_symbols` gave them.
    ids : uint32[s]
        What each symbol is called in `keys`.
    keys : uint32[k]
        Out: the ids of each time series' labels; k is at least b.
    spans : int64[s, 4]
        Out: where each time series' ids stand in the bytes of `keys`.

    Returns
    -------
    rows, series : int64
        How many there are.
    """
    rows, series, used = 0, 0, 0
    end = 0
    for index in range(len(lengths)):
        end += lengths[index]
        position = behind[index]
        row, next_series = rows, series
        own_ids = ids[firsts[index] : firsts[index + 1]]
        while plain[index] and position < end:
            tag = buffer[position]
            position, stop = _length(buffer, position + 1, end)
            if tag != _TIMESERIES_2:
                position = BAD
            if position >= 0:
                begin, first_key = row, used
                position, used = _scan_labels_2(buffer, position, stop, own_ids, keys, used)
                if position >= 0:
                    row = _scan_samples(buffer, position, stop, True, row, ts, bits)
                    position = min(position, row)
                for sample in range(begin, row):
                    series_of_row[sample] = next_series
                spans[next_series, NAME_START] = 4 * first_key
                spans[next_series, NAME_LENGTH] = 0
                spans[next_series, LABELS_START] = 4 * first_key
                spans[next_series, LABELS_LENGTH] = 4 * (used - first_key)
                message[next_series] = index
                next_series += 1
            plain[index] = position >= 0
            position = stop
        if plain[index]:
            rows, series = row, next_series
    return rows, series
