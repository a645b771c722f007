"""Hashes of rows by what they say, so that rows of one time and id have an order of their own."""

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def add_content(hashes: NDArray[np.uint64], name: str, column: Column) -> None:
    """Add what a column says to the hashes of its rows, uint64[n].

    Nulls add nothing: whether a table has a column that is null in a row depends on the other rows
    of its batch. Categories count by their names, since codes are those of a partition.
    """
    values = column.values
    if column.rows is not None:
        held = column.rows
        places = np.arange(values.shape[1], dtype=np.uint64) * _ODD
        said = _mixed(_bits(values) + places).sum(axis=1, dtype=np.uint64)
    elif column.kind is Kind.CATEGORICAL:
        held = np.flatnonzero(values >= 0)
        used, which = np.unique(values[held], return_inverse=True)
        said = np.array([_hash_of(column.names[code]) for code in used.tolist()], np.uint64)[which]
    elif column.kind is Kind.BOOLEAN:
        held = np.flatnonzero(values >= 0)
        said = values[held].astype(np.uint64)
    else:
        held = np.flatnonzero(~np.isnan(values))
        said = _bits(values[held])
    hashes[held] += _mixed(said ^ _hash_of(f"{column.kind.value}:{name}"))


def _bits(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Floats as their bits; -0.0 and 0.0 are one value."""
    return (values.astype(np.float64) + 0.0).view(np.uint64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finalise as SplitMix64 does (Steele, Lea, Flood, "Fast splittable PRNGs", 2014)."""
    values = values + _ODD
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


@lru_cache(maxsize=1 << 14)
def _hash_of(text: str) -> np.uint64:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))
