"""Which rows of two tables are partners under a binary operator, and what labels they give.

Source: Prometheus 3.16, promql/engine.go (`signatureFunc`, `resultMetric`) and model/labels
(`MatchLabels`, `Labels.String`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.promql.matrix import Labels, Relabelled, Table, arranged
from engine.promql.syntax import ONE_TO_ONE, Binary, Matching
from engine.series.identity import NAME_LABEL

ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "atan2"})
"""Operators whose results are no longer the metric, so that its name is dropped."""

METADATA_LABELS = frozenset({NAME_LABEL, "__type__", "__unit__"})
"""Labels that say what metric it is, and go with its name."""

_PLAIN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def kept(labels: Labels, names: Iterable[str]) -> Labels:
    """Keep some labels only."""
    wanted = frozenset(names)
    return tuple(item for item in labels if item[0] in wanted)


def removed(labels: Labels, names: Iterable[str]) -> Labels:
    """Remove some labels."""
    unwanted = frozenset(names)
    return tuple(item for item in labels if item[0] not in unwanted)


def changes_metric(node: Binary) -> bool:
    """Tell whether results are another metric than the operand, and so lose its name."""
    return node.return_bool or node.operator in ARITHMETIC


def signature_function(matching: Matching) -> Callable[[Labels], Labels]:
    """Give the function that makes of labels what has to be equal for rows to match."""
    if matching.on:
        wanted = frozenset(matching.labels)
        return lambda labels: kept(labels, wanted)
    unwanted = METADATA_LABELS.union(matching.labels)
    return lambda labels: removed(labels, unwanted)


def result_labels(many: Labels, one: Labels, node: Binary) -> Labels:
    """Give the labels of a result.

    Parameters
    ----------
    many : tuple
        Labels on the many side; on the left where matching is one-to-one.
    one : tuple
        Labels of the partner.
    node : Binary
        The operation.
    """
    matching = node.matching
    labels = removed(many, METADATA_LABELS) if changes_metric(node) else many
    if matching.cardinality == ONE_TO_ONE:
        change = kept if matching.on else removed
        labels = change(labels, matching.labels)
    if matching.include:
        taken = kept(one, matching.include)
        labels = tuple(sorted((*removed(labels, matching.include), *taken)))
    return labels


@dataclass(frozen=True, slots=True)
class Groups:
    """Match groups that the rows of two tables are in, numbered alike.

    Attributes
    ----------
    first, second : int64[n], int64[m]
        The group of each row of either table.
    count : int
        Groups there are.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    count: int


def match_groups(first: Table, second: Table, matching: Matching) -> Groups:
    """Number the match groups of two tables' rows."""
    signature = signature_function(matching)
    numbers: dict[Labels, int] = {}
    groups = [
        np.array(
            [numbers.setdefault(signature(labels), len(numbers)) for labels in table.labels],
            np.int64,
        )
        for table in (first, second)
    ]
    return Groups(groups[0], groups[1], len(numbers))


@dataclass(frozen=True, slots=True)
class Partners:
    """Where in the result a pair of partners goes.

    A pair's number is ``start[many] + position[one]``.

    Attributes
    ----------
    start : int64[n]
        By row of the many side.
    position : int64[m]
        By row of the one side.
    result : Relabelled
        The table of the result, and its row for each pair.
    claim : int64[pairs]
        What only one pair may have at a tick: the match group, or with ``group_left`` and
        ``group_right`` its share with the same result labels.
    claims : int
        Claims there are.
    """

    start: NDArray[np.int64]
    position: NDArray[np.int64]
    result: Relabelled
    claim: NDArray[np.int64]
    claims: int


def plan_partners(
    many: Table, one: Table, groups: Groups, used: NDArray[np.bool_], node: Binary
) -> Partners:
    """Plan the result of matching, for those rows of the one side that can be partners.

    Parameters
    ----------
    many, one : Table
        The sides, n and m rows.
    groups : Groups
        Their match groups.
    used : bool[m]
        Rows of the one side that pairs are wanted of: with `include`, those that ever were alone in
        their group. Were all paired, a mistaken rule that matches everything with everything would
        fill the memory.
    node : Binary
        The operation.
    """
    position = np.zeros(len(one), np.int64)
    start = np.zeros(len(many), np.int64)
    partners: dict[int, list[Labels]] = {}
    for row in np.flatnonzero(used).tolist():
        members = partners.setdefault(int(groups.second[row]), [])
        if not node.matching.include and members:
            continue  # then the labels don't depend on the partner
        position[row] = len(members)
        members.append(one.labels[row])
    pairs: list[Labels] = []
    claim: list[int] = []
    claims: dict[tuple[int, Labels | None], int] = {}
    one_to_one = node.matching.cardinality == ONE_TO_ONE
    for row, group in enumerate(groups.first.tolist()):
        start[row] = len(pairs)
        for partner in partners.get(group, ()):
            labels = result_labels(many.labels[row], partner, node)
            pairs.append(labels)
            key = (group, None if one_to_one else labels)
            claim.append(claims.setdefault(key, len(claims)))
    return Partners(start, position, arranged(pairs), np.array(claim, np.int64), len(claims))


def labels_text(labels: Labels) -> str:
    """Write labels as Prometheus does in errors, ``{a="1", b="2"}``."""
    pairs = (
        f"{name if _PLAIN_NAME.fullmatch(name) else quoted_for_go(name)}={quoted_for_go(value)}"
        for name, value in labels
    )
    return "{" + ", ".join(pairs) + "}"


def quoted_for_go(text: str) -> str:
    """Quote text as Go's ``strconv.Quote`` does."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
