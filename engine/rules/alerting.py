"""An alert rule at work: from its expression's results to the transitions of its alerts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.promql.leaf import passes
from engine.promql.matrix import Block, Labels, labels_of
from engine.promql.operators import Operator
from engine.promql.prepare import prepare
from engine.rules.lane_source import LaneSource
from engine.rules.lifecycle import (
    CHANGE,
    ENDED,
    FALSE,
    FIRE_ON_ABSENT,
    FIRING,
    HOLDS,
    INACTIVE,
    ROW,
    TRUE,
    advance_block,
    resolve_all,
)
from engine.rules.model import AlertRule
from engine.rules.plan import ALERTS, ALERTS_FOR_STATE, RulePlan
from engine.rules.queries import CONTEXT_WIDTH
from engine.rules.recorded import Samples
from engine.rules.results import Known, Results
from engine.rules.table import AlertTable, alert_labels
from engine.rules.templates import NO_EXTERNAL, External
from engine.series.identity import NAME_LABEL, Series

REMEMBER_NS = 86_400_000_000_000
"""How long a rule with ``on_absent: fire`` remembers a series that was there once: a day."""

SAME_LABELS = "vector contains metrics with the same labelset after applying alert labels"

_FIRST_CHANGES = 64
_NO_CHANGES = np.empty(0, CHANGE), np.empty((0, CONTEXT_WIDTH))
_NO_ROWS = np.empty(0, ROW), np.empty((0, CONTEXT_WIDTH)), np.empty(0, object)
_SECOND_NS = 1_000_000_000


class AlertEvaluation:
    """One alert rule's state and its evaluation over blocks of ticks.

    Parameters
    ----------
    plan : RulePlan
    limit : int
        Most alerts that are kept; further ones are refused.
    group_limit : int
        Prometheus' limit of the group: with more, all alerts of the rule end; 0 for none.
    external : External
        What templates know of the installation.

    Attributes
    ----------
    table : AlertTable
    failures : int
        Ticks at which the rule failed: its alerts stayed as they were.
    error : str
        The last failure, empty if the last tick was well.
    change_series : list of Series
        Of each transition of the last evaluation, the series of the alert's last result: several
        may make the same alert, one after the other.
    made : list of Samples
        ``ALERTS`` and ``ALERTS_FOR_STATE`` of the last evaluation, if something reads them.
    """

    def __init__(
        self,
        plan: RulePlan,
        rule: AlertRule,
        *,
        limit: int,
        group_limit: int,
        external: External = NO_EXTERNAL,
    ) -> None:
        self.plan = plan
        self.external = external
        self.rule = rule
        self.change_series: list[Series] = []
        self.made: list[Samples] = []
        self.table = AlertTable(limit)
        self.failures = 0
        self.error = ""
        self._group_limit = group_limit
        self._result = prepare(plan.expression)
        self._others = [
            (prepare(expression), condition)
            for expression, condition in (
                (plan.present, FALSE),
                (plan.hold, HOLDS),
                # Last, for it tells only of alerts that the others know.
                (plan.ended, ENDED),
            )
            if expression is not None
        ]
        self._uses_value = any(template.uses_value for _, template in rule.labels)
        self._known: Known | None = None
        self._said: dict[Labels, None] = {}

    @property
    def operators(self) -> list[Operator]:
        """All expressions that are evaluated for the rule."""
        return [self._result, *(operator for operator, _ in self._others)]

    def evaluate(
        self, block: Block, source: LaneSource
    ) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        """Take the rule over a block of ticks.

        Parameters
        ----------
        block : Block
            Ticks in a row; is told of errors.
        source : LaneSource

        Returns
        -------
        changes : CHANGE[n]
            Transitions, in the order of ticks; alerts are entries of `table`. Handle them before
            calling `release`.
        context : float64[n, CONTEXT_WIDTH]
            Of each transition, from the alert's last result (see `LeafRows`).
        """
        self.change_series, self.made = [], []
        sets = [(Results.of(self._result, block, source), TRUE)]
        for operator, condition in self._others:
            # Series that have ended may match others where those that are there do not.
            own = Block(block.ticks, block.interval_ns) if condition == ENDED else block
            sets.append((Results.of(operator, own, source), condition))
        self._note_errors(block)
        sets = [(results, condition) for results, condition in sets if len(results.tick)]
        if not sets:
            if not self.table.in_use:
                return _NO_CHANGES
            return self._advance_all(*_NO_ROWS, block)
        rows = np.concatenate([self._rows(*item) for item in sets])
        series = np.concatenate([results.series for results, _ in sets])
        context = np.concatenate([results.context(source) for results, _ in sets])
        order = np.argsort(rows["tick"], kind="stable")
        order = order[rows["alert"][order] >= 0]
        return self._advance_all(rows[order], context[order], series[order], block)

    def release(self, tick: int) -> None:
        """Free what nothing holds any more."""
        if self.table.in_use:
            self.table.release(tick, REMEMBER_NS if self._remembers else 0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return self.table.arrays()

    @property
    def _remembers(self) -> bool:
        """Whether every series that is there once gets an entry, to fire when it is gone."""
        return self.plan.options.on_absent == FIRE_ON_ABSENT

    def _note_errors(self, block: Block) -> None:
        self.failures += len(block.errors)
        self.error = block.errors.get(len(block.ticks) - 1, "")

    def _rows(self, results: "Results", condition: int) -> NDArray[np.void]:
        """Say that results mean `condition` for their alerts; entry -1 where they mean nothing."""
        rows = np.empty(len(results.tick), ROW)
        rows["tick"] = results.tick
        rows["value"] = results.value
        rows["condition"] = condition
        resolve = self.plan.options.resolve
        if condition == FALSE and resolve is not None:
            rows["condition"][passes(results.value, resolve)] = HOLDS
        # Labels by value are those of a result: what holds has none to make an alert with.
        makes = condition == TRUE or (
            self._remembers and condition != ENDED and not self._uses_value
        )
        rows["alert"] = self._entries(results, makes=makes)
        return rows

    def _entries(self, results: "Results", *, makes: bool) -> NDArray[np.int32]:
        if self._uses_value:
            return np.array(
                [
                    self._entry(item, self._labels(item, value), makes=makes)
                    for item, value in zip(results.series, results.value.tolist(), strict=True)
                ],
                np.int32,
            )
        if self._known is None or self._known.table is not results.table:
            self._known = Known(results.table)
        used, index = np.unique(results.row, return_inverse=True)
        entries = [
            self._entry(*self._known.of(self._labels, row), makes=makes) for row in used.tolist()
        ]
        return np.array(entries, np.int32)[index]

    def _labels(self, series: Series, value: float) -> Labels:
        return alert_labels(self.rule, series, value, self.external)

    def annotations(self, series: Series, value: float) -> dict[str, str]:
        """Word the annotations of an alert."""
        given = dict(series.all_labels)
        return {
            name: template.expand(given, value, external=self.external)
            for name, template in self.rule.annotations
        }

    def _entry(self, series: Series, labels: Labels, *, makes: bool) -> int:
        return self.table.entry(series, labels) if makes else self.table.find(labels)

    def _advance_all(
        self,
        rows: NDArray[np.void],
        context: NDArray[np.float64],
        series: NDArray[np.object_],
        block: Block,
    ) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        """Take the alerts over all ticks that did not fail, in one go where nothing forbids it."""
        changes, contexts = [np.empty(0, CHANGE)], [np.empty((0, CONTEXT_WIDTH))]
        step_by_step = self._group_limit > 0 or self.plan.is_read
        for first, last in _runs(~block.failed, one_by_one=step_by_step):
            ticks = int(block.ticks[first]), int(block.ticks[last])
            low, high = (
                int(np.searchsorted(rows["tick"], ticks[0])),
                int(np.searchsorted(rows["tick"], ticks[1], side="right")),
            )
            here = slice(low, high)
            failures = self.failures
            found, its_context = self._advance(rows[here], context[here], series[here], *ticks)
            changes.append(found)
            contexts.append(its_context)
            if step_by_step:
                ended = self._end_beyond_limit(ticks[0])
                changes.append(ended)
                contexts.append(self.table.context[ended["alert"]])
                # As in Prometheus, a rule that fails neither makes samples nor ends series.
                if self.failures == failures:
                    self._make_series(ticks[0])
        return np.concatenate(changes), np.concatenate(contexts)

    def _advance(
        self,
        rows: NDArray[np.void],
        context: NDArray[np.float64],
        series: NDArray[np.object_],
        first_tick: int,
        last_tick: int,
    ) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        options = self.plan.options
        found = [np.empty(0, CHANGE)]
        contexts = [np.empty((0, CONTEXT_WIDTH))]
        failed = np.zeros(2, np.int64)
        capacity = _FIRST_CHANGES + len(self.table.alerts)
        tick = first_tick
        while tick <= last_tick:
            changes = np.empty(capacity, CHANGE)
            last_row = np.empty(len(self.table.alerts), np.int64)
            tick, written = advance_block(
                tick, last_tick, self.plan.interval_ns, rows, self.table.alerts,
                self.rule.for_ns, self.rule.keep_firing_for_ns, options.gap_tolerance,
                options.on_absent, REMEMBER_NS, changes, last_row, failed,
            )  # fmt: skip
            changes = changes[:written]
            found.append(changes)
            here = self.table.context[changes["alert"]]
            fresh = changes["row"] >= 0
            here[fresh] = context[changes["row"][fresh]]
            contexts.append(here)
            self._note_series(changes, series)
            with_result = last_row >= 0
            for alert in np.flatnonzero(with_result).tolist():
                self.table.said_by(alert, series[last_row[alert]])
            self.table.context[with_result] = context[last_row[with_result]]
            done = int(np.searchsorted(rows["tick"], tick))
            rows, context, series = rows[done:], context[done:], series[done:]
            capacity *= 2
        self.failures += int(failed[0])
        if failed[1] == last_tick:
            self.error = SAME_LABELS
        return np.concatenate(found), np.concatenate(contexts)

    def _note_series(self, changes: NDArray[np.void], series: NDArray[np.object_]) -> None:
        self.change_series += [
            series[row] if row >= 0 else self.table.series_of(alert)
            for row, alert in zip(changes["row"].tolist(), changes["alert"].tolist(), strict=True)
        ]

    def _end_beyond_limit(self, tick: int) -> NDArray[np.void]:
        """End all alerts if there are more than the group allows, as Prometheus does."""
        active = int((self.table.alerts["state"] != INACTIVE).sum())
        if not self._group_limit or active <= self._group_limit:
            return np.empty(0, CHANGE)
        self.failures += 1
        self.error = f"exceeded limit of {self._group_limit} with {active} alerts"
        ended = resolve_all(self.table.alerts, tick)
        self._note_series(ended, np.empty(0, object))
        return ended

    def _make_series(self, tick: int) -> None:
        """Make the alerts' own series at a tick, and end those that are not made any more."""
        if not self.plan.is_read:
            return
        alerts = self.table.alerts
        made: dict[Labels, float] = {}
        for number in np.flatnonzero(alerts["state"] != INACTIVE).tolist():
            identity = self.table.identities[number]
            if identity is None:
                continue
            state = "firing" if alerts["state"][number] == FIRING else "pending"
            # An alert on ALERTS has an `alertstate` of its own, which gives way.
            labels = dict(identity.labels) | {NAME_LABEL: ALERTS, "alertstate": state}
            made[labels_of(labels.items())] = 1.0
            labels = dict(identity.labels) | {NAME_LABEL: ALERTS_FOR_STATE}
            made[labels_of(labels.items())] = float(alerts["active_at"][number] // _SECOND_NS)
        gone = [labels for labels in self._said if labels not in made]
        self._said = dict.fromkeys(made)
        if made or gone:
            values = np.array([*made.values(), *(np.nan for _ in gone)], np.float64)
            stale = np.arange(len(values)) >= len(made)
            self.made.append(Samples.at(tick, [*made, *gone], values, stale))

    def meta(self) -> dict[str, Any]:
        """All that is no array."""
        return {"table": self.table.meta(), "said": list(self._said)}

    def restore(self, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.table.restore(arrays, meta["table"])
        self._said = {
            tuple((name, value) for name, value in labels): None for labels in meta["said"]
        }


def _runs(well: NDArray[np.bool_], *, one_by_one: bool) -> list[tuple[int, int]]:
    """Give the stretches of ticks that are well, first and last included."""
    if one_by_one:
        return [(place, place) for place in np.flatnonzero(well).tolist()]
    if well.all():
        return [(0, len(well) - 1)] if len(well) else []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], well, [False]]).astype(np.int8)))
    return [(int(begin), int(end) - 1) for begin, end in edges.reshape(-1, 2)]
