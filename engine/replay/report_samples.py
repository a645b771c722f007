"""What the rows kept of both sides look like: a line for each feature."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from engine.replay.report_html import Html, percent_text, shortened, table

FEATURES_MAX = 50
"""Features shown; those that moved come first."""

_NOTHING = "none"
_VALUE_MAX = 40
_QUARTILES = (0.25, 0.5, 0.75)
_WHOLE, _LARGE = 1e4, 1e9


@dataclass(frozen=True, slots=True)
class Samples:
    """Some rows of the reference and of an episode's window, a column for each feature."""

    reference: pl.DataFrame
    window: pl.DataFrame

    def features(self, first: Iterable[str] = (), most: int | None = None) -> list[str]:
        """Name features of either side: some first, then by their order, at most `most`."""
        present = dict.fromkeys((*self.reference.columns, *self.window.columns))
        ordered = dict.fromkeys((*(name for name in first if name in present), *present))
        return list(ordered)[:most]


def samples_table(samples: Samples, first: Iterable[str]) -> Html:
    """Compare both samples by feature."""
    return table(
        "Rows kept of all segments together: typical values, and the share without one",
        (
            *("Feature", "Kind", "Reference", "Window"),
            *("Missing in reference", "Missing in window"),
        ),
        (_row(samples, name) for name in samples.features(first, FEATURES_MAX)),
        numbers=frozenset({4, 5}),
    )


def _row(samples: Samples, name: str) -> tuple[str, ...]:
    sides = [
        side.get_column(name) if name in side.columns else None
        for side in (samples.reference, samples.window)
    ]
    kinds = dict.fromkeys(_kind(side) for side in sides if side is not None)
    return (
        shortened(name),
        " / ".join(kinds),
        *(_NOTHING if side is None else _typical(side) for side in sides),
        *("100 %" if side is None else _missing(side) for side in sides),
    )


def _kind(values: pl.Series) -> str:
    if values.dtype == pl.Boolean:
        return "true or false"
    return "number" if values.dtype.is_numeric() else "category"


def _typical(values: pl.Series) -> str:
    """Give the median and quartiles of numbers, the most frequent of other values."""
    present = values.drop_nulls()
    if not len(present):
        return _NOTHING
    if present.dtype.is_numeric():
        # Without interpolation: between infinities there is nothing.
        low, middle, high = np.quantile(present.to_numpy(), _QUARTILES, method="inverted_cdf")
        return f"{_number(middle)} ({_number(low)} to {_number(high)})"
    counted = present.cast(pl.String).alias("value").value_counts(name="rows")
    value, count = counted.sort(["rows", "value"], descending=[True, False]).row(0)
    return f"{shortened(value, _VALUE_MAX)} ({percent_text(count / len(present))})"


def _number(value: float) -> str:
    """Write four digits, and all of whole numbers of some size."""
    return f"{value:,.0f}" if _WHOLE <= abs(value) < _LARGE else f"{value:.4g}"


def _missing(values: pl.Series) -> str:
    return percent_text(values.null_count() / len(values)) if len(values) else _NOTHING
