"""One detector at work in a shard: the series it watches, its scores and the series it makes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibration_kernels import CALIBRATION_BUCKET_NS
from engine.detectors.population import Population
from engine.detectors.protocol import SCORE_KINDS, Scores
from engine.detectors.signals import masks
from engine.events import ScoreBlock
from engine.kernels.jit import in_place, kernel
from engine.pipeline.plan import DetectorSpec, FlowPlan
from engine.rules.queries import CONTEXT_WIDTH, Found
from engine.series.columns import FLAG_STALE
from engine.series.identity import Series
from engine.series.order import Rows
from engine.series.pieces import Begun
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

_POPULATION = "population|"
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


def _by_place(table: Table, places: NDArray[np.int32]) -> Table:
    """A detector's table, whose slots are the watched series, as one of the shard's slots."""
    if table.row_of_slot is None:
        return replace(table, row_of_slot=places)
    rows = np.full(len(places), -1, np.int32)
    watched = places >= 0
    rows[watched] = table.row_of_slot[places[watched]]
    return replace(table, row_of_slot=rows)


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
        # Of each slot: its number among those watched, and among those that have ever alarmed.
        self._slots = SlotArrays(
            {"places": np.array(-1, np.int32), "alarm_of": np.array(-1, np.int32)}
        )
        self._watched = 0
        self._alarms = SlotArrays({"alarms": np.full(CONTEXT_WIDTH, np.nan)})

    def meet(self, begun: Begun, *, own: bool) -> None:
        """Hear of series somewhere in the flow; `own` if they are this shard's."""
        self.population.add(begun.get(self.spec.number, {}), own=own)

    def grow(self, detectors: list[int], lookback: NDArray[np.int64], limit: int) -> None:
        """Take on new slots, given which detectors watch each, as bits.

        Writes this match's lookback where it has one. `limit` is how many slots there may be.
        """
        chosen = (np.array(detectors, np.int64) >> self.spec.number & 1).astype(np.bool_)
        first, count = len(self._slots), int(chosen.sum())
        self._slots.grow(first + len(chosen), limit)
        places = np.arange(self._watched, self._watched + count, dtype=np.int32)
        self._slots["places"][first:][chosen] = places
        self._watched += count
        if count:
            self.detector.grow(self._watched, limit)
        if self.spec.lookback_ns is not None:
            lookback[chosen] = self.spec.lookback_ns

    def series_of(
        self, slots: NDArray[np.int32], series: list[Series], wants: Any
    ) -> list[tuple[str, NDArray[np.int32], list[Series]]]:
        """The series that this detector makes of new ones, by stream, where a query wants them."""
        mine = self._slots["places"][slots] >= 0
        watched = [item for item, is_mine in zip(series, mine.tolist(), strict=True) if is_mine]
        if not watched:
            return []
        return [
            (self._stream(kind), slots[mine], [self.series(kind, item) for item in watched])
            for kind in SCORE_KINDS
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
        places = self._slots["places"][rows.slot]
        chosen = np.flatnonzero((places >= 0) & ((rows.flags & FLAG_STALE) == 0))
        if not len(chosen):
            scores = Scores.empty(len(self.detector.signals))
            streams = {self._stream(kind): np.full(len(rows), np.nan) for kind in SCORE_KINDS}
            empty = np.empty((len(rows), CONTEXT_WIDTH))
            return Watched(rows, chosen, scores, streams, empty)
        scores = self._score_by_share(places[chosen], rows.ts[chosen], rows.value[chosen])
        streams = {}
        for kind in SCORE_KINDS:
            streams[self._stream(kind)] = self._aligned(getattr(scores, kind), chosen, len(rows))
        context = np.column_stack(
            [
                rows.ts // _MILLISECOND_NS,
                rows.value,
                *(streams[self._stream(kind)] for kind in ("expected", "lower", "upper")),
                self._aligned(masks(self.detector.signals, scores.signals), chosen, len(rows)),
            ]
        )
        return Watched(rows, chosen, scores, streams, context)

    def context(self, watched: Watched, found: Found) -> NDArray[np.float64]:
        """What the newest alarm at each result's tick was about."""
        rows = watched.rows
        onset = watched.streams[self._stream("onset")]
        out = np.empty((len(found.tick), CONTEXT_WIDTH))
        latest_alarms(
            found.tick,
            found.slot,
            rows.start,
            rows.ts,
            watched.context,
            onset,
            self._slots["alarm_of"],
            self._alarms["alarms"],
            out,
        )
        return out

    def remember_alarms(self, watched: Watched) -> None:
        """Keep what each series' newest alarm was about, for later ticks."""
        onset = watched.streams[self._stream("onset")]
        if not (onset > 1.0).any():
            return
        last = np.empty(len(watched.rows.start) - 1, np.int64)
        last_alarms(watched.rows.start, onset, last)
        slots = np.flatnonzero(last >= 0)
        alarm_of = self._slots["alarm_of"]
        new = slots[alarm_of[slots] < 0]
        known = len(self._alarms)
        alarm_of[new] = np.arange(known, known + len(new), dtype=np.int32)
        self._alarms.grow(known + len(new), len(self._slots))
        self._alarms["alarms"][alarm_of[slots]] = watched.context[last[slots]]

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
            scores.onset[wanted],
            scores.state[wanted],
            scores.expected[wanted],
            scores.lower[wanted],
            scores.upper[wanted],
            self.detector.signals,
            scores.signals[:, wanted],
        )

    def tables(self) -> list[Table]:
        """The live arrays whose rows change only when rows of their slots are scored."""
        slots = self._slots.arrays()
        return [
            Table(slots),
            *(_by_place(table, slots["places"]) for table in self.detector.tables()),
            Table(self._alarms.arrays(), slots["alarm_of"]),
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The other arrays, unchanged by what follows."""
        arrays = {name: array.copy() for name, array in self.detector.pooled().items()}
        for name, array in self.population.arrays().items():
            arrays[_POPULATION + name] = array
        return arrays

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint; all its series must have been added before."""
        places = arrays.pop("places")
        self._slots["alarm_of"][:] = arrays.pop("alarm_of")
        self._alarms.restore({"alarms": arrays.pop("alarms")})
        if not np.array_equal(places, self._slots["places"]):
            return  # the match is another one now: this detector warms up anew
        mine = [name for name in arrays if name.startswith(_POPULATION)]
        self.population.restore({name.removeprefix(_POPULATION): arrays.pop(name) for name in mine})
        self.detector.restore(arrays)

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
        whole = Scores.empty(len(self.detector.signals), len(ts))
        bounds = [first, *edges, last + 1]
        for begin, end in pairwise(bounds):
            here = np.flatnonzero((ts >= begin) & (ts < end))
            if not len(here):
                continue
            share = self.population.share(begin // bucket * bucket)
            scores = self.detector.score(place[here], ts[here], value[here], share)
            for kind in SCORE_KINDS:
                getattr(whole, kind)[here] = getattr(scores, kind)
            whole.signals[:, here] = scores.signals
            whole.deviation[here] = scores.deviation
        return whole
