"""Binary operators, and unary minus, at a block of ticks.

Label sets are matched once for each pair of tables; what is left for a tick are loops over arrays.
Source: Prometheus 3.16, promql/engine.go (`VectorBinop`, `VectorscalarBinop`, `VectorAnd`,
`VectorOr`, `VectorUnless`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.promql import binary_kernels as kernels
from engine.promql.binary_kernels import NO_CONFLICT, OPERATORS, SAME_GROUP
from engine.promql.matching import (
    METADATA_LABELS,
    Groups,
    Partners,
    changes_metric,
    labels_text,
    match_groups,
    plan_partners,
    removed,
    signature_function,
)
from engine.promql.matrix import (
    DUPLICATE_LABELS,
    Block,
    Labels,
    Matrix,
    Planned,
    Relabelled,
    Scalar,
    Table,
    arranged,
    moved,
    relabelled,
)
from engine.promql.syntax import ONE_TO_MANY, ONE_TO_ONE, SET_OPERATORS, Binary

MANY_MATCHES = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)
AMBIGUOUS_GROUPING = "multiple matches for labels: grouping labels must ensure unique matches"


class VectorOperation:
    """An operator between two vectors.

    Parameters
    ----------
    node : Binary
        The operation; its operands are evaluated by the caller.
    """

    def __init__(self, node: Binary) -> None:
        self._operation: _Matched | _SetOperation = (
            _SetOperation(node) if node.operator in SET_OPERATORS else _Matched(node)
        )

    def apply(self, left: Matrix, right: Matrix, block: Block) -> Matrix:
        """Operate at each tick; a tick at which matching is ambiguous fails."""
        return self._operation.apply(left, right, block)


class ScalarOperation:
    """An operator between a vector and a scalar, on either side."""

    def __init__(self, node: Binary) -> None:
        self._operator = node.operator
        self._return_bool = node.return_bool
        self._drops_name = changes_metric(node)
        self._planned = Planned()

    def apply(
        self, vector: Matrix, scalar: Scalar, block: Block, *, scalar_is_left: bool
    ) -> Matrix:
        """Operate at each tick; a tick at which rows have equal labels without the name fails."""
        value = np.empty(vector.value.shape)
        present = np.empty(vector.value.shape, np.bool_)
        kernels.vector_scalar(
            OPERATORS.index(self._operator),
            scalar_is_left,
            self._return_bool,
            vector.value,
            vector.present,
            scalar.value,
            value,
            present,
        )
        result = Matrix(vector.table, value, present)
        return _nameless(result, self._planned, block) if self._drops_name else result


def scalar_arithmetic(
    operator: str, left: NDArray[np.float64], right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Operate on two scalars at t ticks; a comparison gives 1 or 0."""
    out = np.empty(len(left))
    kernels.scalar_scalar(OPERATORS.index(operator), left, right, out)
    return out


def negated(matrix: Matrix, planned: Planned, block: Block) -> Matrix:
    """Give the negative of a vector, without the metric name.

    Parameters
    ----------
    matrix : Matrix
        The vector.
    planned : Planned
        Keeps what is known of the vector's table; one for each unary minus.
    block : Block
        Is told of ticks at which rows have equal labels without the name.
    """
    return _nameless(Matrix(matrix.table, -matrix.value, matrix.present), planned, block)


def _nameless(matrix: Matrix, planned: Planned, block: Block) -> Matrix:
    plan = planned.get((matrix.table,), lambda: relabelled(matrix.table, _without_metric))
    return moved(matrix, plan, block)


def _without_metric(labels: Labels) -> Labels:
    return removed(labels, METADATA_LABELS)


@dataclass(slots=True)
class _MatchedPlan:
    """What is known of two tables; `used` and `partners` may grow with the rows that matched."""

    groups: Groups
    used: NDArray[np.bool_]
    partners: Partners


class _Matched:
    """Arithmetic and comparisons, where a row has one partner."""

    def __init__(self, node: Binary) -> None:
        self._node = node
        self._operator = OPERATORS.index(node.operator)
        self._one_to_one = node.matching.cardinality == ONE_TO_ONE
        self._swapped = node.matching.cardinality == ONE_TO_MANY
        self._planned = Planned()

    def apply(self, left: Matrix, right: Matrix, block: Block) -> Matrix:
        many, one = (right, left) if self._swapped else (left, right)
        plan = self._planned.get(
            (many.table, one.table), lambda: self._first_plan(many.table, one.table)
        )
        ticks = many.value.shape[1]
        slot = np.full((plan.groups.count, ticks), -1, np.int64)
        repeated = np.full(ticks, -1, np.int64)
        kernels.occupy(plan.groups.second, one.present, slot, repeated)
        skipped = repeated >= 0
        if skipped.any():
            # With nothing on the other side, Prometheus doesn't look at this one.
            skipped &= many.present.any(axis=0)
            earlier = slot[plan.groups.second[repeated], np.arange(ticks)]
            self._report_repeated(one.table, earlier, repeated, skipped, block)
        if self._node.matching.include and kernels.mark_used(slot, skipped, plan.used):
            plan.partners = plan_partners(many.table, one.table, plan.groups, plan.used, self._node)
        return self._computed(many, one, plan, slot, skipped, block)

    def _computed(
        self,
        many: Matrix,
        one: Matrix,
        plan: _MatchedPlan,
        slot: NDArray[np.int64],
        skipped: NDArray[np.bool_],
        block: Block,
    ) -> Matrix:
        partners = plan.partners
        shape = (len(partners.result.table), slot.shape[1])
        value = np.empty(shape)
        present = np.zeros(shape, np.bool_)
        conflict = np.zeros(shape[1], np.int8)
        kernels.vector_vector(
            self._operator,
            self._swapped,
            self._node.return_bool,
            plan.groups.first,
            partners.start,
            partners.position,
            partners.result.index,
            partners.claim,
            slot,
            skipped,
            many.value,
            many.present,
            one.value,
            value,
            present,
            np.zeros((partners.claims, slot.shape[1]), np.bool_),
            conflict,
        )
        if conflict.any():
            ambiguous = MANY_MATCHES if self._one_to_one else AMBIGUOUS_GROUPING
            block.fail(conflict == SAME_GROUP, ambiguous)
            block.fail(conflict != NO_CONFLICT, DUPLICATE_LABELS)
        return Matrix(partners.result.table, value, present)

    def _first_plan(self, many: Table, one: Table) -> _MatchedPlan:
        groups = match_groups(many, one, self._node.matching)
        used = np.ones(len(one), np.bool_)
        if self._node.matching.include:
            # Of rows that share a group, most may never be a partner (see `plan_partners`).
            used = np.bincount(groups.second, minlength=groups.count)[groups.second] == 1
        return _MatchedPlan(groups, used, plan_partners(many, one, groups, used, self._node))

    def _report_repeated(
        self,
        one: Table,
        earlier: NDArray[np.int64],
        later: NDArray[np.int64],
        ticks: NDArray[np.bool_],
        block: Block,
    ) -> None:
        """Fail ticks at which two rows of the one side are in one match group, and name both."""
        signature = signature_function(self._node.matching)
        side = "left" if self._swapped else "right"
        for pair in set(zip(earlier[ticks].tolist(), later[ticks].tolist(), strict=True)):
            group = labels_text(signature(one.labels[pair[0]]))
            names = sorted(labels_text(one.labels[row]) for row in pair)
            message = (
                f"found duplicate series for the match group {group}"
                f" on the {side} hand-side of the operation: [{', '.join(names)}]"
                ";many-to-many matching not allowed: matching labels must be unique on one side"
            )
            block.fail(ticks & (earlier == pair[0]) & (later == pair[1]), message)


class _SetOperation:
    """``and``, ``or`` and ``unless``: matching many rows with many."""

    def __init__(self, node: Binary) -> None:
        self._node = node
        self._planned = Planned()

    def apply(self, left: Matrix, right: Matrix, block: Block) -> Matrix:
        del block  # nothing can go wrong here
        groups, union = self._planned.get(
            (left.table, right.table), lambda: self._plan(left.table, right.table)
        )
        ticks = left.value.shape[1]
        seen = np.zeros((groups.count, ticks), np.bool_)
        if self._node.operator != "or":
            present = np.empty(left.present.shape, np.bool_)
            kernels.seen_groups(groups.second, right.present, seen)
            wanted = self._node.operator == "and"
            kernels.keep_matched(wanted, groups.first, seen, left.present, present)
            return Matrix(left.table, left.value, present)
        value = np.empty((len(union.table), ticks))
        present = np.zeros(value.shape, np.bool_)
        at_left, at_right = union.index[: len(left.table)], union.index[len(left.table) :]
        kernels.put_unseen(at_left, groups.first, seen, left.value, left.present, value, present)
        kernels.seen_groups(groups.first, left.present, seen)
        kernels.put_unseen(
            at_right, groups.second, seen, right.value, right.present, value, present
        )
        return Matrix(union.table, value, present)

    def _plan(self, left: Table, right: Table) -> tuple[Groups, Relabelled]:
        # Equal labels are in one match group, so that their rows are never there together.
        union = arranged((*left.labels, *right.labels))
        return match_groups(left, right, self._node.matching), union
