"""Which labels the results of an expression can have, as far as its text tells."""

from engine.promql.absence import absent_labels
from engine.promql.syntax import (
    MANY_TO_MANY,
    MANY_TO_ONE,
    MATRIX,
    ONE_TO_MANY,
    SCALAR,
    STRING,
    Aggregate,
    Binary,
    Call,
    Expression,
    Negate,
    Subquery,
    Text,
    type_of,
)

_CHOOSING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})  # keep the labels inside
_ABSENT = frozenset({"absent", "absent_over_time"})


def result_labels(expression: Expression) -> frozenset[str] | None:
    """Give all labels that a result may have; None if it may have any.

    References
    ----------
    Prometheus, ``promql/engine.go``: ``resultMetric``, ``aggregation``.
    """
    if type_of(expression) in {SCALAR, STRING}:
        return frozenset()
    if isinstance(expression, Negate | Subquery):
        return result_labels(expression.expression)
    if isinstance(expression, Aggregate):
        return _of_aggregate(expression)
    if isinstance(expression, Call):
        return _of_call(expression)
    if isinstance(expression, Binary):
        return _of_binary(expression)
    return None


def _of_aggregate(node: Aggregate) -> frozenset[str] | None:
    inside = result_labels(node.expression)
    if node.operator in _CHOOSING:
        return inside
    labels: frozenset[str] | None = frozenset(node.grouping)
    if node.without:
        labels = None if inside is None else inside - frozenset(node.grouping)
    elif inside is not None:
        labels = inside & frozenset(node.grouping)
    if node.operator == "count_values" and isinstance(node.parameter, Text):
        return _union(labels, frozenset({node.parameter.value}))
    return labels


def _of_call(node: Call) -> frozenset[str] | None:
    if node.function in _ABSENT:
        return frozenset(name for name, _ in absent_labels(node.arguments[0]))
    sources = [item for item in node.arguments if type_of(item) not in {SCALAR, STRING}]
    if not sources:
        return frozenset()  # a vector of one number, or a calendar function of the tick
    labels = result_labels(sources[0])
    if node.function in {"label_replace", "label_join"} and isinstance(node.arguments[1], Text):
        return _union(labels, frozenset({node.arguments[1].value}))
    if node.function == "histogram_quantile" and labels is not None:
        return labels - {"le"}
    return (
        None if type_of(sources[0]) == MATRIX and not isinstance(sources[0], Subquery) else labels
    )


def _of_binary(node: Binary) -> frozenset[str] | None:
    if SCALAR in {type_of(node.left), type_of(node.right)}:
        vector = node.right if type_of(node.left) == SCALAR else node.left
        return result_labels(vector)
    left, right = result_labels(node.left), result_labels(node.right)
    matching = node.matching
    if matching.cardinality == MANY_TO_MANY:
        return _union(left, right) if node.operator == "or" else left
    if matching.cardinality == MANY_TO_ONE:
        return _union(left, frozenset(matching.include))
    if matching.cardinality == ONE_TO_MANY:
        return _union(right, frozenset(matching.include))
    if matching.on:
        return frozenset(matching.labels) if left is None else left & frozenset(matching.labels)
    return None if left is None else left - frozenset(matching.labels)


def _union(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other
