"""A window's summary against its reference's: distances with p-values, and shares."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engine.codecs.predictions import Kind
from engine.drift.compare_counts import (
    COUNTED,
    Counts,
    coarse_bins,
    counts_distance,
    joined,
    without_empty,
)
from engine.drift.compare_detail import details
from engine.drift.compare_novelty import out_of_range_statistic, unseen_statistic
from engine.drift.compare_numbers import FineDistances, fine_distances, positions
from engine.drift.compare_shares import gauges_of, rows_out_of_range, share_statistic
from engine.drift.findings import FeatureDrift, Statistic
from engine.drift.significance import (
    counts_p_value,
    ks_p_value,
    wasserstein_p_value,
)
from engine.drift.summary import FeatureCounts, Summary
from engine.errors import UsageError

Methods = Mapping[Kind, Sequence[str]]

ROWS_MIN = 50
"""Windows and references of fewer rows aren't compared."""

_NUMERIC = ("ks", "wasserstein", *COUNTED, "missing", "out_of_range")

METHODS: Methods = {
    Kind.NUMERIC: _NUMERIC,
    Kind.TEXT: _NUMERIC,
    Kind.CATEGORICAL: (*COUNTED, "z", "missing", "unseen"),
    Kind.BOOLEAN: (*COUNTED, "z", "missing"),
}
"""All that a kind of feature can be compared by."""

DEFAULT_METHODS: Methods = {
    Kind.NUMERIC: ("ks", "psi", "missing"),
    Kind.TEXT: ("ks", "psi", "missing"),
    Kind.CATEGORICAL: ("chi_square", "missing", "unseen"),
    Kind.BOOLEAN: ("z", "missing"),
}


def check_methods(methods: Methods) -> None:
    """Check names of methods.

    Raises
    ------
    UsageError
        If a kind has no such method.
    """
    for kind, names in methods.items():
        known = METHODS.get(kind, ())
        for name in names:
            if name not in known:
                has = f"there are {', '.join(known)}" if known else "it has none here"
                raise UsageError(f"{kind} features have no drift method {name!r}; {has}")


def compare(
    reference: Summary,
    window: Summary,
    *,
    methods: Methods = DEFAULT_METHODS,
    rows_min: int = ROWS_MIN,
    names: Mapping[str, Sequence[str]] | None = None,
    detail: bool = False,
) -> tuple[FeatureDrift, ...]:
    """Compare a window with its reference, feature by feature.

    Parameters
    ----------
    reference, window : Summary
        On the same grid.
    methods : mapping of Kind to sequence of str
        By which to compare; a kind that is left out has its default ones. See `METHODS`.
        ``missing``, ``unseen`` and ``out_of_range`` have differences of shares as scores, and so
        has ``z``, of true values or of the first of two categories.
    rows_min : int
        With fewer values on either side a feature has no statistics of its values, and with fewer
        rows on either side none of its nulls.
    names : mapping of str to sequence of str
        Categories by code, for `detail`.
    detail : bool
        Whether to find the values that moved most, and the picture.

    Returns
    -------
    tuple of FeatureDrift
        In the grid's order.

    Raises
    ------
    ValueError
        If the grids differ.
    """
    if not reference.grid.same_as(window.grid):
        raise ValueError("summaries on different grids can't be compared")
    return tuple(
        _drift(
            *(reference.feature(name), window.feature(name)),
            methods.get(grid.kind, DEFAULT_METHODS[grid.kind]),
            rows_min,
            (names or {}).get(name, ()) if detail else None,
        )
        for name, grid in reference.grid.features.items()
    )


def _drift(
    reference: FeatureCounts,
    window: FeatureCounts,
    methods: Sequence[str],
    rows_min: int,
    names: Sequence[str] | None,
) -> FeatureDrift:
    moved, picture = ((), None) if names is None else details(reference, window, names)
    return FeatureDrift(
        reference.grid.name,
        reference.grid.kind,
        window.rows,
        reference.rows,
        tuple(_statistics(reference, window, methods, rows_min)),
        gauges_of(reference, window),
        moved,
        picture,
    )


def _statistics(
    reference: FeatureCounts, window: FeatureCounts, methods: Sequence[str], rows_min: int
) -> list[Statistic]:
    """Statistics in the order of the methods; those that say nothing here are left out."""
    found: list[Statistic | None] = []
    has_values = min(reference.rows, window.rows) >= max(rows_min, 1)
    pair = _Pair(reference, window)
    for method in methods:
        if method == "missing":
            if min(reference.offered, window.offered) >= max(rows_min, 1):
                found.append(
                    share_statistic(
                        *("missing", window.missing, window.offered),
                        *(reference.missing, reference.offered),
                    )
                )
        elif has_values:
            found.append(pair.statistic(method))
    return [one for one in found if one is not None]


class _Pair:
    """Two features' counts, and what several methods need of them."""

    def __init__(self, reference: FeatureCounts, window: FeatureCounts) -> None:
        self._reference = reference
        self._window = window
        self._fine: FineDistances | None = None
        self._counts: tuple[Counts, Counts] | None = None

    def statistic(self, method: str) -> Statistic | None:
        if method in COUNTED:
            own, other = self._joined()
            score = counts_distance(method, own, other)
            return Statistic(method, score, counts_p_value(method, score, own, other))
        if method == "z":
            return self._z()
        special: dict[str, Callable[[], Statistic]] = {
            "ks": self._ks,
            "wasserstein": self._wasserstein,
            "unseen": self._unseen,
            "out_of_range": self._out_of_range,
        }
        return special[method]()

    def _ks(self) -> Statistic:
        found = self._distances()
        chance = ks_p_value(found.gap, self._window.rows, self._reference.rows)
        return Statistic("ks", found.ks, chance)

    def _wasserstein(self) -> Statistic:
        fine, own, other = self._distances(), self._reference, self._window
        chance = wasserstein_p_value(
            fine.wasserstein,
            own.counts.astype(np.int64),
            other.counts.astype(np.int64),
            positions(other),
            fine.spread,
        )
        return Statistic("wasserstein", fine.wasserstein, chance)

    def _unseen(self) -> Statistic:
        own, other = self._reference.counts, self._window.counts
        return unseen_statistic(own.astype(np.int64), other.astype(np.int64))

    def _out_of_range(self) -> Statistic:
        own, other = self._reference, self._window
        hits, reference_hits = rows_out_of_range(other), rows_out_of_range(own)
        if not reference_hits:
            return out_of_range_statistic(hits, other.rows, own.rows)
        # The grid is another reference's, and so its range is not chosen by looking at this one.
        return share_statistic("out_of_range", hits, other.rows, reference_hits, own.rows)

    def _z(self) -> Statistic | None:
        """Of true values, or of the first of two categories; nothing with more or fewer."""
        own, other = self._reference.counts, self._window.counts
        place = 1
        if self._reference.grid.kind is not Kind.BOOLEAN:
            filled = np.flatnonzero((own > 0) | (other > 0))
            if len(filled) != 2:
                return None
            place = int(filled[0])
        rows = self._window.rows, self._reference.rows
        return share_statistic("z", int(other[place]), rows[0], int(own[place]), rows[1])

    def _distances(self) -> FineDistances:
        if self._fine is None:
            self._fine = fine_distances(self._reference, self._window)
        return self._fine

    def _joined(self) -> tuple[Counts, Counts]:
        """Counts of the coarse bins or categories that either side has filled."""
        if self._counts is None:
            own, other = self._reference.counts, self._window.counts
            if self._reference.grid.is_numeric:
                bins = coarse_bins(self._reference.grid, own)
                number = int(bins.max()) + 1
                both = joined(own, bins, number), joined(other, bins, number)
            else:
                both = own.astype(np.int64), other.astype(np.int64)
            self._counts = without_empty(*both)
        return self._counts
