"""One detector at work in a shard: the series it watches, its scores and the series it makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibration_kernels import CALIBRATION_BUCKET_NS
from engine.detectors.population import Population
from engine.detectors.protocol import Scores
from engine.events import ScoreBlock
from engine.kernels.jit import kernel
from engine.pipeline.plan import DetectorSpec, FlowPlan
from engine.rules.leaves import Found
from engine.series.columns import FLAG_STALE
from engine.series.identity import Series
from engine.series.order import Rows
from engine.series.pieces import Begun

KINDS = ("onset", "state", "expected", "lower", "upper")
"""The series a detector makes of each one it watches are named ``anomaly_<kind>``."""

_CONTEXT_WIDTH = 5
_MILLISECOND_NS = 1_000_000


@kernel
def latest_alarms(
    tick: NDArray[np.int64],
    slot: NDArray[np.int32],
    start: NDArray[np.int64],
    ts: NDArray[np.int64],
    rows: NDArray[np.float64],
    onset: NDArray[np.float64],
    remembered: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Give for each (tick, slot) the newest row with an alarm at or before the tick.

    Results come slot by slot with ascending ticks. `rows` and `remembered` (one row for each slot,
    from before this block) have the columns of `LeafRows.context`.
    """
    row = 0
    newest = -1
    for i in range(len(tick)):
        s = slot[i]
        if i == 0 or slot[i - 1] != s:
            row = start[s]
            newest = -1
        while row < start[s + 1] and ts[row] <= tick[i]:
            if onset[row] > 1.0:
                newest = row
            row += 1
        out[i] = rows[newest] if newest >= 0 else remembered[s]


@kernel
def remember_last_alarms(
    start: NDArray[np.int64],
    rows: NDArray[np.float64],
    onset: NDArray[np.float64],
    remembered: NDArray[np.float64],
) -> None:
    """Take each slot's last row with an alarm over into `remembered`."""
    for s in range(len(start) - 1):
        for row in range(start[s + 1] - 1, start[s] - 1, -1):
            if onset[row] > 1.0:
                remembered[s] = rows[row]
                break


@dataclass(frozen=True, slots=True)
class Watched:
    """A block's scores: `streams` aligned with all rows, `scores` with the watched ones."""

    rows: Rows
    chosen: NDArray[np.int64]
    scores: Scores
    streams: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    context: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, _CONTEXT_WIDTH)))


class Watch:
    """A detector of the configuration in one shard.

    Parameters
    ----------
    spec : DetectorSpec
    plan : FlowPlan
    """

    def __init__(self, spec: DetectorSpec, plan: FlowPlan) -> None:
        self.spec = spec
        self.key = f"watch|{spec.identity}"
        self.detector = spec.make()
        self.population = Population(plan.shards)
        self._places = np.empty(0, np.int32)
        self._watched = 0
        self._alarms = np.empty((0, _CONTEXT_WIDTH))
        self._scored_until = -(2**63)

    def meet(self, begun: Begun, *, own: bool) -> None:
        """Hear of series somewhere in the flow; `own` if they are this shard's."""
        self.population.add(begun.get(self.spec.number, {}), own=own)

    def grow(self, detectors: list[int], lookback: NDArray[np.int64]) -> None:
        """Take on new slots, given which detectors watch each, as bits.

        Writes this match's lookback where it has one.
        """
        chosen = (np.array(detectors, np.int64) >> self.spec.number & 1).astype(np.bool_)
        places = np.full(len(chosen), -1, np.int32)
        count = int(chosen.sum())
        places[chosen] = np.arange(self._watched, self._watched + count, dtype=np.int32)
        self._watched += count
        self._places = np.concatenate([self._places, places])
        more = np.full((len(chosen), _CONTEXT_WIDTH), np.nan)
        self._alarms = np.concatenate([self._alarms, more])
        self.detector.grow(self._watched)
        if self.spec.lookback_ns is not None:
            lookback[chosen] = self.spec.lookback_ns

    def series_of(
        self, slots: NDArray[np.int32], series: list[Series], wants: Any
    ) -> list[tuple[str, NDArray[np.int32], list[Series]]]:
        """The series that this detector makes of new ones, by stream, where a query wants them."""
        mine = self._places[slots] >= 0
        watched = [item for item, is_mine in zip(series, mine.tolist(), strict=True) if is_mine]
        if not watched:
            return []
        return [
            (self._stream(kind), slots[mine], [self.series(kind, item) for item in watched])
            for kind in KINDS
            if wants(f"anomaly_{kind}")
        ]

    def series(self, kind: str, watched: Series) -> Series:
        """The series that carries one kind of score of a watched series."""
        # What `Series.of` gives, without cleaning again what is clean.
        labels = dict(watched.labels)
        for name in ("metric", "detector"):
            if name in labels:  # as Prometheus does with labels that a scrape would overwrite
                labels[f"exported_{name}"] = labels[name]
        labels["metric"], labels["detector"] = watched.name, self.spec.name
        return Series(f"anomaly_{kind}", tuple(sorted(labels.items())))

    def kind_of(self, stream: str) -> str | None:
        """Kind of a stream if it is this detector's."""
        prefix, _, kind = stream.rpartition("|")
        return kind if prefix == self.key else None

    def score(self, rows: Rows) -> Watched:
        """Score a block, in as many calls as the share of the budget changes in it."""
        places = self._places[rows.slot]
        chosen = np.flatnonzero((places >= 0) & ((rows.flags & FLAG_STALE) == 0))
        if not len(chosen):
            nothing = np.empty(0)
            scores = Scores(nothing, nothing, nothing, nothing, nothing)
            streams = {self._stream(kind): np.full(len(rows), np.nan) for kind in KINDS}
            empty = np.empty((len(rows), _CONTEXT_WIDTH))
            return Watched(rows, chosen, scores, streams, empty)
        scores = self._score_by_share(places[chosen], rows.ts[chosen], rows.value[chosen])
        streams = {}
        for kind in KINDS:
            streams[self._stream(kind)] = self._aligned(getattr(scores, kind), chosen, len(rows))
        context = np.column_stack(
            [
                rows.ts // _MILLISECOND_NS,
                rows.value,
                *(streams[self._stream(kind)] for kind in ("expected", "lower", "upper")),
            ]
        )
        return Watched(rows, chosen, scores, streams, context)

    def context(self, watched: Watched, found: Found) -> NDArray[np.float64]:
        """What the newest alarm at each result's tick was about."""
        rows = watched.rows
        onset = watched.streams[self._stream("onset")]
        out = np.empty((len(found.tick), _CONTEXT_WIDTH))
        latest_alarms(
            found.tick, found.slot, rows.start, rows.ts, watched.context, onset, self._alarms, out
        )
        return out

    def remember_alarms(self, watched: Watched) -> None:
        """Keep what each series' newest alarm was about, for later ticks."""
        onset = watched.streams[self._stream("onset")]
        remember_last_alarms(watched.rows.start, watched.context, onset, self._alarms)

    def emitted(self, watched: Watched, series: Sequence[Series], emit: str) -> ScoreBlock:
        """The scores that go to the sinks: all, the anomalous ones, or none."""
        scores = watched.scores
        if emit == "all":
            wanted = np.arange(len(watched.chosen))
        elif emit == "none":
            wanted = np.empty(0, np.int64)
        else:
            wanted = np.flatnonzero((scores.onset > 1) | (scores.state > 1))
        rows = watched.chosen[wanted]
        used, index = np.unique(watched.rows.slot[rows], return_inverse=True)
        return ScoreBlock(
            self.spec.name,
            [series[slot] for slot in used.tolist()],
            index,
            watched.rows.ts[rows],
            watched.rows.value[rows],
            *(getattr(scores, kind)[wanted] for kind in KINDS),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return {"alarms": self._alarms, "places": self._places, **self.detector.arrays()}

    def meta(self) -> dict[str, Any]:
        """Everything that is no array."""
        return {
            "population": self.population.meta(),
            "scored_until": self._scored_until,
            "watched": self._watched,
        }

    def restore(self, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> None:
        """Go on from a checkpoint; all its series must have been added before."""
        self._alarms = arrays.pop("alarms")
        places = arrays.pop("places")
        if not np.array_equal(places, self._places):
            return  # the match is another one now: this detector warms up anew
        self.detector.restore(arrays)
        self.population.restore(meta["population"])
        self._scored_until = meta["scored_until"]

    def _stream(self, kind: str) -> str:
        return f"{self.key}|{kind}"

    @staticmethod
    def _aligned(
        scores: NDArray[np.float64], chosen: NDArray[np.int64], rows: int
    ) -> NDArray[np.float64]:
        if len(scores) == rows:
            return scores
        aligned = np.full(rows, np.nan)
        aligned[chosen] = scores
        return aligned

    def _score_by_share(
        self, place: NDArray[np.int32], ts: NDArray[np.int64], value: NDArray[np.float64]
    ) -> Scores:
        """Cut the block where a new series changes the share; mostly it is one piece."""
        first, last = int(ts.min()), int(ts.max())
        bucket = CALIBRATION_BUCKET_NS
        edges = self.population.changes(first, last, bucket)
        if not edges:
            share = self.population.share(first // bucket * bucket)
            return self.detector.score(place, ts, value, share)
        parts = [np.empty(len(ts)) for _ in KINDS]
        bounds = [first, *edges, last + 1]
        for begin, end in pairwise(bounds):
            here = np.flatnonzero((ts >= begin) & (ts < end))
            if not len(here):
                continue
            share = self.population.share(begin // bucket * bucket)
            scores = self.detector.score(place[here], ts[here], value[here], share)
            for part, kind in zip(parts, KINDS, strict=True):
                part[here] = getattr(scores, kind)
        return Scores(*parts)
