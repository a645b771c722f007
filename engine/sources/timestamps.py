"""Timestamps of a recording's column as nanoseconds, whatever the column holds.

Text is RFC 3339, a date, or ``YYYY-MM-DD HH:MM[:SS[.f]]``; what has no zone is UTC. Numbers (also
numbers as text) count from the epoch in a unit that is given, or told from the magnitude of the
first one.
"""

import polars as pl

UNITS_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}

# A number is told apart by magnitude if it means a moment in 1990 .. 2100 in exactly one unit.
PLAIN_FROM_S, PLAIN_TO_S = 631_152_000, 4_102_444_800

TEXT_FORMATS = (
    "%+",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f%#z",
)
# Int64 nanoseconds hold 1677-09-21 .. 2262-04-11; Polars wraps text outside without a word.
YEAR_FIRST, YEAR_LAST = "1678", "2261"

INT64_MAX = 2**63 - 1


def guess_unit(column: pl.Series) -> str | None:
    """Tell the unit of a numeric column, or of text that holds numbers, from its first value.

    Returns
    -------
    str or None
        ``s``, ``ms``, ``us`` or ``ns``; ``""`` if the column is dates, times or other text and
        needs no unit; None if it is numeric and the unit is not plain.
    """
    if not column.dtype.is_numeric() and column.dtype != pl.String:
        return ""
    first = column.drop_nulls().head(1).cast(pl.Float64, strict=False)
    if first.is_empty() or first[0] is None:
        return ""
    for unit, factor_ns in UNITS_NS.items():
        per_second = UNITS_NS["s"] // factor_ns
        if PLAIN_FROM_S * per_second <= first[0] <= PLAIN_TO_S * per_second:
            return unit
    return None


def to_nanoseconds(column: pl.Series, unit: str) -> pl.Series:
    """Give the column as Int64 nanoseconds since the epoch, null where it holds no such moment.

    Parameters
    ----------
    column : polars.Series
        Date, Datetime (with or without zone), integer, float or text.
    unit : str
        Unit of numbers: a key of `UNITS_NS`, or ``""`` if there are none to be expected.
        Fractional numbers are resolved to the microsecond (float64 holds no more).
    """
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us"))
    if isinstance(column.dtype, pl.Datetime):
        # The physical integer of a zone-aware column counts UTC, that of a naive one is taken so.
        return _scaled(column.cast(pl.Int64), UNITS_NS[column.dtype.time_unit])
    if column.dtype.is_numeric():
        return _numbers(column, unit)
    if column.dtype != pl.String:
        return pl.Series(column.name, [None] * len(column), dtype=pl.Int64)
    text = column.str.strip_chars()
    if not unit:
        return _texts(text)
    numbers = _numbers(text.cast(pl.Int64, strict=False), unit)
    if numbers.null_count():
        numbers = numbers.fill_null(_numbers(text.cast(pl.Float64, strict=False), unit))
    return numbers.fill_null(_texts(text)) if numbers.null_count() else numbers


def _numbers(column: pl.Series, unit: str) -> pl.Series:
    if not unit:
        return pl.Series(column.name, [None] * len(column), dtype=pl.Int64)
    factor_ns = UNITS_NS[unit]
    if not column.dtype.is_float():
        return _scaled(column.cast(pl.Int64, strict=False), factor_ns)
    if factor_ns <= UNITS_NS["us"]:
        return _scaled(column.round().cast(pl.Int64, strict=False), factor_ns)
    microseconds = (column.cast(pl.Float64) * (factor_ns // UNITS_NS["us"])).round()
    return _scaled(microseconds.cast(pl.Int64, strict=False), UNITS_NS["us"])


def _scaled(integers: pl.Series, factor_ns: int) -> pl.Series:
    """Multiply, with null instead of an overflow."""
    if factor_ns == 1:
        return integers
    limit = INT64_MAX // factor_ns
    frame = integers.to_frame()
    inside = pl.col(integers.name).is_between(-limit, limit)
    return frame.select(pl.when(inside).then(pl.col(integers.name) * factor_ns)).to_series()


def _texts(text: pl.Series) -> pl.Series:
    year = text.str.head(4)
    inside = (year >= YEAR_FIRST) & (year <= YEAR_LAST)
    text = text.to_frame("text").select(pl.when(inside).then(pl.col("text"))).to_series()
    parsed = pl.Series(text.name, [None] * len(text), dtype=pl.Int64)
    for pattern in TEXT_FORMATS:
        if parsed.null_count() == text.null_count():
            break
        moments = text.str.to_datetime(pattern, strict=False, time_unit="ns")
        parsed = parsed.fill_null(moments.cast(pl.Int64))
    return parsed
