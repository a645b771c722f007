"""Counters and histograms of LLM calls, by version and segment, for rules in PromQL.

All are sums of integers, so that neither the order of calls nor the cuts into batches matter, and
that what two workers have counted adds up to what one would have.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import OTHER, Column
from engine.drift.llm_layout import (
    CACHED,
    CALLS,
    CELLS,
    COST,
    HISTOGRAMS,
    INPUT,
    NAMED,
    OUTPUT,
    REASONING,
    REFUSALS,
    TOOL_CALLS,
    WIDTH,
    Cell,
    integers,
)
from engine.series.identity import Series

OTHER_SEGMENT = -1
"""Stands for all segments beyond `LlmCounters.segments_max`."""

NO_ERROR = "none"
_LARGEST = np.int64(2**63 - 1)

LabelsOf = Callable[[str, int], Mapping[str, str]]
"""Gives the labels of a version's segment; for the same two always the same."""


class NamedCounts:
    """Counts by category: int64[places, categories].

    Parameters
    ----------
    limit : int
        Categories; further ones count as `OTHER`.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.codes: dict[str, int] = {}
        self.counts = np.zeros((0, 0), np.int64)

    def fit(self, places: int, names: Sequence[str]) -> NDArray[np.int64]:
        """Make room for places and categories; gives the code of each category."""
        found = []
        for name in names:
            known = name in self.codes or len(self.codes) < self.limit
            found.append(self.codes.setdefault(name if known else OTHER, len(self.codes)))
        self.counts = _grown(self.counts, (places, len(self.codes)))
        return np.array(found, np.int64)

    def add(self, places: int, place: NDArray[np.int64], column: Column, skipped: str) -> None:
        """Count the categories of calls, int64[n] being their places; null is none."""
        held = np.flatnonzero(column.values >= 0)
        codes, which = np.unique(column.values[held], return_inverse=True)
        names = [column.names[code] for code in codes.tolist()]
        used = np.array([name != skipped for name in names], np.bool_)
        held, which = held[used[which]], (np.cumsum(used) - 1)[which[used[which]]]
        own = self.fit(places, [name for name in names if name != skipped])
        np.add.at(self.counts, (place[held], own[which]), 1)

    def merge(self, places: int, place: NDArray[np.int64], other: "NamedCounts") -> None:
        """Add what another has counted; int64[its places] says where."""
        own = self.fit(places, list(other.codes))
        rows, columns = other.counts.shape
        np.add.at(self.counts, (place[:rows, None], own[None, :columns]), other.counts)


class LlmCounters:
    """Counts of one service's calls since it was first met.

    Parameters
    ----------
    segments_max : int
        Pairs of version and segment; calls of further ones count as the version's `OTHER_SEGMENT`,
        and those of further versions as the version `OTHER`.
    categories_max : int
        Error types, and finish reasons; further ones count as `OTHER`.

    Attributes
    ----------
    places : dict of (str, int) to int
        Rows of versions and segments.
    counts : int64[places, WIDTH]
        See `engine.drift.llm_layout`.
    named : dict of str to NamedCounts
        By the names of `NAMED`.
    """

    def __init__(self, segments_max: int = 1000, categories_max: int = 50) -> None:
        self.segments_max = segments_max
        self.places: dict[tuple[str, int], int] = {}
        self.counts = np.zeros((0, WIDTH), np.int64)
        self.named = {name: NamedCounts(categories_max) for name in NAMED}
        self._made: dict[tuple[int, str], tuple[int, list[Series]]] = {}

    def __len__(self) -> int:
        return len(self.places)

    def add(
        self, version: str, segments: NDArray[np.int32], features: Mapping[str, Column]
    ) -> None:
        """Count calls.

        Parameters
        ----------
        version : str
        segments : int32[n]
            The segment of each call.
        features : mapping of str to Column
            The features of `LlmCodec`, n values each; what is missing is null.
        """
        numbers, which = np.unique(segments, return_inverse=True)
        place = self._claim([(version, number) for number in numbers.tolist()])[which]
        counts = self.counts
        np.add.at(counts[:, CALLS], place, 1)
        empty = np.full(len(place), np.nan)
        given = {name: column.values for name, column in features.items()}
        inputs = given.get("input_tokens", empty)
        amounts = (
            (INPUT, inputs),
            (OUTPUT, given.get("output_tokens", empty)),
            # Codecs give the share; input times share is a whole number again when it is rounded.
            (CACHED, given.get("cached_share", empty) * inputs),
            (REASONING, given.get("reasoning_tokens", empty)),
            (TOOL_CALLS, given.get("tool_calls", empty)),
            (COST, given.get("cost_usd", empty)),
        )
        for cell, values in amounts:
            np.add.at(counts[:, cell], place, integers(values, CELLS[cell].scale))
        if "refusal" in given:
            np.add.at(counts[:, REFUSALS], place, (given["refusal"] == 1).astype(np.int64))
        for histogram in HISTOGRAMS:
            values = given.get(histogram.feature, empty)
            held = np.flatnonzero(values >= 0)
            bucket = histogram.first + np.searchsorted(histogram.bounds, values[held])
            np.add.at(counts, (place[held], bucket), 1)
            np.add.at(counts[:, histogram.total], place, integers(values, histogram.scale))
        for name, (feature, _) in NAMED.items():
            if feature in features:
                self.named[name].add(len(counts), place, features[feature], NO_ERROR)
        self._wrap()

    def merge(self, other: "LlmCounters") -> None:
        """Add what another has counted: as if this one had been given those calls, too."""
        place = self._claim(list(other.places))
        np.add.at(self.counts, place, other.counts)
        for name, counts in other.named.items():
            self.named[name].merge(len(self.counts), place, counts)
        self._wrap()

    def series(self, labels: LabelsOf) -> tuple[list[Series], list[float]]:
        """Give all series and their values now.

        Histograms without a value yet are left out; buckets are cumulative, as Prometheus' are.

        Parameters
        ----------
        labels : callable
            Gives the labels beside those of the counters themselves, such as ``model``.
        """
        found: list[Series] = []
        values: list[float] = []
        for (version, segment), place in self.places.items():
            parts: list[tuple[str, Sequence[Cell], NDArray[np.int64]]] = [
                ("", CELLS, self.counts[place, : len(CELLS)])
            ]
            for histogram in HISTOGRAMS:
                counts = np.cumsum(self.counts[place, histogram.buckets])
                if counts[-1]:
                    total = self.counts[place, histogram.total]
                    numbers = np.concatenate((counts, [total, counts[-1]]))
                    parts.append((histogram.name, histogram.series(), numbers))
            for name, (_, label) in NAMED.items():
                named = self.named[name]
                if place < len(named.counts):
                    counted = [Cell(name, {label: category}) for category in named.codes]
                    parts.append((name, counted, named.counts[place]))
            for part, cells, numbers in parts:
                made = self._series((version, segment), place, part, cells, labels)
                used = np.flatnonzero(numbers) if part in NAMED else np.arange(len(cells))
                found += [made[index] for index in used.tolist()]
                scales = np.array([cells[index].scale for index in used.tolist()], np.float64)
                values += (numbers[used] / scales).tolist()
        return found, values

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Give copies of all counts, and their names as JSON values."""
        arrays = {"rows": self.counts.copy()}
        arrays |= {name: named.counts.copy() for name, named in self.named.items()}
        categories = {name: list(named.codes) for name, named in self.named.items()}
        return arrays, {"places": list(self.places), "categories": categories}

    def restore(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `snapshot` gave, before anything was counted."""
        self._made.clear()
        self.places = {
            (version, segment): place for place, (version, segment) in enumerate(meta["places"])
        }
        self.counts = arrays["rows"].copy()
        for name, named in self.named.items():
            named.codes = {text: code for code, text in enumerate(meta["categories"][name])}
            named.counts = arrays[name].copy()

    def _claim(self, keys: Sequence[tuple[str, int]]) -> NDArray[np.int64]:
        """Give the places of versions and segments, int64[k], with room for them."""
        found = []
        for version, segment in keys:
            key = version, segment
            if key not in self.places and len(self.places) >= self.segments_max:
                key = version, OTHER_SEGMENT
                # As many versions may have one of these as there are segments.
                if key not in self.places and len(self.places) >= 2 * self.segments_max:
                    key = OTHER, OTHER_SEGMENT
            found.append(self.places.setdefault(key, len(self.places)))
        self.counts = _grown(self.counts, (len(self.places), WIDTH))
        return np.array(found, np.int64)

    def _series(
        self,
        key: tuple[str, int],
        place: int,
        part: str,
        cells: Sequence[Cell],
        labels: LabelsOf,
    ) -> list[Series]:
        """Give the series of cells; they are made once."""
        known, made = self._made.get((place, part), (0, []))
        if known < len(cells):
            own = labels(*key)
            made = made + [Series.of(c.name, {**own, **c.labels}) for c in cells[known:]]
            self._made[place, part] = len(cells), made
        return made

    def _wrap(self) -> None:
        """Start counters that overflow anew from zero, which `rate` takes for a restart."""
        self.counts &= _LARGEST


def _grown(array: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Give a larger array with the same counts."""
    if array.shape == shape:
        return array
    grown = np.zeros(shape, np.int64)
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
