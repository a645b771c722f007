"""Names of keys that Bytewax spreads evenly over any number of workers.

Bytewax sends a key to worker ``SipHash-1-3(key) modulo workers``. A name is chosen for each key so
that its hash modulo 6720 is the key's number: then key i is on worker i modulo W for every W that
divides 6720 (1 to 8, 10, 12, 14 to 16, ...). Bytewax promises no hash: a test compares.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import kernel

BASE = 6720
_ROUND_WORDS = 4


@kernel
def _rotate(x: np.uint64, by: int) -> np.uint64:
    return (x << np.uint64(by)) | (x >> np.uint64(64 - by))


@kernel
def _round(v: NDArray[np.uint64]) -> None:
    v[0] += v[1]
    v[1] = _rotate(v[1], 13) ^ v[0]
    v[0] = _rotate(v[0], 32)
    v[2] += v[3]
    v[3] = _rotate(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = _rotate(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = _rotate(v[1], 17) ^ v[2]
    v[2] = _rotate(v[2], 32)


@kernel
def siphash13(data: NDArray[np.uint8]) -> np.uint64:
    """SipHash-1-3 (Aumasson, Bernstein 2012) with a zero key."""
    v = np.empty(_ROUND_WORDS, np.uint64)
    v[0] = np.uint64(0x736F6D6570736575)
    v[1] = np.uint64(0x646F72616E646F6D)
    v[2] = np.uint64(0x6C7967656E657261)
    v[3] = np.uint64(0x7465646279746573)
    words = len(data) // 8
    for w in range(words + 1):
        m = np.uint64(0)
        for i in range(8 * w, min(8 * w + 8, len(data))):
            m |= np.uint64(data[i]) << np.uint64(8 * (i - 8 * w))
        if w == words:
            m |= np.uint64(len(data) & 0xFF) << np.uint64(56)
        v[3] ^= m
        _round(v)
        v[0] ^= m
    v[2] ^= np.uint64(0xFF)
    for _ in range(3):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@kernel
def _find(prefix: NDArray[np.uint8], remainder: int, base: int) -> int:
    """Smallest n such that the hash of ``prefix + n`` has the remainder modulo base."""
    data = np.empty(len(prefix) + 21, np.uint8)
    data[: len(prefix)] = prefix
    n = 0
    while True:
        digits = 1
        while 10**digits <= n:
            digits += 1
        rest = n
        for i in range(digits):
            data[len(prefix) + digits - 1 - i] = 48 + rest % 10
            rest //= 10
        length = len(prefix) + digits
        data[length] = 0xFF
        if siphash13(data[: length + 1]) % np.uint64(base) == np.uint64(remainder):
            return n
        n += 1


def key_hash(key: str) -> int:
    """Hash that Bytewax gives a key: of its UTF-8 bytes followed by 0xFF."""
    return int(siphash13(np.frombuffer(key.encode() + b"\xff", np.uint8)))


@cache
def balanced_names(kind: str, count: int) -> tuple[str, ...]:
    """Give `count` names, ``<kind><i>.<n>``, that spread evenly."""
    names = []
    for i in range(count):
        prefix = f"{kind}{i}."
        n = _find(np.frombuffer(prefix.encode(), np.uint8), i % BASE, BASE)
        names.append(f"{prefix}{n}")
    return tuple(names)
