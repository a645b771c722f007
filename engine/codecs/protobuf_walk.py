"""Compiled helpers that walk over protobuf's wire format, for scans that must not make objects.

A position of -1 says that the bytes are malformed, or unusual enough that a library should judge
them. Nothing here recurses or reads at or behind `end`, whatever the bytes are.
"""

from typing import Any

import numpy as np

from engine.kernels.jit import in_place

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types; 3 and 4 are the groups of old, which no schema here has."""

BAD = -1
_VARINT_BYTES_MAX = 10


@in_place
def read_varint(buffer: Any, position: int, end: int) -> tuple[int, Any]:
    """Read an unsigned varint of at most ten bytes.

    Parameters
    ----------
    buffer : uint8[n]
    position : int64
        Where it begins.
    end : int64
        Nothing is read at or behind it.

    Returns
    -------
    next : int64
        The position behind it; -1 if it doesn't end before `end` or has more than 64 bits.
    value : uint64
    """
    value = np.uint64(0)
    shift = np.uint64(0)
    stop = min(end, position + _VARINT_BYTES_MAX)
    while position < stop:
        byte = np.uint64(buffer[np.uint64(position)])
        position += 1
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            # The tenth byte has room for one bit.
            if shift == np.uint64(63) and byte > np.uint64(1):
                return BAD, value
            return position, value
        shift += np.uint64(7)
    return BAD, value


@in_place
def read_tag(buffer: Any, position: int, end: int) -> tuple[int, Any, Any]:
    """Read the tag of a field, of one or two bytes: fields up to number 2047.

    Parameters
    ----------
    buffer : uint8[n]
    position, end : int64
        As in `read_varint`.

    Returns
    -------
    next : int64
        The position behind the tag; -1 if it is malformed or longer.
    field : int64
        The field's number, at least 1.
    wire_type : int64
    """
    if position >= end:
        return BAD, 0, 0
    tag = np.int64(buffer[np.uint64(position)])
    position += 1
    if tag >= 0x80:
        if position >= end:
            return BAD, 0, 0
        high = np.int64(buffer[np.uint64(position)])
        position += 1
        if high >= 0x80:
            return BAD, 0, 0
        tag = (tag & 0x7F) | high << 7
    if tag < 8:
        return BAD, 0, 0
    return position, tag >> 3, tag & 7


@in_place
def read_length(buffer: Any, position: int, end: int) -> tuple[int, Any]:
    """Read the length before a length-delimited field.

    Parameters
    ----------
    buffer : uint8[n]
    position, end : int64
        As in `read_varint`.

    Returns
    -------
    start : int64
        The position of the field's first byte; -1 if the field doesn't end by `end`.
    stop : int64
        The position behind its last byte; -1 likewise.
    """
    if position < end and buffer[np.uint64(position)] < 0x80:
        stop = position + 1 + np.int64(buffer[np.uint64(position)])
        return (position + 1, stop) if stop <= end else (BAD, BAD)
    start, length = read_varint(buffer, position, end)
    if start < 0 or length > np.uint64(end - start):
        return BAD, BAD
    return start, start + np.int64(length)


@in_place
def skip_field(buffer: Any, position: int, end: int, wire_type: int) -> int:
    """Skip the field whose tag was just read.

    Parameters
    ----------
    buffer : uint8[n]
    position, end : int64
        As in `read_varint`.
    wire_type : int64

    Returns
    -------
    int64
        The position behind the field; -1 if it is malformed, doesn't end by `end`, or is a group.
    """
    if wire_type == VARINT:
        return read_varint(buffer, position, end)[0]
    if wire_type == LENGTH_DELIMITED:
        return read_length(buffer, position, end)[1]
    if wire_type == FIXED64:
        return position + 8 if end - position >= 8 else BAD
    if wire_type == FIXED32:
        return position + 4 if end - position >= 4 else BAD
    return BAD


@in_place
def read_fixed64(buffer: Any, position: int) -> Any:
    """Read eight bytes, the first lowest; the caller knows that they are there.

    Parameters
    ----------
    buffer : uint8[n]
    position : int64

    Returns
    -------
    uint64
    """
    index = np.uint64(position)
    value = np.uint64(0)
    for byte in range(8):
        value |= np.uint64(buffer[index + np.uint64(byte)]) << np.uint64(8 * byte)
    return value


@in_place
def is_ascii(buffer: Any, start: int, stop: int) -> Any:
    """Tell whether a span holds only ASCII, which is valid UTF-8 without a closer look.

    Parameters
    ----------
    buffer : uint8[n]
    start, stop : int64
        The span.

    Returns
    -------
    bool
    """
    bits = np.uint8(0)
    for position in range(start, stop):
        bits |= buffer[np.uint64(position)]
    return bits < 0x80
