"""Tells which labels of the alert a template prints, come what may."""

from collections.abc import Iterator, Sequence

from engine.rules.template_nodes import (
    Action,
    Branch,
    Chain,
    Field,
    Operand,
    Pipeline,
    Statement,
    Variable,
)


def labels_printed(statements: Sequence[Statement]) -> list[tuple[str, int]]:
    """List labels that a template prints, each with its first place.

    Parameters
    ----------
    statements : sequence of Statement
        A template.

    Returns
    -------
    list of (str, int)
        Names with the places of their dots in the template. Labels that a condition asks for
        are left out: the template is ready for results without them.
    """
    asked = {label for pipeline in _conditions(statements) for label, _ in _labels(pipeline)}
    found: dict[str, int] = {}
    for pipeline in _actions(statements):
        for label, position in _labels(pipeline):
            if label not in asked:
                found.setdefault(label, position)
    return list(found.items())


def _conditions(statements: Sequence[Statement]) -> Iterator[Pipeline]:
    for statement in statements:
        if isinstance(statement, Branch):
            yield statement.pipeline
            yield from _conditions((*statement.body, *statement.otherwise))


def _actions(statements: Sequence[Statement]) -> Iterator[Pipeline]:
    for statement in statements:
        if isinstance(statement, Action):
            yield statement.pipeline
        elif isinstance(statement, Branch):
            yield from _actions((*statement.body, *statement.otherwise))


def _labels(operand: Operand) -> Iterator[tuple[str, int]]:
    if isinstance(operand, Pipeline):
        for command in operand.commands:
            for inner in command.operands:
                yield from _labels(inner)
    elif isinstance(operand, Chain):
        yield from _labels(operand.head)
    elif isinstance(operand, Variable):
        if operand.path[0] == "$labels" and len(operand.path) > 1:
            yield operand.path[1], operand.position
    elif isinstance(operand, Field) and operand.path[0] == "Labels" and len(operand.path) > 1:
        yield operand.path[1], operand.position
