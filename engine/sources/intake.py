"""From decoded rows to a batch: wild clocks and late rows go out, new series are announced."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from engine.clock import elapsed_ns
from engine.detectors.population import EXACT_MAX
from engine.events import Reason
from engine.kernels.fingerprint_map import KEPT, FingerprintMap
from engine.series.columns import FLAG_DROPPED, Columns
from engine.series.identity import Series
from engine.series.pieces import Definition
from engine.sources.partition_clock import PartitionClock


@dataclass(slots=True)
class Taken:
    """Rows that go on, and what is new or was refused."""

    columns: Columns
    definitions: list[Definition] = field(default_factory=list)
    population: list[Definition] = field(default_factory=list)
    refused: list[tuple[int, Reason, str]] = field(default_factory=list)
    """(row, reason, detail) of rows that do not go on, as many as the rate allows."""
    counts: dict[Reason, int] = field(default_factory=dict)
    place: NDArray[np.uint64] | None = None
    """Where each row's series lives, see `Batch`."""


class DeadLetterRate:
    """Bounds how many dead letters are written per second of wall time; the rest are counted.

    A flood of bad records must not slow what is good.
    """

    def __init__(
        self, per_second: int, *, on_suppressed: Callable[[int], None] = lambda _: None
    ) -> None:
        self.per_second = per_second
        self.suppressed = 0
        self._on_suppressed = on_suppressed
        self._second = 0
        self._left = per_second

    def allow(self, wanted: int) -> int:
        """How many of `wanted` dead letters may be written now."""
        second = elapsed_ns() // 1_000_000_000
        if second != self._second:
            self._second, self._left = second, self.per_second
        allowed = min(wanted, self._left)
        self._left -= allowed
        if allowed < wanted:
            self.suppressed += wanted - allowed
            self._on_suppressed(wanted - allowed)
        return allowed


class Intake:
    """Event-time checks of one partition.

    Parameters
    ----------
    clock : PartitionClock
    max_ahead_ns : int
        How far a timestamp may lie ahead of its record's.
    detectors_of : callable
        Which detectors watch a series, as bits.
    rate : DeadLetterRate
    place_of : callable
        Fingerprint of the entity that a series lives with, None where it has none.
    undefined_max : int or None
        Of how many series it is remembered that they were announced but have no good row yet; None:
        of all, if the source itself bounds them. The codec must give a series again after so many
        others: what is forgotten here is met again then, and no row of it counts before.
    beginning_max : int or None
        Of how many series it is remembered that an earlier row may follow. More than the shards
        take in, so that all that is not remembered is refused there.
    """

    def __init__(
        self,
        clock: PartitionClock,
        *,
        max_ahead_ns: int,
        detectors_of: Callable[[Series], int],
        rate: DeadLetterRate,
        place_of: Callable[[Series], int | None] = lambda _: None,
        undefined_max: int | None = None,
        beginning_max: int | None = None,
    ) -> None:
        self.clock = clock
        self.rate = rate
        self._max_ahead_ns = max_ahead_ns
        self._detectors_of = detectors_of
        self._place_of = place_of
        self._places = FingerprintMap()
        self._places_max = sys.maxsize if beginning_max is None else beginning_max
        self._undefined: dict[int, Series] = {}
        self._beginning: dict[int, tuple[Definition, bool]] = {}
        self._undefined_max = sys.maxsize if undefined_max is None else undefined_max
        self._beginning_max = sys.maxsize if beginning_max is None else beginning_max
        self._announced = 0
        self._rows_since_pruning = 0

    def take(
        self,
        columns: Columns,
        new_series: list[Series],
        record_ts: NDArray[np.int64] | None = None,
    ) -> Taken:
        """Check rows in log order.

        Parameters
        ----------
        columns : Columns
        new_series : list of Series
            Series that the decoder met for the first time.
        record_ts : int64[n] or None
            Kafka timestamps of the rows' records, nanoseconds; without them no clock is wild.
        """
        for series in new_series:
            self._undefined[series.fingerprint] = series
        self._learn_places(new_series)
        taken = Taken(columns)
        rows = np.arange(len(columns))
        dropped = columns.flags & FLAG_DROPPED != 0
        if record_ts is not None:
            ahead = columns.ts > record_ts + self._max_ahead_ns
            if ahead.any():
                self._refuse(
                    taken, rows[ahead & ~dropped], Reason.BAD_TIMESTAMP,
                    "the timestamp is further ahead of the record's than time.max_ahead",
                )  # fmt: skip
                rows = rows[~ahead]
        # Rows to drop count as event time, so that a partition of nothing else holds nothing back.
        late = self.clock.late(columns.ts[rows])
        if late.any():
            self._refuse(
                taken, rows[late & ~dropped[rows]], Reason.LATE,
                "more than time.lateness behind the newest row of its partition",
            )  # fmt: skip
            rows = rows[~late]
        if dropped.any():
            rows = rows[~dropped[rows]]
        if len(rows) < len(columns):
            taken.columns = columns.take(rows)
        taken.place = self._places_of(taken.columns.fingerprint)
        if self._undefined or self._beginning:
            self._define(taken)
            self._forget(len(columns))
        return taken

    def _learn_places(self, new_series: list[Series]) -> None:
        """Remember which series live with an entity.

        Beyond the bound, which lies above that of the shards, a series is on its own.
        """
        room = self._places_max - len(self._places)
        found = ((series.fingerprint, self._place_of(series)) for series in new_series)
        placed = {own: place for own, place in found if place is not None}
        if placed:
            self._places.update(dict(islice(placed.items(), max(0, room))))

    def _places_of(self, fingerprint: NDArray[np.uint64]) -> NDArray[np.uint64] | None:
        if not len(self._places):
            return None
        place, state = self._places.find(fingerprint)
        return np.where(state == KEPT, place, fingerprint)

    def _place_if_known(self, fingerprint: int) -> int | None:
        place = self._places_of(np.array([fingerprint], np.uint64))
        return None if place is None else int(place[0])

    def _refuse(self, taken: Taken, rows: NDArray[np.int64], reason: Reason, detail: str) -> None:
        if not len(rows):
            return
        taken.counts[reason] = taken.counts.get(reason, 0) + len(rows)
        allowed = self.rate.allow(len(rows))
        taken.refused += [(row, reason, detail) for row in rows[:allowed].tolist()]

    def _define(self, taken: Taken) -> None:
        """Announce new series with their earliest good row, and again if an earlier one comes."""
        met = self._awaited(taken.columns.fingerprint)
        fingerprints, which = np.unique(taken.columns.fingerprint[met], return_inverse=True)
        earliest = np.full(len(fingerprints), np.iinfo(np.int64).max)
        np.minimum.at(earliest, which, taken.columns.ts[met])
        for fingerprint, ts in zip(fingerprints.tolist(), earliest.tolist(), strict=True):
            series = self._undefined.pop(fingerprint, None)
            if series is not None:
                definition = Definition(
                    series, ts, self._detectors_of(series), self._place_if_known(fingerprint)
                )
                everywhere = definition.detectors != 0 and self._announced < EXACT_MAX
                self._announced += everywhere
            else:
                known, everywhere = self._beginning[fingerprint]
                if ts >= known.first_ts:
                    continue
                definition = replace(known, first_ts=ts)
            room = len(self._beginning) < self._beginning_max or fingerprint in self._beginning
            if definition.detectors and room:
                self._beginning[fingerprint] = definition, everywhere
            taken.definitions.append(definition)
            if everywhere:
                taken.population.append(definition)

    def _awaited(self, fingerprint: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Rows of series that are undefined or beginning, found from the smaller side."""
        if len(self._undefined) + len(self._beginning) <= len(fingerprint):
            awaited = np.fromiter(chain(self._undefined, self._beginning), np.uint64)
            return np.flatnonzero(np.isin(fingerprint, awaited))
        undefined, beginning = self._undefined, self._beginning
        found = (key in undefined or key in beginning for key in fingerprint.tolist())
        return np.flatnonzero(np.fromiter(found, np.bool_, len(fingerprint)))

    def _forget(self, rows: int) -> None:
        """Keep the maps small, at a price per row that does not grow with them."""
        # The oldest have gone longest without a good row.
        excess = len(self._undefined) - self._undefined_max
        for fingerprint in list(islice(self._undefined, max(0, excess))):
            del self._undefined[fingerprint]
        self._rows_since_pruning += rows
        # Half, since where every row begins a series the map grows as fast as the rows come.
        if 2 * self._rows_since_pruning < len(self._beginning):
            return
        self._rows_since_pruning = 0
        # Nothing at or below the claim follows, so these have begun when they said.
        claim = self.clock.claim
        self._beginning = {
            key: item for key, item in self._beginning.items() if item[0].first_ts > claim
        }
