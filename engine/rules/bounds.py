"""Between which numbers an expression's values can lie, as far as its text tells.

NaN, which no comparison but ``!=`` lets pass, is left out. What isn't known is everything.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from engine.promql.syntax import (
    COMPARISONS,
    VECTOR,
    Aggregate,
    Binary,
    Call,
    Expression,
    MatrixSelector,
    Negate,
    Number,
    Subquery,
    type_of,
)

_INFINITY = math.inf


@dataclass(frozen=True, slots=True)
class Bounds:
    """All numbers from `low` to `high`; none where `low` is above `high`."""

    low: float = -_INFINITY
    high: float = _INFINITY

    @property
    def empty(self) -> bool:
        """Whether no number lies between."""
        return self.low > self.high

    def hull(self, other: "Bounds") -> "Bounds":
        """Give the bounds of what lies in either."""
        return Bounds(min(self.low, other.low), max(self.high, other.high))

    def within(self, other: "Bounds") -> "Bounds":
        """Give the bounds of what lies in both."""
        return Bounds(max(self.low, other.low), min(self.high, other.high))

    def mapped(self, rising: Callable[[float], float]) -> "Bounds":
        """Give the bounds of a function's values that never falls."""
        return Bounds(rising(self.low), rising(self.high))


_ALL = Bounds()
_ONE = Bounds(1.0, 1.0)
_FROM_ZERO = Bounds(low=0.0)
_FROM_ONE = Bounds(low=1.0)
_FLAG = Bounds(0.0, 1.0)

_FIXED = {
    **dict.fromkeys(("absent", "absent_over_time", "present_over_time", "group"), _ONE),
    **dict.fromkeys(("count", "count_values", "count_over_time"), _FROM_ONE),
    **dict.fromkeys(("stddev", "stdvar", "stddev_over_time", "stdvar_over_time"), _FROM_ZERO),
    **dict.fromkeys(("mad_over_time", "changes", "resets", "abs", "sqrt", "exp"), _FROM_ZERO),
    "sgn": Bounds(-1.0, 1.0),
    "tanh": Bounds(-1.0, 1.0),
    "sin": Bounds(-1.0, 1.0),
    "cos": Bounds(-1.0, 1.0),
    "day_of_month": Bounds(1.0, 31.0),
    "day_of_week": Bounds(0.0, 6.0),
    "day_of_year": Bounds(1.0, 366.0),
    "days_in_month": Bounds(28.0, 31.0),
    "hour": Bounds(0.0, 23.0),
    "minute": Bounds(0.0, 59.0),
    "month": Bounds(1.0, 12.0),
    "pi": Bounds(math.pi, math.pi),
}
_NEVER_NAN = frozenset({"absent", "absent_over_time", "present_over_time", "group", "pi"})
# What picks values, or mixes them, of the vector that is its first argument.
_OF_INSIDE = frozenset(
    {
        *("label_replace", "label_join", "sort", "sort_desc", "sort_by_label"),
        *("sort_by_label_desc", "vector", "scalar"),
        *("min_over_time", "max_over_time", "first_over_time", "last_over_time"),
        *("avg_over_time", "min", "max", "avg", "topk", "bottomk", "limitk"),
    }
)
_SUMS = frozenset({"sum", "sum_over_time"})
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


def bounds_of(expression: Expression) -> Bounds:
    """Give bounds of an expression's values."""
    if isinstance(expression, Number):
        number = expression.value
        return _ALL if math.isnan(number) else Bounds(number, number)
    if isinstance(expression, Negate):
        inside = bounds_of(expression.expression)
        return Bounds(-inside.high, -inside.low)
    if isinstance(expression, Subquery):
        return bounds_of(expression.expression)
    if isinstance(expression, Aggregate):
        return _named(expression.operator, expression.expression)
    if isinstance(expression, Call):
        if expression.function in {"clamp", "clamp_min", "clamp_max"}:
            return _clamped(expression)
        return _named(expression.function, *expression.arguments[:1])
    if isinstance(expression, Binary):
        return _combined(expression)
    return _ALL


def never_true(operator: str, left: Expression, right: Expression) -> bool:
    """Tell whether a comparison fails for all values that its sides can have."""
    if any(isinstance(side, Number) and math.isnan(side.value) for side in (left, right)):
        return operator != "!="
    one, other = bounds_of(left), bounds_of(right)
    if one.empty or other.empty:
        return False  # a comparison inside is never true, and is the one to blame
    if operator in {"<", "<="}:
        operator, one, other = _MIRRORED[operator], other, one
    if operator == ">":
        return one.high <= other.low
    if operator == ">=":
        return one.high < other.low
    if operator == "==":
        return one.high < other.low or other.high < one.low
    # NaN differs from all; what is left here is never NaN.
    sure = all(isinstance(side, Number) or _name(side) in _NEVER_NAN for side in (left, right))
    return sure and one.low == one.high == other.low == other.high


def _name(expression: Expression) -> str:
    if isinstance(expression, Call):
        return expression.function
    return expression.operator if isinstance(expression, Aggregate) else ""


def _named(name: str, *arguments: Expression) -> Bounds:
    if name in _FIXED:
        return _FIXED[name]
    if not arguments or isinstance(arguments[0], MatrixSelector):
        return _ALL
    if name in _OF_INSIDE:
        return bounds_of(arguments[0])
    if name in {"ceil", "floor"}:
        return bounds_of(arguments[0]).mapped(_ceil if name == "ceil" else _floor)
    if name in _SUMS:
        inside = bounds_of(arguments[0])
        low = inside.low if inside.low >= 0 else -_INFINITY
        return Bounds(low, inside.high if inside.high <= 0 else _INFINITY)
    return _ALL


def _ceil(value: float) -> float:
    return value if math.isinf(value) else float(math.ceil(value))


def _floor(value: float) -> float:
    return value if math.isinf(value) else float(math.floor(value))


def _clamped(call: Call) -> Bounds:
    inside, *limits = map(bounds_of, call.arguments)
    if call.function == "clamp":
        low, high = limits
        if low.high > high.low:  # the lower limit may be above the upper one: then there is nothing
            return _ALL
        return inside.mapped(lambda value: min(max(value, low.low), high.high))
    if call.function == "clamp_min":
        return Bounds(max(inside.low, limits[0].low), max(inside.high, limits[0].high))
    return Bounds(min(inside.low, limits[0].low), min(inside.high, limits[0].high))


def _combined(expression: Binary) -> Bounds:
    left, right = bounds_of(expression.left), bounds_of(expression.right)
    operator = expression.operator
    if operator in COMPARISONS:
        if expression.return_bool:
            return _FLAG
        if type_of(expression.left) == VECTOR:
            return _passed(left, operator, right)
        return _passed(right, _MIRRORED[operator], left)
    if operator in {"and", "unless"}:
        return left
    if operator == "or":
        return left.hull(right)
    return _calculated(operator, left, right)


def _passed(values: Bounds, operator: str, other: Bounds) -> Bounds:
    """Give the bounds of the values that pass a filter."""
    if operator in {">", ">="}:
        return values.within(Bounds(low=other.low))
    if operator in {"<", "<="}:
        return values.within(Bounds(high=other.high))
    return values.within(other) if operator == "==" else values


def _calculated(operator: str, left: Bounds, right: Bounds) -> Bounds:
    if operator == "+":
        corners = [left.low + right.low, left.high + right.high]
    elif operator == "-":
        corners = [left.low - right.high, left.high - right.low]
    elif operator == "*":
        corners = [x * y for x in (left.low, left.high) for y in (right.low, right.high)]
    elif operator == "/" and (right.low > 0 or right.high < 0):
        corners = [x / y for x in (left.low, left.high) for y in (right.low, right.high)]
    else:
        return _ALL
    # Infinite ends are limits that no number reaches: where they leave a corner undefined, the
    # others say it all.
    known = [corner for corner in corners if not math.isnan(corner)]
    if not known or left.empty or right.empty or (operator in "+-" and len(known) < len(corners)):
        return _ALL
    return Bounds(min(known), max(known))
