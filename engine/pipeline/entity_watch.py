"""A detector's entities in a shard: their series judged together, and the series made of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.detectors.calibrated import Calibration
from engine.detectors.feedback import NO_VERDICTS, Boundaries, UserVerdicts
from engine.detectors.instants import NO_GROUP, Groups, Instants
from engine.detectors.protocol import DEVIATION, SCORE_KINDS, SCORE_ROWS, Scores
from engine.events import ScoreBlock
from engine.pipeline.entity_judges import EntityJudge, Verdicts
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


@dataclass(frozen=True, slots=True)
class Judged:
    """Entities at the instants of a block, and what was said of them, calibrated.

    `factor` is what users' verdicts have multiplied the boundary of each onset by; None: all by 1.
    """

    instants: Instants
    verdicts: Verdicts
    scores: Scores
    factor: NDArray[np.float64] | None = None


class EntityWatch(ScoreStreams):
    """The entities of one detector in one shard.

    Parameters
    ----------
    watch : Watch
        The detector on the series one by one.
    make_judge : callable
    plan : FlowPlan
    """

    def __init__(self, watch: Watch, make_judge: Callable[[], EntityJudge], plan: FlowPlan) -> None:
        super().__init__(f"entities|{watch.spec.identity}", watch.spec.name)
        self.watch = watch
        self.plan = plan
        self.judge = make_judge()
        self.groups = Groups(self.judge.width, watch.spec.lookback_ns or plan.lookback_ns)
        self.calibration = Calibration(
            BUDGET_PART * watch.spec.false_alarms_per_day, self.judge.default_boundary
        )
        self._numbers: dict[Labels, int] = {}
        self.boundaries = Boundaries(len(SIGNALS_OF_ENTITIES))
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
        self.judge.grow(len(self._numbers), limit)
        self.calibration.grow(len(self._numbers), limit)
        self.boundaries.grow(len(self._numbers), limit)

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

    def judged(
        self, watched: Watched, series: Sequence[Series], said: UserVerdicts = NO_VERDICTS
    ) -> Judged:
        """Judge the entities at the instants of a block whose series have been scored.

        `series` are those of the slots; `said` are users' verdicts on joint scores, by slot, that
        take effect in the block.
        """
        slot = watched.rows.slot[watched.chosen]
        values = self.judge.seen(watched)
        known = np.isfinite(values[:, 0]) & (self.groups.slots["group"][slot] >= 0)
        instants = self.groups.instants(
            np.flatnonzero(known), slot, watched.rows.ts[watched.chosen], values
        )
        verdicts = self.judge.judge(instants, lambda number: self._name(series[number]))
        raw = np.full((SCORE_ROWS, len(instants)), np.nan)
        raw[0], raw[1] = verdicts.joint.onset, verdicts.joint.state
        for share, here in self.watch.shares(instants.ts):
            part = np.ascontiguousarray(raw[:, here])
            self.calibration.apply(instants.group[here], instants.ts[here], part, share)
            raw[:, here] = part
        raw[DEVIATION] = verdicts.joint.state
        signals = np.ones((1, len(instants)), np.float32)
        scores = Scores.of(raw, signals)
        return Judged(instants, verdicts, scores, self._moved(instants, scores, said))

    def _moved(
        self, instants: Instants, scores: Scores, said: UserVerdicts
    ) -> NDArray[np.float64] | None:
        """Bring scores to the boundaries that verdicts have moved (see `Boundaries.apply`)."""
        if not len(said):
            return self.boundaries.apply(instants.group, instants.ts, scores, NO_VERDICTS)
        which, own = said.of(self._groups_of(said), self.plan.number_of(self.detector_name))
        factor = self.boundaries.apply(instants.group, instants.ts, scores, own)
        said.outcome[which] = own.outcome
        return factor

    def _groups_of(self, said: UserVerdicts) -> NDArray[np.int32]:
        """The entity whose joint score each verdict is on, -1 for none."""
        made = self._made[ENTITY_DEVIATION]
        found = np.full(len(said), NO_GROUP, np.int32)
        for row, slot in enumerate(said.place.tolist()):
            if slot >= 0:
                for number in np.flatnonzero(made == slot).tolist():
                    found[row] = number
        return found

    def members_of(self, said: UserVerdicts) -> NDArray[np.int32]:
        """Slots of the series of all entities that verdicts are on."""
        if not len(said):
            return said.place
        groups = self._groups_of(said)
        group = self.groups.slots["group"]
        of_judged = np.isin(group, groups[groups >= 0])
        return np.flatnonzero(of_judged).astype(np.int32)

    def _name(self, series: Series) -> str:
        """What a series is called within its entity."""
        own = set(self.watch.spec.entity)
        return str(Series(series.name, tuple(pair for pair in series.labels if pair[0] not in own)))

    def taken_left_out(self) -> int:
        """How many series had no room in their entity since the last call."""
        left_out, self.groups.left_out = self.groups.left_out, 0
        return left_out

    def made(self, judged: Judged) -> Made:
        """The samples that are made, of all entities whose series had room."""
        group, ts = judged.instants.group, judged.instants.ts
        slot = np.concatenate([self._made[name][group] for name in _MADE])
        value = np.concatenate([judged.verdicts.rate, judged.scores.deviation])
        has_room = (slot >= 0) & ~np.isnan(value)
        return Made(slot[has_room], np.tile(ts, len(_MADE))[has_room], value[has_room])

    def placed(self, judged: Judged, rows: Rows, place: NDArray[np.int64]) -> Watched:
        """The joint scores at the rows of the block that their samples were taken into.

        `place` says for each made sample where it is.
        """
        slot = self._made[ENTITY_DEVIATION][judged.instants.group]
        said = np.flatnonzero((slot >= 0) & ~np.isnan(judged.scores.deviation))
        here = place[len(place) - len(said) :]
        chosen, here = said[here >= 0], here[here >= 0]
        order = np.argsort(here)
        scores = judged.scores.take(chosen[order])
        factor = None if judged.factor is None else judged.factor[chosen[order]]
        return self.watched(
            rows, here[order], scores, scores.deviation, SIGNALS_OF_ENTITIES, factor
        )

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
        joint = judged.verdicts.joint
        ranked = replace(joint, contribution=joint.contribution[rows])
        most = ranked.ranked(start - start[0], DRIVERS_MAX)[0]
        most = most[most >= 0]
        names = [self._name(series[slot]) for slot in judged.instants.slot[rows][most].tolist()]
        return dict(zip(names, ranked.contribution[most].round(4).tolist(), strict=True))

    def tables(self) -> list[Table]:
        """The live arrays whose rows change only when rows of their slots are scored."""
        group = self.groups.slots["group"]
        by_group = [
            *self.judge.tables(), *self.calibration.tables(), *self.boundaries.tables()
        ]  # fmt: skip
        return [
            *self.groups.tables(),
            *(_of_members(table, group) for table in by_group),
            *self.alarm_tables(),
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The other arrays, unchanged by what follows."""
        return {
            name: array.copy()
            for name, array in (self.calibration.pooled() | self.judge.pooled()).items()
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint; all its series must have been added before."""
        self.restore_alarms(arrays)
        if self.groups.restore(arrays):
            own = {*self.groups.slots.arrays(), *self.groups.groups.arrays()}
            others = {name: array for name, array in arrays.items() if name not in own}
            self.boundaries.restore(others)
            self.judge.restore(self.calibration.restore(others))


def _of_members(table: Table, group: NDArray[np.int32]) -> Table:
    """A table of entities as one of their members' slots."""
    if table.row_of_slot is None:
        return Table(table.arrays, group, is_shared=True)
    rows = np.full(len(group), -1, np.int32)
    rows[group >= 0] = table.row_of_slot[group[group >= 0]]
    return Table(table.arrays, rows, is_shared=True)


_MADE = (ANOMALY_RATE, ENTITY_DEVIATION)
