"""The parts of a template: its text, its actions, and the expressions in them.

Each node knows its `position`, in characters of the template, and its canonical text (``str``):
Go shows both in errors. Source: Go's `text/template/parse`.
"""

from dataclasses import dataclass

from engine.rules.go_format import Value


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text between actions."""

    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`, the value at hand."""

    position: int

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`."""

    position: int

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, number or boolean that is written out."""

    position: int
    text: str
    value: Value

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Field:
    """`.Labels.job`: the dot's field, and fields of that."""

    position: int
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "." + ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$labels.job`: a variable (the path's first part, with its dollar sign) and its fields."""

    position: int
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Identifier:
    """A function's name."""

    position: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).field` or `function.field`."""

    position: int
    head: "Operand"
    path: tuple[str, ...]

    def __str__(self) -> str:
        return _operand_text(self.head) + "." + ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Command:
    """A function with its arguments, or one operand."""

    position: int
    operands: tuple["Operand", ...]

    def __str__(self) -> str:
        return " ".join(map(_operand_text, self.operands))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which gets the value of the one before as its last argument.

    Attributes
    ----------
    variables : tuple of str
        Those that get the value.
    is_assignment : bool
        Whether the variables exist already (`=`, not `:=`).
    """

    position: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    is_assignment: bool = False

    def __str__(self) -> str:
        given = ", ".join(self.variables) + (" = " if self.is_assignment else " := ")
        return (given if self.variables else "") + " | ".join(map(str, self.commands))


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipeline }}`: prints the value, unless a variable gets it."""

    position: int
    pipeline: Pipeline

    def __str__(self) -> str:
        return "{{" + str(self.pipeline) + "}}"


@dataclass(frozen=True, slots=True)
class Branch:
    """An `if`, a `with` or a `range`; `keyword` tells which."""

    keyword: str
    pipeline: Pipeline
    body: tuple["Statement", ...]
    otherwise: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """A `break` or a `continue`; `keyword` tells which."""

    keyword: str


Operand = Dot | Nil | Constant | Field | Variable | Identifier | Chain | Pipeline
Statement = Text | Action | Branch | Jump


def _operand_text(operand: Operand) -> str:
    return f"({operand})" if isinstance(operand, Pipeline) else str(operand)
