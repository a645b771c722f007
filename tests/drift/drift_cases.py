"""Random columns, a reference and a window each, that the golden scores were worked out for.

A case follows from its seed alone. `RandomState` gives the same numbers in every release of NumPy,
and what a mathematical library has had a hand in is rounded: the same bits come out everywhere.
"""

import zlib
from dataclasses import dataclass

import numpy as np

NUMERICAL, CATEGORICAL = "num", "cat"
GRID = 2.0**20
BOUNDARIES = (1000, 1001)
EXACT_ROWS = (10_000, 10_001)
COLOURS = ("amber", "blue", "cyan", "dun", "ecru", "fawn", "green")


@dataclass(frozen=True)
class DriftCase:
    """A column of a reference and of a window; nulls are NaN, infinite or None."""

    kind: str
    reference: np.ndarray
    window: np.ndarray


def make_case(seed):
    """Draw the case of a seed; families take turns."""
    rng = np.random.RandomState(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    return family(rng)


def checksum(seeds):
    """Number that tells whether the same cases come out as when the golden scores were made."""
    value = 0
    for seed in seeds:
        case = make_case(seed)
        for column in (case.reference, case.window):
            raw = repr(column.tolist()) if column.dtype == object else column.tobytes()
            value = zlib.crc32(raw.encode() if isinstance(raw, str) else raw, value)
    return value


def size(rng, most=400):
    return int(np.exp(rng.uniform(0.0, np.log(most))))


def rounded(values):
    return np.round(values * GRID) / GRID


def normal(rng, rows, mean=0.0, spread=1.0):
    return rounded(rng.standard_normal(rows) * spread + mean)


def with_nulls(rng, values, share):
    values = values.astype(np.float64)
    chosen = rng.uniform(size=len(values)) < share
    values[chosen] = rng.choice([np.nan, np.nan, np.nan, np.inf, -np.inf], chosen.sum())
    return values


def continuous(rng):
    shift, scale = rng.choice([0.0, 0.05, 0.5]), rng.choice([1.0, 1.0, 1.5])
    return DriftCase(
        NUMERICAL, normal(rng, size(rng, 1500)), normal(rng, size(rng, 1500), shift, scale)
    )


def nullable(rng):
    share = rng.choice([0.02, 0.3, 0.9])
    return DriftCase(
        NUMERICAL,
        with_nulls(rng, normal(rng, size(rng)), share),
        with_nulls(rng, normal(rng, size(rng), 0.2), rng.choice([0.0, share])),
    )


def tied(rng):
    step = rng.choice([4.0, 8.0, 64.0])
    reference, window = normal(rng, size(rng, 1500)), normal(rng, size(rng), 0.2)
    return DriftCase(NUMERICAL, np.round(reference * step) / step, np.round(window * step) / step)


def few_values(rng):
    """Around the numbers of distinct values at which the default test changes."""
    distinct = rng.choice([1, 2, 3, 4, 5, 6, 7])
    values = np.concatenate([[-0.0, 0.0, 0.25], np.arange(1.0, 8.0)])[: distinct + 1]
    rows, others = rng.choice([size(rng), *BOUNDARIES]), size(rng, 1500)
    reference = rng.choice(values, rows, p=weights(rng, len(values)))
    return DriftCase(NUMERICAL, reference, rng.choice(values, others, p=weights(rng, len(values))))


def weights(rng, number):
    drawn = rng.uniform(0.05, 1.0, number) ** 2
    return drawn / drawn.sum()


def around_bins(rng):
    """Around the 20 distinct reference values above which values are binned."""
    distinct = int(rng.choice([19, 20, 21, 22]))
    values = normal(rng, distinct)
    reference = rng.permutation(np.concatenate([values, rng.choice(values, size(rng))]))
    window = rng.choice(values, size(rng))
    if rng.uniform() < 0.5:
        window = np.concatenate([window, normal(rng, size(rng, 30), 0.5)])
    return DriftCase(NUMERICAL, reference, window)


def boundary_rows(rng):
    """References at the size where the default test changes, some only without their nulls."""
    rows = rng.choice(BOUNDARIES)
    reference = normal(rng, rows)
    if rng.uniform() < 0.5:
        reference = np.concatenate([reference, [np.nan, np.inf, -np.inf]])
    return DriftCase(NUMERICAL, rng.permutation(reference), normal(rng, size(rng), 0.1))


def integers(rng):
    """Whole numbers, as such or as floats: narrow ranges are binned differently."""
    reach = int(rng.choice([3, 10, 22, 30, 1000, 10**9]))
    reference = rng.randint(0, reach, size(rng, 2000)) - reach // 2
    window = rng.randint(0, reach, size(rng)) - reach // 3
    as_floats = rng.randint(0, 4)
    if as_floats & 1:
        reference = reference.astype(np.float64)
    if as_floats & 2:
        window = with_nulls(rng, window, 0.1)
    if rng.uniform() < 0.5:
        window = rng.choice(reference, len(window)).astype(window.dtype)
    return DriftCase(NUMERICAL, reference, window)


def constant(rng):
    reference = np.full(size(rng), rng.choice([0.0, 3.5, -1e9, 1e-9]))
    kind = rng.randint(0, 3)
    if kind == 0:
        window = np.full(size(rng), reference[0])
    elif kind == 1:
        window = np.full(size(rng), rng.choice([0.0, 3.5, 4.0]))
    else:
        window = normal(rng, size(rng), reference[0])
    if rng.uniform() < 0.5:
        reference, window = window, reference
    return DriftCase(NUMERICAL, reference, window)


def narrow(rng):
    """Deviations about and below 0.001, the least that distances are divided by."""
    spread = rng.choice([1e-5, 9e-4, 1e-3, 1.1e-3])
    rows = rng.choice([size(rng), 1200])
    reference = np.round(rng.standard_normal(rows) * 2**20) / 2**20 * spread
    window = np.round(rng.standard_normal(size(rng)) * 2**20) / 2**20 * spread
    return DriftCase(NUMERICAL, reference, window + rng.choice([0.0, 1e-4]))


def outlier(rng):
    """One extreme moves every bin's edge; with many rows a bin's share is below 1e-4."""
    rows = int(rng.choice([200, 1500, 9_999, 10_000], p=[0.4, 0.4, 0.1, 0.1]))
    reference = normal(rng, rows)
    window = normal(rng, size(rng, 1500), 0.1)
    far = rng.choice([-1.0, 1.0]) * rng.choice([10.0, 50.0, 1e4])
    side = window if rng.uniform() < 0.5 else reference
    side[rng.randint(0, len(side))] = far
    return DriftCase(NUMERICAL, reference, window)


def many_rows(rng):
    """Sizes at which the Kolmogorov-Smirnov test stops being exact; only some are that large."""
    if rng.uniform() < 0.8:
        return one_row(rng)
    rows = int(rng.choice([5, 40, 1000, 10_000]))
    others = int(rng.choice(EXACT_ROWS))
    shift = rng.choice([0.0, 0.01, 0.05, 0.3])
    columns = normal(rng, rows), normal(rng, others, shift)
    return DriftCase(NUMERICAL, *(columns if rng.uniform() < 0.5 else columns[::-1]))


def one_row(rng):
    columns = normal(rng, rng.choice([1, 2, 38, 39, size(rng)])), normal(rng, 1, 1.0)
    return DriftCase(NUMERICAL, *(columns if rng.uniform() < 0.7 else columns[::-1]))


def skewed(rng):
    reference = np.round(rng.standard_normal(size(rng, 1500)) * 64) / 64
    window = np.round(rng.standard_normal(size(rng)) * 64) / 64 + rng.choice([0.0, 0.25])
    return DriftCase(NUMERICAL, rounded(2.0**reference), rounded(2.0**window))


def alike(rng):
    """The same values on both sides, in the same shares: distances are zero but for rounding."""
    values = normal(rng, size(rng, 200)) if rng.uniform() < 0.5 else rng.randint(0, 9, size(rng))
    window = np.tile(values, rng.choice([1, 2, 3]))
    return DriftCase(NUMERICAL, values, rng.permutation(window))


def offset(rng):
    """Large numbers of little range, down to such that no bins fit between."""
    level = rng.choice([1e6, 1e12, 2.0**53, 1e17])
    columns = (level + np.round(normal(rng, size(rng, 1500)) * 64) / 64 for _ in range(2))
    return DriftCase(NUMERICAL, *columns)


def empty(rng):
    reference = normal(rng, size(rng))
    window = with_nulls(rng, normal(rng, size(rng)), 1.0) if rng.uniform() < 0.7 else reference[:0]
    columns = reference, window
    return DriftCase(NUMERICAL, *(columns if rng.uniform() < 0.5 else columns[::-1]))


def named(rng, distinct, rows, nulls, shift=0):
    names = [*COLOURS, *(f"colour {number:03}" for number in range(distinct))]
    places = rng.choice(distinct, rows, p=weights(rng, distinct)) + shift
    values = np.array([names[place] for place in places], object)
    values[rng.uniform(size=rows) < nulls] = None
    return values


def categories(rng):
    """Names, also new and vanished ones."""
    distinct = int(rng.choice([1, 2, 3, 4, 8, 40]))
    nulls = rng.choice([0.0, 0.2])
    rows = int(rng.choice([size(rng), 1000, 1001, 1100]))
    return DriftCase(
        CATEGORICAL,
        named(rng, distinct, rows, nulls),
        named(rng, distinct, size(rng), nulls, int(rng.choice([0, 0, 1, 2]))),
    )


def same_categories(rng):
    """Names drawn alike on both sides: what an unchanged column looks like."""
    distinct = int(rng.choice([2, 3, 6, 60]))
    chances = weights(rng, distinct)
    names = np.array([f"n{place}" for place in range(distinct)], object)
    rows, others = int(rng.choice([size(rng), 900, 1500])), size(rng, 1500)
    return DriftCase(
        CATEGORICAL, rng.choice(names, rows, p=chances), rng.choice(names, others, p=chances)
    )


def coded_categories(rng):
    """Numbers, also infinite ones, and truth values as categories."""
    distinct = int(rng.choice([1, 2, 3, 6]))
    rows, others = int(rng.choice([size(rng), 1001])), size(rng)
    reference = rng.choice(distinct, rows, p=weights(rng, distinct))
    window = rng.choice(distinct, others, p=weights(rng, distinct))
    form = rng.randint(0, 3)
    if form == 0:
        return DriftCase(CATEGORICAL, reference > 0, window > 0)
    if form == 1:
        window = with_nulls(rng, window, 0.2)
    return DriftCase(CATEGORICAL, reference, window)


def alike_categories(rng):
    """Names in the same shares on both sides."""
    values = named(rng, int(rng.choice([1, 2, 3, 5, 20, 100])), size(rng, 1500), 0.1)
    return DriftCase(CATEGORICAL, values, rng.permutation(np.tile(values, rng.choice([1, 2, 3]))))


FAMILIES = (
    *(continuous, nullable, tied, few_values, around_bins, boundary_rows, integers, constant),
    *(narrow, outlier, many_rows, skewed, alike, offset, empty),
    *(categories, same_categories, coded_categories, alike_categories),
)
