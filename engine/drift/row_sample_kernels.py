"""Hashes of rows: a sum over their values, so that neither order nor absent values matter."""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


@in_place
def mix(word: np.uint64) -> np.uint64:
    """Scatter the bits of a word (SplitMix64's finaliser: Steele, Lea, Flood, 2014)."""
    word = word + _STEP
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@in_place
def mix_all(words: NDArray[np.uint64], seed: np.uint64) -> None:
    """Scatter the bits of words, uint64[n], in place."""
    for row in range(len(words)):
        words[row] = mix(words[row] ^ seed)


@in_place
def add_value_hashes(
    values: NDArray[np.float64],
    bits: NDArray[np.uint64],
    seed: np.uint64,
    hashes: NDArray[np.uint64],
) -> None:
    """Add the hashes of values, float64[n] and their bits, to uint64[n]; NaN adds nothing."""
    for row in range(len(values)):
        if values[row] == values[row]:  # NaN is not
            hashes[row] += mix(bits[row] ^ seed)


@in_place
def add_code_hashes(
    codes: NDArray[np.int32],
    seed: np.uint64,
    hashes: NDArray[np.uint64],
) -> None:
    """Add the hashes of codes, int32[n], to uint64[n]; negative ones add nothing."""
    for row in range(len(codes)):
        if codes[row] >= 0:
            hashes[row] += mix(np.uint64(codes[row]) ^ seed)
