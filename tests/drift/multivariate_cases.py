"""Columns for the tests of statistics of all features together."""

import numpy as np

from engine.codecs.predictions import Column, Kind

CITIES = ["ams", "ber", "cph", "dub", "edi"]


def numeric(matrix):
    """One numeric column for each of the matrix' columns."""
    return {
        f"x{place}": Column(Kind.NUMERIC, np.ascontiguousarray(values))
        for place, values in enumerate(matrix.T)
    }


def correlated(generator, rows, width, correlation):
    """Standard normal features; the first two are correlated, and look each like the others."""
    matrix = generator.standard_normal((rows, width))
    rest = np.sqrt(1.0 - correlation**2)
    matrix[:, 1] = correlation * matrix[:, 0] + rest * matrix[:, 1]
    return numeric(matrix)


def mixed(generator, rows, width=16):
    """One column of each kind, with nulls; the embedding has no vector in some rows."""
    numbers = generator.standard_normal(rows) * 30.0 + 500.0
    numbers[generator.random(rows) < 0.05] = np.nan
    lengths = np.floor(generator.exponential(80.0, rows))
    has = np.flatnonzero(generator.random(rows) < 0.8)
    vectors = generator.standard_normal((len(has), width)).astype(np.float32) + np.float32(0.5)
    return {
        "amount": Column(Kind.NUMERIC, numbers),
        "active": Column(Kind.BOOLEAN, generator.integers(-1, 2, rows).astype(np.int8)),
        "city": Column(
            Kind.CATEGORICAL, generator.integers(-1, len(CITIES), rows).astype(np.int32), CITIES
        ),
        "note": Column(Kind.TEXT, lengths),
        "vector": Column(Kind.EMBEDDING, vectors, rows=has),
    }


def take(columns, rows):
    return {name: column.take(rows) for name, column in columns.items()}


def cuts(generator, rows, pieces):
    """Cut rows into pieces, some of them perhaps empty: their indices."""
    places = np.sort(generator.integers(0, rows + 1, pieces - 1))
    return np.split(np.arange(rows), places)


def same_arrays(first, second):
    """Whether two mappings of arrays are the same, bit for bit."""
    return list(first) == list(second) and all(
        first[name].dtype == second[name].dtype
        and first[name].shape == second[name].shape
        and first[name].tobytes() == second[name].tobytes()
        for name in first
    )
