"""Random vectors for tests of operators: few labels, so that they meet, and odd values."""

import math

import numpy as np

from engine.promql.matrix import Matrix, Table

VALUES = (0.0, -0.0, 1.0, 2.0, 2.0, 0.1, -3.5, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan)
LABEL_VALUES = {
    "__name__": ("", "a", "b"),
    "__unit__": ("", "", "", "s"),
    "x": ("", "1", "2"),
    "y": ("", "1"),
    "z": ("1", "2"),
}


def made_table(random, rows):
    """Draw up to `rows` label sets."""
    drawn = set()
    for _ in range(rows):
        pairs = ((name, random.choice(values)) for name, values in LABEL_VALUES.items())
        drawn.add(tuple(pair for pair in pairs if pair[1]))
    return Table(sorted(drawn))


def made_matrix(random, rows, ticks, present=0.6, values=VALUES):
    """Draw a matrix over few label sets; what isn't present is arbitrary."""
    table = made_table(random, rows)
    shape = (len(table), ticks)
    drawn = [[random.choice(values) for _ in range(ticks)] for _ in table.labels]
    there = [[random.random() < present for _ in range(ticks)] for _ in table.labels]
    return Matrix(
        table, np.array(drawn, float).reshape(shape), np.array(there, bool).reshape(shape)
    )


def vector_at(matrix, tick):
    """Give what a matrix has at a tick, as a dict from labels in row order."""
    rows = enumerate(matrix.table.labels)
    return {
        labels: float(matrix.value[row, tick]) for row, labels in rows if matrix.present[row, tick]
    }


def exact(vector):
    """Make values comparable by bits, all NaN being one."""
    return {labels: "NaN" if math.isnan(value) else value.hex() for labels, value in vector.items()}


def is_table(table):
    """Tell whether label sets are sorted and unique."""
    return list(table.labels) == sorted(set(table.labels))
