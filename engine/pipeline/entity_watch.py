"""A detector's entities in a shard: their series judged together, and the series made of that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibrated import Calibration
from engine.detectors.instants import NO_GROUP, Groups, Instants
from engine.detectors.joint import JointScorer, JointScores
from engine.detectors.protocol import SCORE_KINDS, SCORE_ROWS, Scores
from engine.detectors.signals import masks
from engine.events import ScoreBlock
from engine.pipeline.made import Made
from engine.pipeline.plan import ANOMALY_RATE, ENTITY_DEVIATION, FlowPlan, Labels
from engine.pipeline.score_streams import ScoreStreams, Watched
from engine.pipeline.watch import Watch
from engine.series.identity import Series
from engine.series.order import Rows
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

BUDGET_PART = 0.5
"""Of the false alarms allowed, for entities; the rest is for their series one by one."""

DRIVERS_MAX = 8
"""Series that a joint score names, the ones that drive it most."""

SIGNALS_OF_ENTITIES = ("joint deviation",)

_UNUSUAL = 1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """Entities at the instants of a block.

    `rate` is the part of an entity's series with a high state; the rows of `joint` are the
    instants' members.
    """

    instants: Instants
    rate: NDArray[np.float64]
    scores: Scores
    joint: JointScores


class EntityWatch(ScoreStreams):
    """The entities of one detector in one shard.

    Parameters
    ----------
    watch : Watch
        The detector on the series one by one.
    plan : FlowPlan
    """

    def __init__(self, watch: Watch, plan: FlowPlan) -> None:
        super().__init__(f"entities|{watch.spec.identity}", watch.spec.name)
        self.watch = watch
        self.plan = plan
        self.groups = Groups(3, watch.spec.lookback_ns or plan.lookback_ns)
        self.joint = JointScorer()
        self.calibration = Calibration(BUDGET_PART * watch.spec.false_alarms_per_day)
        self._numbers: dict[Labels, int] = {}
        # Slots of the series that are made of each entity.
        self._made = SlotArrays({name: np.array(-1, np.int32) for name in _MADE})

    def wanted(self, series: Sequence[Series], detectors: dict[int, int]) -> list[Series]:
        """The series to make of entities that these are the first series of."""
        new = {
            labels: None
            for item in series
            if (labels := self._entity_of(item, detectors[item.fingerprint])) is not None
            and labels not in self._numbers
        }
        return [Series.of(name, dict(labels)) for labels in new for name in _MADE]

    def grow(self, first_slot: int, series: list[Series], bits: list[int], limit: int) -> None:
        """Take on new slots, given which detectors watch each, as bits."""
        group = np.full(len(series), NO_GROUP, np.int32)
        for place, (item, watchers) in enumerate(zip(series, bits, strict=True)):
            labels = self._entity_of(item, watchers)
            if labels is not None:
                group[place] = self._number(labels, limit)
        fingerprint = np.fromiter((item.fingerprint for item in series), np.uint64, len(series))
        for place, item in enumerate(series):
            if item.name in _MADE:
                names = set(self.watch.spec.entity)
                if {name for name, _ in item.labels} == names:
                    number = self._number(self._labels(item), limit)
                    self._made[item.name][number] = first_slot + place
        self.grow_alarms(first_slot + len(series), limit)
        self.groups.grow(group, fingerprint, len(self._numbers), limit)
        self.joint.grow(len(self._numbers), limit)
        self.calibration.grow(len(self._numbers), limit)

    def _number(self, labels: Labels, limit: int) -> int:
        number = self._numbers.setdefault(labels, len(self._numbers))
        self._made.grow(len(self._numbers), limit)
        return number

    def _labels(self, series: Series) -> Labels:
        labels = dict(series.labels)
        return tuple((name, labels[name]) for name in self.watch.spec.entity)

    def _entity_of(self, series: Series, watchers: int) -> Labels | None:
        """The entity of a series that this detector watches, if it is the one it lives with."""
        if not watchers >> self.watch.spec.number & 1:
            return None
        labels = self.plan.entity_of(series)
        own = tuple(name for name, _ in labels or ())
        return labels if own == self.watch.spec.entity else None

    def judge(self, watched: Watched) -> Judged:
        """Judge the entities at the instants of a block whose series have been scored."""
        rows, scores = watched.rows, watched.scores
        slot = rows.slot[watched.chosen]
        known = np.isfinite(scores.deviation) & (self.groups.slots["group"][slot] >= 0)
        values = np.column_stack([scores.deviation, scores.onset, scores.state])
        instants = self.groups.instants(
            np.flatnonzero(known), slot, rows.ts[watched.chosen], values
        )
        deviation, onset, state = np.ascontiguousarray(instants.values.T)
        # An onset is news at its own instant only.
        onset[instants.row < 0] = 0.0
        joint = self.joint.score(
            instants.group, instants.start, instants.member, deviation, onset, state
        )
        raw = np.full((SCORE_ROWS, len(instants)), np.nan)
        raw[0], raw[1] = joint.onset, joint.state
        distance = raw[1].copy()
        for share, here in self.watch.shares(instants.ts):
            part = np.ascontiguousarray(raw[:, here])
            self.calibration.apply(instants.group[here], instants.ts[here], part, share)
            raw[:, here] = part
        raw[SCORE_ROWS - 1] = distance
        high = np.concatenate([[0], np.cumsum(state > _UNUSUAL)])
        rate = np.diff(high[instants.start]) / np.diff(instants.start)
        signals = np.ones((1, len(instants)), np.float32)
        return Judged(instants, rate, Scores.of(raw, signals), joint)

    def taken_left_out(self) -> int:
        """How many series had no room in their entity since the last call."""
        left_out, self.groups.left_out = self.groups.left_out, 0
        return left_out

    def made(self, judged: Judged) -> Made:
        """The samples that are made, of all entities whose series had room."""
        group, ts = judged.instants.group, judged.instants.ts
        slot = np.concatenate([self._made[name][group] for name in _MADE])
        value = np.concatenate([judged.rate, judged.scores.deviation])
        has_room = slot >= 0
        return Made(slot[has_room], np.tile(ts, len(_MADE))[has_room], value[has_room])

    def placed(self, judged: Judged, rows: Rows, place: NDArray[np.int64]) -> Watched:
        """The joint scores at the rows of the block that their samples were taken into.

        `place` says for each made sample where it is.
        """
        slot = self._made[ENTITY_DEVIATION][judged.instants.group]
        here = place[len(place) - int((slot >= 0).sum()) :]
        chosen = np.flatnonzero(slot >= 0)[here >= 0]
        here = here[here >= 0]
        order = np.argsort(here)
        scores = judged.scores.take(chosen[order])
        named = masks(SIGNALS_OF_ENTITIES, scores.signals)
        return self.watched(rows, here[order], scores, scores.deviation, named)

    def series_of(
        self, slots: NDArray[np.int32], series: list[Series], wants: Any
    ) -> list[tuple[str, NDArray[np.int32], list[Series]]]:
        """The series of joint scores, by stream, where a query wants them."""
        own = self._made[ENTITY_DEVIATION]
        mine = [place for place, slot in enumerate(slots.tolist()) if slot in own]
        return self.streams_of(slots[mine], [series[place] for place in mine], wants)

    def emitted(self, judged: Judged, series: Sequence[Series], emit: str) -> ScoreBlock:
        """The joint scores that go to the sinks."""
        scores, instants = judged.scores, judged.instants
        slot = self._made[ENTITY_DEVIATION][instants.group]
        wanted = slot >= 0
        if emit == "none":
            wanted[:] = False
        elif emit != "all":
            wanted &= (scores.onset > 1) | (scores.state > 1)
        chosen = np.flatnonzero(wanted)
        used, index = np.unique(slot[chosen], return_inverse=True)
        kinds = {kind: getattr(scores, kind)[chosen] for kind in SCORE_KINDS}
        return ScoreBlock(
            detector=self.watch.spec.name,
            series=[series[number] for number in used.tolist()],
            index=index,
            ts=instants.ts[chosen],
            value=scores.deviation[chosen],
            drivers=[self._drivers(judged, at, series) for at in chosen.tolist()],
            **kinds,
        )

    def _drivers(self, judged: Judged, at: int, series: Sequence[Series]) -> dict[str, float]:
        """The series that drive a joint score, most first, with their parts of it."""
        start = judged.instants.start[at : at + 2]
        rows = slice(*start.tolist())
        ranked = replace(judged.joint, contribution=judged.joint.contribution[rows])
        most = ranked.ranked(start - start[0], DRIVERS_MAX)[0]
        most = most[most >= 0]
        own = set(self.watch.spec.entity)
        texts = []
        for slot in judged.instants.slot[rows][most].tolist():
            labels = tuple(pair for pair in series[slot].labels if pair[0] not in own)
            texts.append(str(Series(series[slot].name, labels)))
        return dict(zip(texts, ranked.contribution[most].round(4).tolist(), strict=True))

    def tables(self) -> list[Table]:
        """The live arrays whose rows change only when rows of their slots are scored."""
        group = self.groups.slots["group"]
        by_group = [*self.joint.tables(), *self.calibration.tables()]
        return [
            *self.groups.tables(),
            *(Table(table.arrays, group, is_shared=True) for table in by_group),
            *self.alarm_tables(),
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The other arrays, unchanged by what follows."""
        return {name: array.copy() for name, array in self.calibration.pooled().items()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint; all its series must have been added before."""
        self.restore_alarms(arrays)
        if self.groups.restore(arrays):
            own = {*self.groups.slots.arrays(), *self.groups.groups.arrays()}
            others = {name: array for name, array in arrays.items() if name not in own}
            self.joint.restore(self.calibration.restore(others))


_MADE = (ANOMALY_RATE, ENTITY_DEVIATION)
