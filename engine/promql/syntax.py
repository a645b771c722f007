"""Expressions as trees of plain values: equal expressions are equal objects.

Names follow Prometheus' own (promql/parser/ast.go). `str` gives canonical PromQL text.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from engine.config.durations import MILLISECOND_NS, format_duration
from engine.promql.selector import Selector
from engine.series.identity import quoted

At = int | str | None
"""Where ``@`` puts the time: nanoseconds since the epoch, ``"start"``, ``"end"``, or nowhere."""

SCALAR, VECTOR, MATRIX, STRING = "scalar", "instant vector", "range vector", "string"
"""Types of expressions, as Prometheus' messages call them."""

COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
SET_OPERATORS = frozenset({"and", "or", "unless"})
_PRECEDENCE = {
    "or": 1, "and": 2, "unless": 2, **dict.fromkeys(COMPARISONS, 3), "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5, "atan2": 5, "^": 6,
}  # fmt: skip
_UNARY = 5.5  # binds below ^


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float

    def __eq__(self, other: object) -> bool:
        # By bits, so that NaN is itself and -0 is not 0.
        return isinstance(other, Number) and self.value.hex() == other.value.hex()

    def __hash__(self) -> int:
        return hash(("Number", self.value.hex()))

    def __str__(self) -> str:
        return number_text(self.value)


@dataclass(frozen=True)
class Text:
    """A string."""

    value: str

    def __str__(self) -> str:
        return quoted(self.value)


@dataclass(frozen=True)
class VectorSelector:
    """The newest sample of each selected series.

    `absent_labels` are those that ``absent`` gives its result: they depend on the order of the
    matchers in the text, which means nothing else.
    """

    selector: Selector
    offset_ns: int = 0
    at: At = None
    absent_labels: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.selector}{_moved(self.offset_ns, self.at)}"


@dataclass(frozen=True)
class MatrixSelector:
    """The samples of each selected series in ``(T - range, T]``; offset and @ are the vector's."""

    vector: VectorSelector
    range_ns: int

    def __str__(self) -> str:
        moved = _moved(self.vector.offset_ns, self.vector.at)
        return f"{self.vector.selector}[{format_duration(self.range_ns)}]{moved}"


@dataclass(frozen=True)
class Subquery:
    """An expression at the multiples of `step_ns` in ``(T - range, T]``."""

    expression: "Expression"
    range_ns: int
    step_ns: int
    offset_ns: int = 0
    at: At = None

    def __str__(self) -> str:
        inside = str(self.expression)
        if isinstance(self.expression, Binary | Negate):
            inside = f"({inside})"
        window = f"[{format_duration(self.range_ns)}:{format_duration(self.step_ns)}]"
        return f"{inside}{window}{_moved(self.offset_ns, self.at)}"


@dataclass(frozen=True)
class Call:
    """A function's result."""

    function: str
    arguments: tuple["Expression", ...] = ()

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Aggregate:
    """An aggregation over the label sets that `grouping` leaves equal.

    `parameter` is that of topk, bottomk, limitk, limit_ratio, quantile and count_values.
    """

    operator: str
    expression: "Expression"
    parameter: "Expression | None" = None
    grouping: tuple[str, ...] = ()
    without: bool = False

    def __str__(self) -> str:
        head = self.operator
        if self.without or self.grouping:
            head += f" {'without' if self.without else 'by'} ({', '.join(self.grouping)}) "
        inside = f"{self.parameter}, " if self.parameter is not None else ""
        return f"{head}({inside}{self.expression})"


ONE_TO_ONE, MANY_TO_ONE, ONE_TO_MANY, MANY_TO_MANY = (
    "one-to-one",
    "many-to-one",
    "one-to-many",
    "many-to-many",
)


@dataclass(frozen=True)
class Matching:
    """How the series of two vectors find their partners.

    Attributes
    ----------
    cardinality : str
        `ONE_TO_ONE`, `MANY_TO_ONE` (group_left), `ONE_TO_MANY` (group_right), `MANY_TO_MANY`
        (and, or, unless).
    on : bool
        Whether `labels` are those to match by, instead of those to ignore.
    labels : tuple of str
    include : tuple of str
        Labels that group_left or group_right takes over from the one side.
    """

    cardinality: str = ONE_TO_ONE
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = []
        if self.on or self.labels:
            parts.append(f"{'on' if self.on else 'ignoring'} ({', '.join(self.labels)})")
        if self.cardinality in {MANY_TO_ONE, ONE_TO_MANY}:
            side = "group_left" if self.cardinality == MANY_TO_ONE else "group_right"
            parts.append(f"{side} ({', '.join(self.include)})")
        return " ".join(parts)


@dataclass(frozen=True)
class Binary:
    """Two expressions under a binary operator; `matching` counts where both are vectors."""

    operator: str
    left: "Expression"
    right: "Expression"
    matching: Matching = Matching()
    return_bool: bool = False

    def __str__(self) -> str:
        words = [self.operator]
        if self.return_bool:
            words.append("bool")
        if str(self.matching):
            words.append(str(self.matching))
        own = _PRECEDENCE[self.operator]
        left, right = str(self.left), str(self.right)
        if _binding(self.left) < own or (self.operator == "^" and _binding(self.left) == own):
            left = f"({left})"
        if _binding(self.right) < own or (self.operator != "^" and _binding(self.right) == own):
            right = f"({right})"
        return f"{left} {' '.join(words)} {right}"


@dataclass(frozen=True)
class Negate:
    """The negative of an expression."""

    expression: "Expression"

    def __str__(self) -> str:
        inside = str(self.expression)
        return f"-({inside})" if _binding(self.expression) <= _UNARY else f"-{inside}"


Expression = (
    Number | Text | VectorSelector | MatrixSelector | Subquery | Call | Aggregate | Binary | Negate
)

_SCALAR_CALLS = frozenset({"pi", "scalar", "time"})


def type_of(expression: Expression) -> str:
    """Give the type of an expression, one of `SCALAR`, `VECTOR`, `MATRIX`, `STRING`."""
    if isinstance(expression, Number):
        return SCALAR
    if isinstance(expression, Text):
        return STRING
    if isinstance(expression, MatrixSelector | Subquery):
        return MATRIX
    if isinstance(expression, Call):
        return SCALAR if expression.function in _SCALAR_CALLS else VECTOR
    if isinstance(expression, Negate):
        return type_of(expression.expression)
    if isinstance(expression, Binary):
        sides = {type_of(expression.left), type_of(expression.right)}
        return SCALAR if sides == {SCALAR} else VECTOR
    return VECTOR


def children(expression: Expression) -> tuple[Expression, ...]:
    """Give the expressions directly inside one, in text order."""
    if isinstance(expression, MatrixSelector):
        return (expression.vector,)
    if isinstance(expression, Subquery | Negate):
        return (expression.expression,)
    if isinstance(expression, Call):
        return expression.arguments
    if isinstance(expression, Aggregate):
        parameter = () if expression.parameter is None else (expression.parameter,)
        return (*parameter, expression.expression)
    if isinstance(expression, Binary):
        return (expression.left, expression.right)
    return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and all inside it, outer ones first."""
    yield expression
    for child in children(expression):
        yield from walk(child)


def number_text(number: float) -> str:
    """Write a number as Prometheus prints it in an expression: all digits, no exponent."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return f"{Decimal(repr(number)).normalize():f}"


def _binding(expression: Expression) -> float:
    """How strongly an expression holds together; the more, the fewer parentheses."""
    if isinstance(expression, Binary):
        return _PRECEDENCE[expression.operator]
    if isinstance(expression, Negate) or (isinstance(expression, Number) and expression.value < 0):
        return _UNARY
    return 9


def _moved(offset_ns: int, at: At) -> str:
    text = ""
    if isinstance(at, str):
        text += f" @ {at}()"
    elif at is not None:
        text += f" @ {Decimal(at // MILLISECOND_NS) / 1000}"
    if offset_ns:
        sign = "-" if offset_ns < 0 else ""
        text += f" offset {sign}{format_duration(abs(offset_ns))}"
    return text
