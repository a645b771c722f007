"""Fills parsed templates in, value by value, as Go's `text/template` does.

Types are known only here, and so are most mistakes. Each step notes the node it is `at`, since
an error names the last one. Source: the behaviour of Go's `text/template/exec.go`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from engine.rules.go_format import Value, print_value, type_name
from engine.rules.template_functions import (
    DURATION_METHODS,
    FUNCTIONS,
    NILLABLE,
    REFLECTED,
    STRING,
    TIME_METHODS,
    Function,
)
from engine.rules.template_logic import is_true
from engine.rules.template_nodes import (
    Action,
    Branch,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Identifier,
    Jump,
    Nil,
    Operand,
    Pipeline,
    Statement,
    Text,
    Variable,
)
from engine.rules.template_values import AlertData, Arguments, Duration, Moment

_MOST_ROUNDS = 10_000  # of all ranges of a text; a mistyped number must not stop a stream
_PREDEFINED = {"Labels": "$labels", "ExternalLabels": "$externalLabels",
               "ExternalURL": "$externalURL", "Value": "$value"}  # fmt: skip


class ExpansionError(Exception):
    """A template failed on these labels and this value, at a place of the template.

    Attributes
    ----------
    position : int
        In characters of the template.
    context : str
        The node's text.
    """

    def __init__(self, position: int, context: str, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.context = context


class _Missing:
    """Stands for the value before a pipeline's first command."""


class _Jumped(Exception):  # noqa: N818 # no error: a break or continue on its way to its range
    def __init__(self, keyword: str) -> None:
        super().__init__(keyword)
        self.keyword = keyword


_MISSING = _Missing()
_Final = Value | _Missing
_Node = Operand | Command | Action


class Execution:
    """One filling-in: the variables, the text so far, and the node at work."""

    def __init__(self, data: AlertData) -> None:
        self.data = data
        self.texts: list[str] = []
        self.variables: list[tuple[str, Value]] = [("$", data)]
        fields = data.fields
        self.variables += [(name, fields[field]) for field, name in _PREDEFINED.items()]
        self.node: _Node = Dot(0)
        self.rounds = 0

    def run(self, statements: Sequence[Statement]) -> str:
        """Give the text of all statements.

        Raises
        ------
        ExpansionError
            If a function or an operand can't make sense of the values.
        """
        self.walk(self.data, statements)
        return "".join(self.texts)

    def fail(self, reason: str) -> ExpansionError:
        """Make the error that names the node at work."""
        position = self.node.position
        return ExpansionError(position, str(self.node), reason)

    def walk(self, dot: Value, statements: Sequence[Statement]) -> None:
        """Add the text of statements; `dot` is the value at hand."""
        for statement in statements:
            if isinstance(statement, Text):
                self.texts.append(statement.text)
            elif isinstance(statement, Action):
                self.act(dot, statement)
            elif isinstance(statement, Jump):
                raise _Jumped(statement.keyword)
            else:
                scope = len(self.variables)
                try:
                    self.branch(dot, statement)
                finally:
                    del self.variables[scope:]

    def act(self, dot: Value, action: Action) -> None:
        """Evaluate an action and print its value, unless a variable gets it."""
        value = self.pipeline(dot, action.pipeline)
        if not action.pipeline.variables:
            self.node = action
            self.texts.append("<no value>" if value is None else print_value(value))

    def branch(self, dot: Value, branch: Branch) -> None:
        """Walk the part of an `if`, `with` or `range` that its value asks for."""
        value = self.pipeline(dot, branch.pipeline)
        if branch.keyword == "range":
            if not self.repeat(branch, value):
                self.walk(dot, branch.otherwise)
        elif is_true(value):
            self.walk(value if branch.keyword == "with" else dot, branch.body)
        else:
            self.walk(dot, branch.otherwise)

    def repeat(self, branch: Branch, value: Value) -> bool:
        """Walk a range's body for each element; tell whether there was one."""
        scope = len(self.variables)
        any_round = False
        for key, element in self.elements(value, len(branch.pipeline.variables)):
            any_round = True
            self.rounds += 1
            if self.rounds > _MOST_ROUNDS:
                raise self.fail(f"the ranges are longer than {_MOST_ROUNDS} rounds")
            self.set_range_variables(branch.pipeline, key, element)
            try:
                self.walk(element, branch.body)
            except _Jumped as jump:
                if jump.keyword == "break":
                    break
            finally:
                del self.variables[scope:]
        return any_round

    def elements(self, value: Value, variables: int) -> Iterator[tuple[Value, Value]]:
        """Give what a range walks over: keys, and elements, which become the dot."""
        if isinstance(value, Mapping):
            yield from ((key, value[key]) for key in sorted(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            if variables > 1:
                shown = print_value(value)
                raise self.fail(f"can't use {shown} to iterate over more than one variable")
            yield from ((None, type(value)(number)) for number in range(value))
        elif value is not None:
            raise self.fail(f"range can't iterate over {print_value(value)}")

    def set_range_variables(self, pipeline: Pipeline, key: Value, element: Value) -> None:
        """Give a round's key and element to the variables of a range."""
        names = pipeline.variables
        values = (element,) if len(names) == 1 else (key, element)
        for place, (name, value) in enumerate(zip(names, values, strict=False)):
            if pipeline.is_assignment:
                self.assign(name, value)
            else:
                self.variables[place - len(names)] = (name, value)

    def assign(self, name: str, value: Value) -> None:
        """Give a variable that exists a new value."""
        self.variables[self.place_of(name)] = (name, value)

    def place_of(self, name: str) -> int:
        """Find the innermost variable of a name."""
        for place in reversed(range(len(self.variables))):
            if self.variables[place][0] == name:
                return place
        raise self.fail(f"undefined variable: {name}")

    def pipeline(self, dot: Value, pipeline: Pipeline) -> Value:
        """Evaluate commands one after the other; give the last value, to variables, too."""
        self.node = pipeline
        first, *others = pipeline.commands
        value = self.command(dot, first, _MISSING)
        for command in others:
            value = self.command(dot, command, value)
        for name in pipeline.variables:
            if pipeline.is_assignment:
                self.assign(name, value)
            else:
                self.variables.append((name, value))
        return value

    def command(self, dot: Value, command: Command, final: _Final) -> Value:
        """Evaluate one command; `final` is the value that the pipe brings."""
        first, *arguments = command.operands
        has_arguments = bool(arguments) or not isinstance(final, _Missing)
        if isinstance(first, Identifier):
            self.node = first
            return self.call(dot, FUNCTIONS[first.name], first.name, command, arguments, final)
        if isinstance(first, Field | Chain) or (
            isinstance(first, Variable) and len(first.path) > 1
        ):
            return self.chain(dot, first, command.operands, final)
        if not isinstance(first, Pipeline):
            self.node = first
            if isinstance(first, Nil) and not has_arguments:
                raise self.fail("nil is not a command")
        if has_arguments:
            raise self.fail(f"can't give argument to non-function {first}")
        return self.operand(dot, first)

    def operand(self, dot: Value, operand: Operand) -> Value:
        """Evaluate an operand that gets no arguments."""
        if isinstance(operand, Pipeline):
            return self.pipeline(dot, operand)
        self.node = operand
        if isinstance(operand, Constant):
            return operand.value
        if isinstance(operand, Dot):
            return dot
        if isinstance(operand, Identifier):
            function = FUNCTIONS[operand.name]
            return self.call(dot, function, operand.name, operand, (), _MISSING)
        if isinstance(operand, Variable) and len(operand.path) == 1:
            return self.variables[self.place_of(operand.path[0])][1]
        if isinstance(operand, Nil):
            return None
        return self.chain(dot, operand, (operand,), _MISSING)

    def chain(
        self,
        dot: Value,
        node: Field | Chain | Variable,
        operands: Sequence[Operand],
        final: _Final,
    ) -> Value:
        """Follow fields one by one; the last may be a method, which gets the arguments."""
        self.node = node
        path = node.path
        receiver, holder = dot, dot
        if isinstance(node, Variable):
            receiver, path = self.variables[self.place_of(path[0])][1], path[1:]
            holder = None
        elif isinstance(node, Chain):
            if isinstance(node.head, Nil):
                raise self.fail(f"indirection through explicit nil in {node}")
            receiver, holder = self.operand(dot, node.head), None
        for place, name in enumerate(path):
            last = place == len(path) - 1
            arguments = operands[1:] if last else ()
            kind = _static_type(receiver, holder if place else None, path[place - 1])
            found = self.field(
                dot, node, name, (receiver, kind), arguments, final if last else _MISSING
            )
            receiver, holder = found, receiver
        return receiver

    def field(
        self,
        dot: Value,
        node: _Node,
        name: str,
        typed_receiver: tuple[Value, str],
        arguments: Sequence[Operand],
        final: _Final,
    ) -> Value:
        """Take a field, or call a method, of a value, which comes with its declared type."""
        receiver, kind = typed_receiver
        has_arguments = bool(arguments) or not isinstance(final, _Missing)
        if receiver is None:
            if kind == "interface {}":
                raise self.fail(f"nil pointer evaluating interface {{}}.{name}")
            return None
        methods = _methods(receiver)
        if name in methods:
            method = methods[name]
            bound = Function(method.parameters, lambda: method.call(receiver))
            return self.call(dot, bound, name, node, arguments, final)
        if isinstance(receiver, AlertData) and name in receiver.fields:
            if has_arguments:
                raise self.fail(f"{name} has arguments but cannot be invoked as function")
            field: Value = receiver.fields[name]
            return field
        if isinstance(receiver, Mapping):
            if has_arguments:
                raise self.fail(f"{name} is not a method but has arguments")
            entry: Value = receiver.get(name, None if isinstance(receiver, Arguments) else "")
            return entry
        raise self.fail(f"can't evaluate field {name} in type {kind}")

    def call(
        self,
        dot: Value,
        function: Function,
        name: str,
        node: _Node,
        operands: Sequence[Operand],
        final: _Final,
    ) -> Value:
        """Call a function or method; an error in it names `node`."""
        has_final = not isinstance(final, _Missing)
        count, least = len(operands) + has_final, len(function.parameters)
        if function.rest and count < least:
            raise self.fail(
                f"wrong number of args for {name}: want at least {least} got {len(operands)}"
            )
        if not function.rest and count != least:
            raise self.fail(f"wrong number of args for {name}: want {least} got {count}")
        if name in {"and", "or"}:
            return self.first_decisive(dot, name, operands, final)
        if name in {"externalURL", "pathPrefix"}:
            url = self.data.external_url
            return url if name == "externalURL" else unquote(urlsplit(url).path)
        types = function.parameters + (function.rest,) * (count - least)
        arguments = [
            self.argument(dot, kind, operand)
            for kind, operand in zip(types, operands, strict=False)
        ]
        if not isinstance(final, _Missing):
            arguments.append(self.checked(final, types[-1]))
        try:
            value: Value = function.call(*arguments)
        except ValueError as error:
            self.node = node
            raise self.fail(f"error calling {name}: {error}") from None
        return value

    def first_decisive(
        self, dot: Value, name: str, operands: Sequence[Operand], final: _Final
    ) -> Value:
        """Evaluate `and` and `or`, which stop at the first argument that decides."""
        value: Value = None
        for operand in operands:
            value = self.argument(dot, REFLECTED, operand)
            if is_true(value) == (name == "or"):
                return value
        return value if isinstance(final, _Missing) else final

    def argument(self, dot: Value, kind: str, operand: Operand) -> Value:
        """Evaluate a function's argument and check that it has the type `kind`."""
        self.node = operand
        if isinstance(operand, Nil):
            if kind not in NILLABLE:
                raise self.fail(f"cannot assign nil to {kind}")
            return None
        if isinstance(operand, Constant):
            if kind == STRING and not isinstance(operand.value, str):
                raise self.fail(f"expected string; found {operand}")
            if kind not in {STRING, "interface {}", REFLECTED}:
                raise self.fail(f"can't handle {operand} for arg of type {kind}")
            return operand.value
        value = self.operand(dot, operand)
        if value is None and isinstance(operand, Chain) and kind not in NILLABLE:
            # A nil out of a map has the type of the map's values.
            raise self.fail(f"wrong type for value; expected {kind}; got interface {{}}")
        return self.checked(value, kind)

    def checked(self, value: Value, kind: str) -> Any:
        """Check that a value has the type `kind`."""
        if value is None:
            if kind not in NILLABLE:
                raise self.fail(f"invalid value; expected {kind}")
            return None
        if kind in {"interface {}", REFLECTED}:
            return value
        if kind != type_name(value):
            raise self.fail(f"wrong type for value; expected {kind}; got {type_name(value)}")
        return value


def _methods(receiver: Value) -> Mapping[str, Function]:
    if isinstance(receiver, Moment):
        return TIME_METHODS
    return DURATION_METHODS if isinstance(receiver, Duration) else {}


def _static_type(receiver: Value, holder: Value, name: str) -> str:
    """Give the type that Go names when it looks for a field: what the holder declares, if any."""
    if isinstance(holder, Arguments) or (isinstance(holder, AlertData) and name == "Value"):
        return "interface {}"
    return type_name(receiver)
