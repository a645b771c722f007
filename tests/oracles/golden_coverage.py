"""Count what the golden cases use: functions, operators, modifiers, failures.

    python tests/oracles/golden_coverage.py

prints one row a construct: cases that use it, those of them with an answer, and those that fail.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)
from read_golden import GoldenCase, read_all

CARDINALITIES = {"ManyToOne": "group_left", "OneToMany": "group_right"}
MATCHERS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
ERROR_WORDS = {
    "duplicate match": "duplicate series for the match group",
    "many-to-many": "multiple matches for labels",
    "equal label sets": "same labelset",
}


def constructs_of(expression: str) -> set[str]:
    """Give the names of all constructs that an expression uses."""
    return set(_constructs(promql_parser.parse(expression)))


def _constructs(node: Any) -> Iterator[str]:
    if isinstance(node, Call):
        yield f"{node.func.name}()"
        for argument in node.args:
            yield from _constructs(argument)
    elif isinstance(node, AggregateExpr):
        yield str(node.op)
        if node.modifier:
            yield "by" if str(node.modifier.type).endswith("By") else "without"
        yield from _constructs(node.expr)
    elif isinstance(node, BinaryExpr):
        yield from _binary(node)
    elif isinstance(node, UnaryExpr):
        yield "unary -"
        yield from _constructs(node.expr)
    elif isinstance(node, ParenExpr):
        yield from _constructs(node.expr)
    elif isinstance(node, SubqueryExpr):
        yield "subquery, default step" if node.step is None else "subquery, step"
        yield from _moved(node, "subquery ")
        yield from _constructs(node.expr)
    elif isinstance(node, MatrixSelector):
        yield from _moved(node.vector_selector, "range ")
        yield from _matchers(node.vector_selector)
    elif isinstance(node, VectorSelector):
        yield from _moved(node, "")
        yield from _matchers(node)


def _binary(node: BinaryExpr) -> Iterator[str]:
    operator = str(node.op)
    numbers = sum(isinstance(_bare(side), NumberLiteral) for side in (node.lhs, node.rhs))
    yield f"{operator} number" if numbers else operator
    modifier = node.modifier
    if modifier is not None:
        if modifier.return_bool:
            yield f"{operator} bool"
        if modifier.matching is not None:
            yield "on" if str(modifier.matching.type).endswith("Include") else "ignoring"
        group = CARDINALITIES.get(str(modifier.card).rpartition(".")[2])
        if group:
            yield group
        if group and modifier.group_labels:
            yield f"{group} with labels"
    yield from _constructs(node.lhs)
    yield from _constructs(node.rhs)


def _bare(node: Any) -> Any:
    while isinstance(node, ParenExpr):
        node = node.expr
    return node


def _moved(node: Any, what: str) -> Iterator[str]:
    if node.offset is not None:
        yield f"{what}offset"
    if node.at is not None:
        kind = str(node.at.type).rpartition(".")[2]
        yield f"{what}@ {'time' if kind == 'At' else kind.lower() + '()'}"


def _matchers(node: VectorSelector) -> Iterator[str]:
    for matcher in node.matchers.matchers:
        yield f"matcher {MATCHERS[str(matcher.op).rpartition('.')[2]]}"
    if node.name is None:
        yield "selector without name"


def count(cases: Iterable[GoldenCase]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Count cases, cases with an answer and failing cases by construct; ``(all)`` counts all."""
    uses: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    failing: Counter[str] = Counter()
    for case in cases:
        names = constructs_of(case.expression) | {"(all)", f"({case.kind})"}
        if isinstance(case.result, str):
            names |= {f"error: {k}" for k, words in ERROR_WORDS.items() if words in case.result}
            failing.update(names)
        elif case.result:
            answered.update(names)
        uses.update(names)
    return uses, answered, failing


def main() -> None:
    """Print the table."""
    uses, answered, failing = count(read_all())
    print(f"{'construct':34} {'cases':>7} {'answer':>7} {'error':>7}")
    for name in sorted(uses):
        print(f"{name:34} {uses[name]:7} {answered[name]:7} {failing[name]:7}")


if __name__ == "__main__":
    main()
