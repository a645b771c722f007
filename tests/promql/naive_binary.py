"""Binary operators on one tick's vectors: the slow twin of `engine.promql.binary`.

A vector is a dict from labels to values, in row order. Transcribed from what Prometheus 3.16's
promql/engine.go (`VectorBinop` and its kin) does for one timestamp.
"""

import math
import operator

import numpy as np

from engine.promql.syntax import ONE_TO_MANY, ONE_TO_ONE

METRIC = {"__name__", "__type__", "__unit__"}
COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class NaiveError(Exception):
    pass


def power(base, exponent):
    """Square and multiply; Go does the same with exponents of two apart, which rounds alike."""
    part, whole = math.modf(abs(exponent))
    if not (math.isfinite(base) and math.isfinite(exponent)) or base == 0 or (part and base < 0):
        return float(np.power(base, exponent))
    result = 1.0
    if abs(exponent) == 0.5:
        result, part = math.sqrt(base), 0.0
    elif part:
        part, whole = (part - 1.0, whole + 1.0) if part > 0.5 else (part, whole)
        result = math.exp(part * math.log(base))
    size = int(whole)
    while size:
        if size & 1:
            result *= base
        base *= base
        size >>= 1
    return float(np.divide(1.0, result)) if exponent < 0 else result


def computed(op, left, right):
    left, right = np.float64(left), np.float64(right)
    with np.errstate(all="ignore"):
        if op == "+":
            return float(left + right)
        if op == "-":
            return float(left - right)
        if op == "*":
            return float(left * right)
        if op == "/":
            return float(left / right)
        if op == "%":
            return float(np.fmod(left, right))
        if op == "^":
            return power(float(left), float(right))
    return math.atan2(left, right)


def element(op, left, right):
    """Give the value and whether to keep it."""
    if op in COMPARE:
        return left, COMPARE[op](left, right)
    return computed(op, left, right), True


def scalar_scalar(op, left, right):
    value, keep = element(op, left, right)
    return float(keep) if op in COMPARE else value


def vector_scalar(node, vector, scalar, *, scalar_is_left):
    result = {}
    for labels, value in vector.items():
        left, right = (scalar, value) if scalar_is_left else (value, scalar)
        outcome, keep = element(node.operator, left, right)
        if node.operator in COMPARE:
            outcome = float(keep) if node.return_bool else value
        if keep or node.return_bool:
            drops = node.operator not in COMPARE or node.return_bool
            put(result, without(labels, METRIC) if drops else labels, outcome)
    return result


def negated(vector):
    result = {}
    for labels, value in vector.items():
        put(result, without(labels, METRIC), -value)
    return result


def put(result, labels, value):
    if labels in result:
        raise NaiveError("vector cannot contain metrics with the same labelset")
    result[labels] = value


def without(labels, names):
    return tuple(pair for pair in labels if pair[0] not in names)


def match_key(labels, matching):
    if matching.on:
        return tuple(pair for pair in labels if pair[0] in matching.labels)
    return without(labels, METRIC | set(matching.labels))


def text(labels):
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"


def set_operation(node, left, right):
    left_keys = {match_key(labels, node.matching) for labels in left}
    right_keys = {match_key(labels, node.matching) for labels in right}
    result = {}
    for labels, value in left.items():
        matched = match_key(labels, node.matching) in right_keys
        if node.operator == "or" or matched == (node.operator == "and"):
            result[labels] = value
    if node.operator == "or":
        for labels, value in right.items():
            if match_key(labels, node.matching) not in left_keys:
                assert labels not in result
                result[labels] = value
    return result


def result_labels(node, many, one):
    labels = dict(many)
    if node.return_bool or node.operator not in COMPARE:
        for name in METRIC:
            labels.pop(name, None)
    if node.matching.cardinality == ONE_TO_ONE:
        for name in list(labels):
            if (name in node.matching.labels) != node.matching.on:
                del labels[name]
    for name in node.matching.include:
        labels.pop(name, None)
        if name in dict(one):
            labels[name] = dict(one)[name]
    return tuple(sorted(labels.items()))


def vector_vector(node, left, right):
    """Operate on two vectors, or raise with Prometheus' message."""
    matching = node.matching
    swapped = matching.cardinality == ONE_TO_MANY
    if not left or not right:
        return {}
    many, one = (right, left) if swapped else (left, right)
    partners = {}
    for labels in one:
        key = match_key(labels, matching)
        if key in partners:
            first, second = sorted((text(labels), text(partners[key])))
            side = "left" if swapped else "right"
            raise NaiveError(
                f"found duplicate series for the match group {text(key)} on the {side} hand-side"
                f" of the operation: [{first}, {second}];many-to-many matching not allowed:"
                " matching labels must be unique on one side"
            )
        partners[key] = labels
    results, claimed = [], set()
    for labels, value in many.items():
        key = match_key(labels, matching)
        if key not in partners:
            continue
        other = one[partners[key]]
        operands = (other, value) if swapped else (value, other)
        outcome, keep = element(node.operator, *operands)
        to = result_labels(node, labels, partners[key])
        claim = key if matching.cardinality == ONE_TO_ONE else (key, to)
        if claim in claimed:
            raise NaiveError(
                "multiple matches for labels: "
                + (
                    "many-to-one matching must be explicit (group_left/group_right)"
                    if matching.cardinality == ONE_TO_ONE
                    else "grouping labels must ensure unique matches"
                )
            )
        claimed.add(claim)
        if keep or node.return_bool:
            results.append((to, float(keep) if node.return_bool else outcome))
    vector = {}
    for pair in results:
        put(vector, *pair)
    return vector
