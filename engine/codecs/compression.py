"""Payloads that their producer compressed, undone without trusting what they say of their size."""

import zlib
from collections.abc import Callable
from typing import Literal

import cramjam
import numpy as np

from engine.codecs.samples import RejectedError

Compression = Literal["none", "gzip", "zstd", "snappy"]

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS  # 16 asks for gzip's header and checksum
# What lies behind a member is copied once per member, so that it must be short at every step.
_GZIP_STEP_BYTES = 1 << 14
_BUFFER_FULL = "failed to write whole buffer"
_LENGTH_BYTES_MAX = 5  # of a varint that holds 32 bits


def detect(payload: bytes) -> Compression:
    """Tell how a payload is compressed by its first bytes; a snappy block has none of its own."""
    if payload.startswith(_GZIP_MAGIC):
        return "gzip"
    return "zstd" if payload.startswith(_ZSTD_MAGIC) else "none"


def decompress(payload: bytes, compression: Compression, bytes_max: int) -> bytes:
    """Undo a compression.

    Parameters
    ----------
    payload : bytes
        Gzip members or zstd frames, at least one and nothing else behind them; or one snappy block.
    compression : str
        ``none`` gives the payload itself.
    bytes_max : int
        Longest result in bytes; what would be longer is given up as soon as it is seen.

    Raises
    ------
    RejectedError
        ``too_large``, or ``decode_error`` if the payload is corrupt.
    """
    return _METHODS[compression](payload, bytes_max)


def _too_large(bytes_max: int) -> RejectedError:
    return RejectedError("too_large", f"decompressed, it has more than {bytes_max} bytes")


def _corrupt(compression: Compression, error: object) -> RejectedError:
    return RejectedError("decode_error", f"{compression}: {error}")


def _keep(payload: bytes, bytes_max: int) -> bytes:
    if len(payload) > bytes_max:
        raise _too_large(bytes_max)
    return payload


def _gunzip(payload: bytes, bytes_max: int) -> bytes:
    decompressed = bytearray()
    position = 0
    while position < len(payload) or not position:
        position = _gunzip_member(payload, position, decompressed, bytes_max)
    return bytes(decompressed)


def _gunzip_member(payload: bytes, position: int, decompressed: bytearray, bytes_max: int) -> int:
    """Append one member's content; gives the position behind the member."""
    member = zlib.decompressobj(_GZIP_WINDOW_BITS)
    while not member.eof:
        step = payload[position : position + _GZIP_STEP_BYTES]
        if not step:
            raise _corrupt("gzip", "it ends too early")
        try:
            decompressed += member.decompress(step, bytes_max - len(decompressed) + 1)
        except zlib.error as error:
            raise _corrupt("gzip", error) from None
        if len(decompressed) > bytes_max:
            raise _too_large(bytes_max)
        position += len(step) - len(member.unused_data) - len(member.unconsumed_tail)
    return position


def _unzstd(payload: bytes, bytes_max: int) -> bytes:
    # Memory that is never written is never taken, so that short messages cost little here. The
    # library's own window, 128 MiB at most, is likewise written only as far as the result goes.
    buffer = np.empty(bytes_max, np.uint8)
    try:
        length = cramjam.zstd.decompress_into(payload, buffer.data)
    except cramjam.DecompressionError as error:
        if _BUFFER_FULL in str(error):
            raise _too_large(bytes_max) from None
        raise _corrupt("zstd", error) from None
    return buffer[:length].tobytes()


def _unsnap(payload: bytes, bytes_max: int) -> bytes:
    if _snappy_length(payload) > bytes_max:
        raise _too_large(bytes_max)
    try:
        return bytes(cramjam.snappy.decompress_raw(payload))
    except cramjam.DecompressionError as error:
        raise _corrupt("snappy", error) from None


def _snappy_length(payload: bytes) -> int:
    """Read the length that a block begins with."""
    length = 0
    for index, byte in enumerate(payload[:_LENGTH_BYTES_MAX]):
        length |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return length
    raise _corrupt("snappy", "it does not begin with a length")


_METHODS: dict[Compression, Callable[[bytes, int], bytes]] = {
    "none": _keep,
    "gzip": _gunzip,
    "zstd": _unzstd,
    "snappy": _unsnap,
}
