"""Tells whether a template's text can change with the alert's value.

What can't matter may be taken to matter, never the other way round.
"""

from collections.abc import Sequence

from engine.rules.template_nodes import (
    Action,
    Branch,
    Chain,
    Dot,
    Field,
    Operand,
    Pipeline,
    Statement,
    Variable,
)


def uses_value(statements: Sequence[Statement], *, dot_is_alert: bool = True) -> bool:
    """Look for the value, and for all of the alert's data, in all branches.

    Parameters
    ----------
    statements : sequence of Statement
        A template, or a part of it.
    dot_is_alert : bool
        Whether the dot is the alert's data, which the value is part of.
    """
    return any(_statement_uses(statement, dot_is_alert) for statement in statements)


def _statement_uses(statement: Statement, dot_is_alert: bool) -> bool:
    if isinstance(statement, Action):
        return _operand_uses(statement.pipeline, dot_is_alert)
    if not isinstance(statement, Branch):
        return False
    body_dot_is_alert = dot_is_alert and statement.keyword == "if"
    return (
        _operand_uses(statement.pipeline, dot_is_alert)
        or uses_value(statement.body, dot_is_alert=body_dot_is_alert)
        or uses_value(statement.otherwise, dot_is_alert=dot_is_alert)
    )


def _operand_uses(operand: Operand, dot_is_alert: bool) -> bool:
    if isinstance(operand, Pipeline):
        return any(
            _operand_uses(inner, dot_is_alert)
            for command in operand.commands
            for inner in command.operands
        )
    if isinstance(operand, Chain):
        return _operand_uses(operand.head, dot_is_alert)
    if isinstance(operand, Field):
        return operand.path[0] == "Value"
    if isinstance(operand, Variable):
        path = operand.path
        return path[0] == "$value" or (path[0] == "$" and path[1:2] in {(), ("Value",)})
    return isinstance(operand, Dot) and dot_is_alert
