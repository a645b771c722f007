"""Series that scores become for rules, and what the newest alarm of each was about."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.protocol import SCORE_KINDS, Scores
from engine.detectors.signals import masks
from engine.kernels.jit import in_place, kernel
from engine.rules.queries import CONTEXT_WIDTH, Found
from engine.series.identity import Series
from engine.series.order import Rows
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

_MILLISECOND_NS = 1_000_000


@kernel
def latest_alarms(
    tick: NDArray[np.int64],
    slot: NDArray[np.int32],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    rows: NDArray[np.float64],
    onset: NDArray[np.float64],
    place: NDArray[np.int32],
    remembered: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Give for each (tick, slot) the newest row with an alarm at or before the tick, NaN if none.

    Results come slot by slot with ascending ticks, for one query after the other. `rows` and
    `remembered` (alarms from before this block; `place` says which is a slot's, -1 none) have the
    columns of `LeafRows.context`.
    """
    row = 0
    newest = -1
    for i in range(len(tick)):
        s = slot[i]
        if i == 0 or slot[i - 1] != s or tick[i] < tick[i - 1]:
            row = start[s]
            newest = -1
        while row < start[s + 1] and ts[row] <= tick[i]:
            if onset[row] > 1.0:
                newest = row
            row += 1
        if newest >= 0:
            out[i] = rows[newest]
        elif place[s] >= 0:
            out[i] = remembered[place[s]]
        else:
            out[i] = np.nan


@in_place
def last_alarms(
    start: NDArray[np.int64], onset: NDArray[np.float64], last: NDArray[np.int64]
) -> None:
    """Write each slot's last row with an alarm into `last`, -1 where it has none."""
    for s in range(len(start) - 1):
        last[s] = -1
        for row in range(start[s + 1] - 1, start[s] - 1, -1):
            if onset[row] > 1.0:
                last[s] = row
                break


@dataclass(frozen=True, slots=True)
class Watched:
    """A block's scores: `streams` aligned with all rows, `scores` with the watched ones."""

    rows: Rows
    chosen: NDArray[np.int64]
    scores: Scores
    streams: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    context: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, CONTEXT_WIDTH)))


def aligned(
    scores: NDArray[np.float64], chosen: NDArray[np.int64], rows: int
) -> NDArray[np.float64]:
    """Scores of chosen rows at the places of all; NaN at the others."""
    if len(scores) == rows:
        return scores
    found = np.full(rows, np.nan)
    found[chosen] = scores
    return found


class ScoreStreams:
    """The series that a part of the shard makes of its scores, ``anomaly_<kind>``.

    Parameters
    ----------
    key : str
        Names the part in streams and snapshots.
    detector : str
        The label's value.
    """

    def __init__(self, key: str, detector: str) -> None:
        self.key = key
        self.detector_name = detector
        # Of each slot: its number among those that have ever alarmed.
        self._alarm_of = SlotArrays({"alarm_of": np.array(-1, np.int32)})
        self._alarms = SlotArrays({"alarms": np.full(CONTEXT_WIDTH, np.nan)})

    def series(self, kind: str, watched: Series) -> Series:
        """The series that carries one kind of score of a watched series."""
        # What `Series.of` gives, without cleaning again what is clean.
        labels = dict(watched.labels)
        for name in ("metric", "detector"):
            if name in labels:  # as Prometheus does with labels that a scrape would overwrite
                labels[f"exported_{name}"] = labels[name]
        labels["metric"], labels["detector"] = watched.name, self.detector_name
        return Series(f"anomaly_{kind}", tuple(sorted(labels.items())))

    def kind_of(self, stream: str) -> str | None:
        """Kind of a stream if it is this detector's."""
        prefix, _, kind = stream.rpartition("|")
        return kind if prefix == self.key else None

    def streams_of(
        self, slots: NDArray[np.int32], series: list[Series], wants: Any
    ) -> list[tuple[str, NDArray[np.int32], list[Series]]]:
        """The series that are made of scored ones, by stream, where a query wants them."""
        if not series:
            return []
        return [
            (self.stream(kind), slots, [self.series(kind, item) for item in series])
            for kind in SCORE_KINDS
            if wants(f"anomaly_{kind}")
        ]

    def watched(
        self,
        rows: Rows,
        chosen: NDArray[np.int64],
        scores: Scores,
        values: NDArray[np.float64],
        signals: tuple[str, ...],
        factor: NDArray[np.float64] | None = None,
    ) -> "Watched":
        """Align scores of the chosen rows with all, as streams and as contexts of alarms.

        `values` are the chosen samples; `signals` the names of the scores' signals; `factor` what
        `engine.detectors.feedback.Boundaries.apply` gives.
        """
        streams = {
            self.stream(kind): aligned(getattr(scores, kind), chosen, len(rows))
            for kind in SCORE_KINDS
        }
        # Only rows with an alarm are ever asked what they were about.
        alarms = np.flatnonzero(scores.onset > 1)
        context = np.empty((len(rows), CONTEXT_WIDTH))
        context[chosen[alarms]] = np.column_stack(
            [
                rows.ts[chosen[alarms]] // _MILLISECOND_NS,
                values[alarms],
                scores.expected[alarms],
                scores.lower[alarms],
                scores.upper[alarms],
                masks(signals, scores.signals[:, alarms]),
                np.ones(len(alarms)) if factor is None else factor[alarms],
            ]
        )
        return Watched(rows, chosen, scores, streams, context)

    def context(self, watched: Watched, found: Found) -> NDArray[np.float64]:
        """What the newest alarm at each result's tick was about."""
        rows = watched.rows
        onset = watched.streams[self.stream("onset")]
        out = np.empty((len(found.tick), CONTEXT_WIDTH))
        latest_alarms(
            found.tick,
            found.slot,
            rows.start,
            rows.ts,
            watched.context,
            onset,
            self._alarm_of["alarm_of"],
            self._alarms["alarms"],
            out,
        )
        return out

    def remember_alarms(self, watched: Watched) -> None:
        """Keep what each series' newest alarm was about, for later ticks."""
        if not watched.streams:
            return
        onset = watched.streams[self.stream("onset")]
        if not (onset > 1.0).any():
            return
        last = np.empty(len(watched.rows.start) - 1, np.int64)
        last_alarms(watched.rows.start, onset, last)
        slots = np.flatnonzero(last >= 0)
        alarm_of = self._alarm_of["alarm_of"]
        new = slots[alarm_of[slots] < 0]
        known = len(self._alarms)
        alarm_of[new] = np.arange(known, known + len(new), dtype=np.int32)
        self._alarms.grow(known + len(new), len(self._alarm_of))
        self._alarms["alarms"][alarm_of[slots]] = watched.context[last[slots]]

    def alarm_tables(self) -> list[Table]:
        """The live arrays of alarms."""
        alarm_of = self._alarm_of["alarm_of"]
        return [Table({"alarm_of": alarm_of}), Table(self._alarms.arrays(), alarm_of)]

    def grow_alarms(self, slots: int, limit: int) -> None:
        """Have room for so many slots."""
        self._alarm_of.grow(slots, limit)

    def restore_alarms(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take the alarms of a checkpoint out of its arrays."""
        self._alarm_of["alarm_of"][:] = arrays.pop("alarm_of")
        self._alarms.restore({"alarms": arrays.pop("alarms")})

    def stream(self, kind: str) -> str:
        """Name of the stream of one kind of score."""
        return f"{self.key}|{kind}"
