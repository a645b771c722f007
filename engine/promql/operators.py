"""An expression made ready: a tree of operators that evaluate blocks of ticks.

What lies beside the series is a `Leaf`; where its results come from is the `Source`'s business,
so that a stream, a test file and a query on memory are evaluated by the same code.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.promql.absence import absence
from engine.promql.aggregate import Aggregation
from engine.promql.binary import ScalarOperation, VectorOperation, negated, scalar_arithmetic
from engine.promql.functions import FunctionCall
from engine.promql.leaf import Leaf
from engine.promql.matrix import (
    Block,
    Labels,
    Matrix,
    Planned,
    Scalar,
)
from engine.promql.series_windows import NOWHERE, fill_rows
from engine.promql.syntax import Binary, Subquery
from engine.promql.values import Unnamed, Value
from engine.promql.window_functions import FUNCTIONS, parameter_error

Parameters = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A range function's parameters at each tick."""

_ANY_SAMPLE = "present_over_time"

KEEP_NAME = frozenset({None, "last_over_time", "first_over_time"})
"""Functions whose results keep the metric's name."""


class Source(Protocol):
    """Where results of leaves come from."""

    def leaf(self, leaf: Leaf, block: Block, parameters: Parameters) -> Matrix:
        """Give a leaf's results at the block's ticks, with the series' full labels."""

    def inner(self, subquery: "SubqueryOperator", block: Block) -> tuple[Block, Matrix]:
        """Give the inner expression's results at all steps that the windows reach."""


class Operator(Protocol):
    """One node of an expression."""

    def evaluate(self, block: Block, source: Source) -> Value:
        """Give its value at the block's ticks; errors are noted in the block."""


@dataclass(frozen=True, slots=True)
class NumberOperator:
    """A number that is the same at all ticks."""

    value: float

    def evaluate(self, block: Block, source: Source) -> Scalar:
        """Give it at each tick."""
        del source
        return Scalar(np.full(len(block.ticks), self.value))


@dataclass(frozen=True, slots=True)
class TextOperator:
    """A text."""

    value: str

    def evaluate(self, block: Block, source: Source) -> str:
        """Give the text."""
        del block, source
        return self.value


class LeafOperator:
    """A leaf; `parameters` are the operators of a range function's other arguments."""

    def __init__(self, leaf: Leaf, parameters: tuple[Operator, ...] = ()) -> None:
        self.leaf = leaf
        self.parameters = parameters
        self._unnamed = Unnamed()

    def evaluate(self, block: Block, source: Source) -> Matrix:
        """Give its results."""
        parameters = _parameters(self.parameters, block, source)
        matrix = source.leaf(self.leaf, block, parameters)
        wrong = _wrong_parameters(self.leaf.function, parameters)
        if wrong:
            any_sample = replace(self.leaf, function=_ANY_SAMPLE, parameters=())
            _fail(wrong, source.leaf(any_sample, block, parameters), block)
        return matrix if self.leaf.function in KEEP_NAME else self._unnamed(matrix, block)


class SubqueryOperator:
    """A range function over a subquery.

    Attributes
    ----------
    subquery : Subquery
    expression : Operator
        What is inside.
    at_ns : int or None
    """

    def __init__(
        self,
        function: str,
        subquery: Subquery,
        expression: Operator,
        parameters: tuple[Operator, ...] = (),
    ) -> None:
        self.function = function
        self.subquery = subquery
        self.expression = expression
        self.parameters = parameters
        self._unnamed = Unnamed()

    @property
    def at_ns(self) -> int | None:
        """Where ``@`` fixes the time; start and end are resolved by now."""
        at = self.subquery.at
        if isinstance(at, str):
            raise TypeError(f"@ {at}() is not resolved")
        return at

    def evaluate(self, block: Block, source: Source) -> Matrix:
        """Give its results."""
        parameters = _parameters(self.parameters, block, source)
        inner_block, inner = source.inner(self, block)
        matrix = self._windows(self.function, inner_block.ticks, inner, block, parameters)
        self._pass_on_errors(inner_block, block)
        wrong = _wrong_parameters(self.function, parameters)
        if wrong:
            ticks = inner_block.ticks
            _fail(wrong, self._windows(_ANY_SAMPLE, ticks, inner, block, parameters), block)
        return matrix if self.function in KEEP_NAME else self._unnamed(matrix, block)

    def _windows(
        self,
        function: str,
        inner_ticks: NDArray[np.int64],
        inner: Matrix,
        block: Block,
        parameters: Parameters,
    ) -> Matrix:
        """Take a range function over the inner results."""
        shape = len(inner.table), len(block.ticks)
        value, present = np.full(shape, np.nan), np.zeros(shape, np.bool_)
        at_ns = NOWHERE if self.at_ns is None else self.at_ns
        fill_rows(
            FUNCTIONS[function], inner_ticks, inner.value, inner.present, block.ticks,
            self.subquery.range_ns, self.subquery.offset_ns, at_ns, *parameters, value, present,
        )  # fmt: skip
        return Matrix(inner.table, value, present)

    def _pass_on_errors(self, inner_block: Block, block: Block) -> None:
        """Fail the ticks whose windows reach a step that failed."""
        for place, message in inner_block.errors.items():
            right = block.ticks if self.at_ns is None else np.full_like(block.ticks, self.at_ns)
            right = right - self.subquery.offset_ns
            step = inner_block.ticks[place]
            block.fail((step <= right) & (step > right - self.subquery.range_ns), message)


class AbsentOperator:
    """``absent_over_time``: whether a leaf or a subquery has no samples in the window."""

    def __init__(self, present: Operator, labels: Labels) -> None:
        self.present = present
        self.labels = labels

    def evaluate(self, block: Block, source: Source) -> Matrix:
        """Give 1 where nothing is present."""
        matrix = self.present.evaluate(block, source)
        if not isinstance(matrix, Matrix):
            raise TypeError("absent_over_time takes a range vector")
        return absence(matrix, self.labels, block)


class CallOperator:
    """A function of vectors and scalars."""

    def __init__(self, call: FunctionCall, arguments: tuple[Operator, ...]) -> None:
        self.call = call
        self.arguments = arguments

    def evaluate(self, block: Block, source: Source) -> Matrix | Scalar:
        """Apply the function."""
        return self.call.apply([item.evaluate(block, source) for item in self.arguments], block)


class AggregateOperator:
    """An aggregation."""

    def __init__(
        self, aggregation: Aggregation, inside: Operator, parameter: Operator | None
    ) -> None:
        self.aggregation = aggregation
        self.inside = inside
        self.parameter = parameter

    def evaluate(self, block: Block, source: Source) -> Matrix:
        """Aggregate."""
        parameter = None if self.parameter is None else self.parameter.evaluate(block, source)
        matrix = self.inside.evaluate(block, source)
        if not isinstance(matrix, Matrix) or isinstance(parameter, Matrix):
            raise TypeError("an aggregation takes a vector and no vector as its parameter")
        return self.aggregation.apply(matrix, parameter, block)


class BinaryOperator:
    """A binary operator on vectors and scalars."""

    def __init__(self, node: Binary, left: Operator, right: Operator) -> None:
        self.node = node
        self.left = left
        self.right = right
        self._vectors = VectorOperation(node)
        self._scalar = ScalarOperation(node)

    def evaluate(self, block: Block, source: Source) -> Matrix | Scalar:
        """Apply the operator."""
        left, right = self.left.evaluate(block, source), self.right.evaluate(block, source)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return Scalar(scalar_arithmetic(self.node.operator, left.value, right.value))
        if isinstance(left, Matrix) and isinstance(right, Matrix):
            return self._vectors.apply(left, right, block)
        if isinstance(left, Matrix) and isinstance(right, Scalar):
            return self._scalar.apply(left, right, block, scalar_is_left=False)
        if isinstance(left, Scalar) and isinstance(right, Matrix):
            return self._scalar.apply(right, left, block, scalar_is_left=True)
        raise TypeError("a binary operator takes vectors and scalars")


class NegateOperator:
    """The unary minus."""

    def __init__(self, inside: Operator) -> None:
        self.inside = inside
        self._planned = Planned()

    def evaluate(self, block: Block, source: Source) -> Matrix | Scalar:
        """Negate."""
        value = self.inside.evaluate(block, source)
        if isinstance(value, Scalar):
            return Scalar(-value.value)
        if isinstance(value, Matrix):
            return negated(value, self._planned, block)
        raise TypeError("the unary minus takes a vector or a scalar")


def _parameters(operators: tuple[Operator, ...], block: Block, source: Source) -> Parameters:
    values = [item.evaluate(block, source) for item in operators]
    columns = [value.value for value in values if isinstance(value, Scalar)]
    none = np.zeros(len(block.ticks))
    return (columns[0] if columns else none, columns[1] if len(columns) > 1 else none)


def _wrong_parameters(function: str | None, parameters: Parameters) -> dict[int, str]:
    """Which ticks have parameters that the function refuses, if there is a sample, and why."""
    if function != "double_exponential_smoothing":
        return {}
    pairs = zip(*(item.tolist() for item in parameters), strict=True)
    messages = (parameter_error(function, first, second) for first, second in pairs)
    return {k: message for k, message in enumerate(messages) if message}


def _fail(wrong: dict[int, str], there: Matrix, block: Block) -> None:
    """Fail ticks that have wrong parameters where a window has a sample."""
    for k, message in wrong.items():
        if there.present[:, k].any():
            here = np.zeros(len(block.ticks), np.bool_)
            here[k] = True
            block.fail(here, message)
