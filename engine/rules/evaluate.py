"""Stage 2 of a rule: from its queries' rows to the transitions of its alerts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.rules.leaves import LeafRows
from engine.rules.lifecycle import (
    CHANGE,
    FALSE,
    FIRE_ON_ABSENT,
    HOLDS,
    ROW,
    TRUE,
    advance_block,
)
from engine.rules.plan import RulePlan
from engine.rules.promql import Comparison
from engine.rules.table import AlertTable, alert_labels
from engine.series.identity import Series

REMEMBER_NS = 86_400_000_000_000
"""How long a rule with ``on_absent: fire`` remembers a series that was there once: a day."""

_FIRST_CHANGES = 256


_OPERATORS = {
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def passes(values: NDArray[np.float64], comparison: Comparison | None) -> NDArray[np.bool_]:
    """Which values pass; all where there is no comparison."""
    if comparison is None:
        return np.ones(len(values), np.bool_)
    return np.asarray(_OPERATORS[comparison.op](values, comparison.number))


def context_of(block: LeafRows) -> NDArray[np.float64]:
    """The block's context, or NaN where it has none."""
    return block.context if block.context is not None else np.full((len(block.tick), 5), np.nan)


def series_of(block: LeafRows) -> NDArray[np.object_]:
    """The series of each of the block's rows."""
    found = np.empty(len(block.series), object)
    found[:] = block.series
    return found[block.index]


class RuleEvaluation:
    """One alert rule's state and its evaluation over blocks of ticks.

    Parameters
    ----------
    plan : RulePlan
    limit : int
        Most alerts.

    Attributes
    ----------
    table : AlertTable
    failures : int
        Ticks at which two results had the same labels: the rule is unhealthy there, and its
        alerts stay as they were.
    change_series : list of Series
        Of each transition of the last evaluation, the series of the alert's last result: several
        may make the same alert, one after the other.
    """

    def __init__(self, plan: RulePlan, *, limit: int) -> None:
        self.plan = plan
        self.change_series: list[Series] = []
        self.table = AlertTable(limit)
        self.failures = 0

    def evaluate(
        self, results: list[LeafRows], holds: list[LeafRows], first_tick: int, last_tick: int
    ) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        """Take the rule over a block of ticks.

        Parameters
        ----------
        results, holds : list of LeafRows
            Rows of the rule's query and of its hold query at these ticks.
        first_tick, last_tick : int
            Both included, nanoseconds.

        Returns
        -------
        changes : CHANGE[n]
            Transitions, in the order of ticks; alerts are entries of `table`. Handle them before
            calling `release`.
        context : float64[n, 5]
            Of each transition, from the alert's last result (see `LeafRows`).
        """
        parts = [self._rows(block) for block in results] + [self._held(block) for block in holds]
        if parts:
            rows = np.concatenate(parts)
            context = np.concatenate([context_of(block) for block in (*results, *holds)])
            series = np.concatenate([series_of(block) for block in (*results, *holds)])
        else:
            rows, context, series = np.empty(0, ROW), np.empty((0, 5)), np.empty(0, object)
        order = np.argsort(rows["tick"], kind="stable")
        order = order[rows["alert"][order] >= 0]
        return self._advance(rows[order], context[order], series[order], first_tick, last_tick)

    def release(self, tick: int) -> None:
        """Free what nothing holds any more."""
        remember_ns = REMEMBER_NS if self._remembers else 0
        self.table.release(tick, remember_ns)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays."""
        return self.table.arrays()

    def _rows(self, block: LeafRows) -> NDArray[np.void]:
        """Say of each result what it means for its alert; entry -1 where it means nothing."""
        rows = np.empty(len(block.tick), ROW)
        rows["tick"] = block.tick
        rows["value"] = block.value
        true = passes(block.value, self.plan.comparison)
        rows["condition"] = np.where(true, TRUE, FALSE)
        resolve = self.plan.options.resolve
        if resolve is not None:
            rows["condition"][~true & passes(block.value, resolve)] = HOLDS
        rows["alert"] = self._entries(block, true)
        return rows

    @property
    def _remembers(self) -> bool:
        """Whether every series that is there once gets an entry, to fire when it is gone."""
        return self.plan.options.on_absent == FIRE_ON_ABSENT

    @property
    def _labels_use_value(self) -> bool:
        return any(template.uses_value for _, template in self.plan.rule.labels)

    def _entries(self, block: LeafRows, true: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Entry of each row's alert, made where the row is a result."""
        remembers = self._remembers
        if self._labels_use_value:
            return np.array(
                [
                    self._entry(block.series[index], value, make=bool(is_true or remembers))
                    for index, value, is_true in zip(
                        block.index.tolist(), block.value.tolist(), true.tolist(), strict=True
                    )
                ],
                np.int32,
            )
        makes = np.zeros(len(block.series), np.bool_)
        makes[block.index[true]] = True
        entries = [
            self._entry(series, float("nan"), make=make or remembers)
            for series, make in zip(block.series, makes.tolist(), strict=True)
        ]
        return np.array(entries, np.int32)[block.index]

    def _entry(self, series: Series, value: float, *, make: bool) -> int:
        labels = alert_labels(self.plan.rule, series, value)
        return self.table.entry(series, labels) if make else self.table.find(labels)

    def _held(self, block: LeafRows) -> NDArray[np.void]:
        """Rows of the hold query: they keep alerts that fire already."""
        rows = np.empty(len(block.tick), ROW)
        rows["tick"] = block.tick
        rows["value"] = block.value
        rows["condition"] = HOLDS
        # Labels by value are those of a result: what holds has none to make an alert with.
        make = self._remembers and not self._labels_use_value
        entries = [self._entry(series, float("nan"), make=make) for series in block.series]
        rows["alert"] = np.array(entries, np.int32)[block.index]
        return rows

    def _advance(
        self,
        rows: NDArray[np.void],
        context: NDArray[np.float64],
        series: NDArray[np.object_],
        first_tick: int,
        last_tick: int,
    ) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        self.change_series = []
        rule = self.plan.rule
        options = self.plan.options
        found = [np.empty(0, CHANGE)]
        contexts = [np.empty((0, 5))]
        failed = np.zeros(2, np.int64)
        capacity = _FIRST_CHANGES + len(self.table.alerts)
        tick = first_tick
        while tick <= last_tick:
            changes = np.empty(capacity, CHANGE)
            last_row = np.empty(len(self.table.alerts), np.int64)
            tick, written = advance_block(
                tick, last_tick, self.plan.interval_ns, rows, self.table.alerts,
                rule.for_ns, rule.keep_firing_for_ns, options.gap_tolerance, options.on_absent,
                REMEMBER_NS, changes, last_row, failed,
            )  # fmt: skip
            changes = changes[:written]
            found.append(changes)
            here = self.table.context[changes["alert"]]
            fresh = changes["row"] >= 0
            here[fresh] = context[changes["row"][fresh]]
            contexts.append(here)
            self.change_series += [
                series[row] if row >= 0 else self.table.series_of(alert)
                for row, alert in zip(
                    changes["row"].tolist(), changes["alert"].tolist(), strict=True
                )
            ]
            with_result = last_row >= 0
            for alert in np.flatnonzero(with_result).tolist():
                self.table.said_by(alert, series[last_row[alert]])
            self.table.context[with_result] = context[last_row[with_result]]
            done = int(np.searchsorted(rows["tick"], tick))
            rows, context, series = rows[done:], context[done:], series[done:]
            capacity *= 2
        self.failures += int(failed[0])
        return np.concatenate(found), np.concatenate(contexts)
