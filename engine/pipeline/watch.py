"""One detector at work in a shard: the series it watches, its scores and the series it makes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.calibration_kernels import CALIBRATION_BUCKET_NS
from engine.detectors.feedback import NO_VERDICTS, Boundaries, UserVerdicts
from engine.detectors.population import Population
from engine.detectors.protocol import SCORE_KINDS, Failure, Scores
from engine.detectors.siblings import SiblingScorer
from engine.events import ScoreBlock
from engine.pipeline.plan import DetectorSpec, FlowPlan
from engine.pipeline.score_streams import ScoreStreams, Watched
from engine.series.columns import FLAG_STALE
from engine.series.identity import Series
from engine.series.order import Rows
from engine.series.pieces import Begun
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table
from engine.series.watermark import NOT_YET

_POPULATION = "population|"
_LEARNED_THROUGH = "learned_through"


def _by_place(table: Table, places: NDArray[np.int32]) -> Table:
    """A detector's table, whose slots are the watched series, as one of the shard's slots."""
    if table.row_of_slot is None:
        return replace(table, row_of_slot=places)
    rows = np.full(len(places), -1, np.int32)
    watched = places >= 0
    rows[watched] = table.row_of_slot[places[watched]]
    return replace(table, row_of_slot=rows)


class Watch(ScoreStreams):
    """A detector of the configuration in one shard.

    Parameters
    ----------
    spec : DetectorSpec
    plan : FlowPlan
    """

    def __init__(self, spec: DetectorSpec, plan: FlowPlan) -> None:
        super().__init__(f"watch|{spec.identity}", spec.name)
        self.spec = spec
        self._plan = plan
        self.detector = spec.make()
        self.boundaries = Boundaries(len(self.detector.signals))
        self.population = Population(plan.shards)
        # Of each slot: its number among those watched.
        self._slots = SlotArrays({"places": np.array(-1, np.int32)})
        self._watched = 0
        self.learned_through = NOT_YET
        """Rows up to here are not scored: they were in what this detector has learned before."""

    def meet(self, begun: Begun, *, own: bool) -> None:
        """Hear of series somewhere in the flow; `own` if they are this shard's."""
        self.population.add(begun.get(self.spec.number, {}), own=own)

    def grow(
        self,
        series: list[Series],
        detectors: list[int],
        lookback: NDArray[np.int64],
        limit: int,
    ) -> None:
        """Take on new slots, given their series and which detectors watch each, as bits.

        Writes this match's lookback where it has one. `limit` is how many slots there may be.
        """
        chosen = (np.array(detectors, np.int64) >> self.spec.number & 1).astype(np.bool_)
        first, count = len(self._slots), int(chosen.sum())
        self._slots.grow(first + len(chosen), limit)
        self.grow_alarms(len(self._slots), limit)
        places = np.arange(self._watched, self._watched + count, dtype=np.int32)
        self._slots["places"][first:][chosen] = places
        self._watched += count
        if count:
            self._join_siblings([series[place] for place in np.flatnonzero(chosen)], limit)
            self.detector.grow(self._watched, limit)
            self.boundaries.grow(self._watched, limit)
        if self.spec.lookback_ns is not None:
            lookback[chosen] = self.spec.lookback_ns

    def warming_up(self) -> int:
        """How many watched series have had no verdict yet."""
        return 0 if self.spec.is_joint_only else self.detector.warming_up()

    def _join_siblings(self, series: list[Series], limit: int) -> None:
        """Tell a detector of siblings which of its series are some."""
        if isinstance(self.detector, CalibratedDetector):
            scorer = self.detector.scorer
            if isinstance(scorer, SiblingScorer):
                entities = [self._plan.entity_of(item) for item in series]
                keys = [
                    None if entity is None else (item.name, entity)
                    for item, entity in zip(series, entities, strict=True)
                ]
                fingerprint = np.array([item.fingerprint for item in series], np.uint64)
                scorer.join(keys, fingerprint, limit)

    def score(self, rows: Rows, said: UserVerdicts = NO_VERDICTS) -> Watched:
        """Score a block, in as many calls as the share of the budget changes in it.

        `said` are verdicts by slot that take effect in it; their outcomes are written.
        """
        places = self._slots["places"][rows.slot]
        is_scored = (places >= 0) & ((rows.flags & FLAG_STALE) == 0)
        if self.learned_through != NOT_YET:
            is_scored &= rows.ts > self.learned_through
        chosen = np.flatnonzero(is_scored)
        if self.spec.is_joint_only:
            return Watched(rows, chosen, Scores.empty(0))
        ts, values = rows.ts, rows.value
        if len(chosen) < len(rows):  # mostly all are, and need no copies
            places, ts, values = places[chosen], ts[chosen], values[chosen]
        scores = Scores.empty(len(self.detector.signals))
        if len(chosen):
            scores = self._score_by_share(places, ts, values)
        factor = self._moved(places, ts, scores, said)
        return self.watched(rows, chosen, scores, values, self.detector.signals, factor)

    def _moved(
        self, place: NDArray[np.int32], ts: NDArray[np.int64], scores: Scores, said: UserVerdicts
    ) -> NDArray[np.float64] | None:
        """Bring scores to the boundaries that verdicts have moved (see `Boundaries.apply`)."""
        if not len(said):
            return self.boundaries.apply(place, ts, scores, NO_VERDICTS)
        watched = np.full(len(said), -1, np.int32)
        known = said.place >= 0
        watched[known] = self._slots["places"][said.place[known]]
        which, own = said.of(watched, self._plan.number_of(self.spec.name))
        factor = self.boundaries.apply(place, ts, scores, own)
        said.outcome[which] = own.outcome
        return factor

    def series_of(
        self, slots: NDArray[np.int32], series: list[Series], wants: Any
    ) -> list[tuple[str, NDArray[np.int32], list[Series]]]:
        """The series that this detector makes of new ones, by stream, where a query wants them."""
        if self.spec.is_joint_only:
            return []
        mine = self._slots["places"][slots] >= 0
        watched = [item for item, is_mine in zip(series, mine.tolist(), strict=True) if is_mine]
        return self.streams_of(slots[mine], watched, wants)

    def emitted(self, watched: Watched, series: Sequence[Series], emit: str) -> ScoreBlock:
        """The scores that go to the sinks: all, the anomalous ones, or none."""
        scores = watched.scores
        if emit == "none" or self.spec.is_joint_only:
            wanted = np.empty(0, np.int64)
        elif emit == "all":
            wanted = np.arange(len(watched.chosen))
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
            *(
                _by_place(table, slots["places"])
                for table in (*self.detector.tables(), *self.boundaries.tables())
            ),
            *self.alarm_tables(),
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The other arrays, unchanged by what follows."""
        arrays = {name: array.copy() for name, array in self.detector.pooled().items()}
        for name, array in self.population.arrays().items():
            arrays[_POPULATION + name] = array
        arrays[_LEARNED_THROUGH] = np.array(self.learned_through)
        return arrays

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint; all its series must have been added before."""
        places = arrays.pop("places")
        self.restore_alarms(arrays)
        if not np.array_equal(places, self._slots["places"]):
            return  # the match is another one now: this detector warms up anew
        self.learned_through = int(arrays.pop(_LEARNED_THROUGH, NOT_YET))
        mine = [name for name in arrays if name.startswith(_POPULATION)]
        self.population.restore({name.removeprefix(_POPULATION): arrays.pop(name) for name in mine})
        self.boundaries.restore(arrays)
        self.detector.restore(arrays)

    def shares(self, ts: NDArray[np.int64]) -> list[tuple[float, Any]]:
        """Cut rows where a new series changes this shard's share of the budget: shares and rows."""
        if not len(ts):
            return []
        first, last = int(ts.min()), int(ts.max())
        bucket = CALIBRATION_BUCKET_NS
        edges = self.population.changes(first, last, bucket)
        if not edges:
            return [(self.population.share(first // bucket * bucket), slice(None))]
        bounds = pairwise([first, *edges, last + 1])
        pieces = [
            (self.population.share(begin // bucket * bucket), (ts >= begin) & (ts < end))
            for begin, end in bounds
        ]
        return [(share, np.flatnonzero(here)) for share, here in pieces if here.any()]

    def _score_by_share(
        self, place: NDArray[np.int32], ts: NDArray[np.int64], value: NDArray[np.float64]
    ) -> Scores:
        """Score in as many calls as there are shares; mostly it is one."""
        pieces = self.shares(ts)
        if len(pieces) == 1:
            return self.detector.score(place, ts, value, pieces[0][0])
        whole = Scores.empty(len(self.detector.signals), len(ts))
        failures: list[Failure] = []
        for share, here in pieces:
            scores = self.detector.score(place[here], ts[here], value[here], share)
            for kind in (*SCORE_KINDS, "deviation"):
                getattr(whole, kind)[here] = getattr(scores, kind)
            whole.signals[:, here] = scores.signals
            failures += [replace(item, row=int(here[item.row])) for item in scores.failures]
        return replace(whole, failures=tuple(failures))
