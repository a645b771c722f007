"""A recording rule at work: from its expression's results to samples of the recorded series."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.promql.matrix import (
    EMPTY_TABLE,
    Block,
    Labels,
    Matrix,
    Planned,
    Table,
    labels_of,
    moved,
    relabelled,
)
from engine.promql.operators import Operator
from engine.promql.prepare import prepare
from engine.rules.lane_source import LaneSource
from engine.rules.model import RecordingRule
from engine.rules.plan import RulePlan
from engine.rules.recorded import Samples
from engine.rules.results import as_vector
from engine.series.identity import NAME_LABEL

SAME_LABELS = "vector contains metrics with the same labelset after applying rule labels"


class RecordingEvaluation:
    """One recording rule and its evaluation over blocks of ticks.

    Parameters
    ----------
    plan : RulePlan
    rule : RecordingRule
    group_limit : int
        Most series at a tick; a tick with more fails. 0 for any number.

    Attributes
    ----------
    failures : int
        Ticks at which the rule failed: it recorded nothing.
    error : str
        The last failure, empty if the last tick was well.
    """

    def __init__(self, plan: RulePlan, rule: RecordingRule, *, group_limit: int) -> None:
        self.plan = plan
        self.rule = rule
        self.failures = 0
        self.error = ""
        self._group_limit = group_limit
        self._result = prepare(plan.expression)
        self._labels = dict(rule.labels) | {NAME_LABEL: rule.name}
        self._planned = Planned()
        self._table = EMPTY_TABLE
        self._before = np.empty(0, np.bool_)

    @property
    def operators(self) -> list[Operator]:
        """The expression that is evaluated."""
        return [self._result]

    def evaluate(self, block: Block, source: LaneSource) -> Samples | None:
        """Take the rule over a block of ticks; None if it records nothing.

        A series that is not among the results any more gets a stale marker.
        """
        matrix = as_vector(self._result.evaluate(block, source))
        if not len(matrix.table) and not len(self._table) and not block.errors:
            self.error = ""
            return None
        plan = self._planned.get(
            (matrix.table,), lambda: relabelled(matrix.table, self._recorded_labels)
        )
        matrix = moved(matrix, plan, block, SAME_LABELS)
        self._check_limit(matrix, block)
        self.failures += len(block.errors)
        self.error = block.errors.get(len(block.ticks) - 1, "")
        return self._samples(matrix, block)

    def meta(self) -> list[Labels]:
        """The series that were recorded at the last tick."""
        return [labels for labels, there in zip(self._table.labels, self._before, strict=True)
                if there]  # fmt: skip

    def restore(self, meta: Any) -> None:
        """Go on from what `meta` gave."""
        self._table = Table([tuple((name, value) for name, value in labels) for labels in meta])
        self._before = np.ones(len(self._table), np.bool_)

    def _recorded_labels(self, labels: Labels) -> Labels:
        return labels_of((dict(labels) | self._labels).items())

    def _check_limit(self, matrix: Matrix, block: Block) -> None:
        if not self._group_limit:
            return
        count = matrix.present.sum(axis=0)
        for place in np.flatnonzero(count > self._group_limit).tolist():
            here = np.zeros(len(block.ticks), np.bool_)
            here[place] = True
            block.fail(
                here, f"exceeded limit of {self._group_limit} with {int(count[place])} series"
            )

    def _samples(self, matrix: Matrix, block: Block) -> Samples | None:
        well = np.flatnonzero(~block.failed)
        if not len(well):
            return None
        present = matrix.present[:, well]
        before, gone = self._rows_before(matrix)
        earlier = np.concatenate([before[:, None], present[:, :-1]], axis=1)
        stale = earlier & ~present
        self._table, self._before = matrix.table, present[:, -1]
        row, place = np.nonzero(present | stale)
        ticks = block.ticks[well]
        samples = Samples(
            [*matrix.table.labels, *gone],
            np.concatenate([row, len(matrix.table) + np.arange(len(gone))]),
            np.concatenate([ticks[place], np.full(len(gone), ticks[0])]),
            np.concatenate([matrix.value[row, well[place]], np.full(len(gone), np.nan)]),
            np.concatenate([stale[row, place], np.ones(len(gone), np.bool_)]),
        )
        return samples if len(samples.tick) else None

    def _rows_before(self, matrix: Matrix) -> tuple[NDArray[np.bool_], list[Labels]]:
        """Which rows were recorded at the tick before, and which series have no row any more."""
        if matrix.table is self._table:
            return self._before, []
        recorded = set(self.meta())
        rows = np.array([labels in recorded for labels in matrix.table.labels], np.bool_)
        return rows, sorted(recorded - set(matrix.table.labels))
