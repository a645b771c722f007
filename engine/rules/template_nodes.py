"""The parts of a template's actions, evaluated for each alert.

Each node knows its canonical `text`, which Go shows in errors, and its `type`, by Go's name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.rules.go_format import Value, type_name

LABELS_TYPE = "map[string]string"


class ExpansionError(Exception):
    """A function failed on these labels and this value; the attributes are parts of Go's text."""

    def __init__(self, location: str, context: str, reason: str) -> None:
        super().__init__(reason)
        self.location = location
        self.context = context
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Constant:
    """Something written out."""

    text: str
    value: Value

    @property
    def type(self) -> str:
        """Go's name of the type."""
        return type_name(self.value)

    def evaluate(self, _labels: Mapping[str, str], _value: float) -> Value:
        """Give the constant."""
        return self.value


@dataclass(frozen=True, slots=True)
class AlertValue:
    """`$value`, a float64."""

    text: str
    type = "float64"

    def evaluate(self, _labels: Mapping[str, str], value: float) -> Value:
        """Give the alert's value."""
        return value


@dataclass(frozen=True, slots=True)
class AllLabels:
    """`$labels`."""

    text: str
    type = LABELS_TYPE

    def evaluate(self, labels: Mapping[str, str], _value: float) -> Value:
        """Give all labels."""
        return labels


@dataclass(frozen=True, slots=True)
class Label:
    """One label; the empty text if it is missing."""

    text: str
    name: str
    type = "string"

    def evaluate(self, labels: Mapping[str, str], _value: float) -> Value:
        """Give the label."""
        return labels.get(self.name, "")


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; `location` is ``line:column`` as Go counts them."""

    text: str
    name: str
    function: Callable[..., str]
    arguments: tuple["Node", ...]
    location: str  # as Go names it, "line:column"
    type = "string"

    def evaluate(self, labels: Mapping[str, str], value: float) -> Value:
        """Call the function.

        Raises
        ------
        ExpansionError
            If the function can't make sense of its arguments.
        """
        arguments = [argument.evaluate(labels, value) for argument in self.arguments]
        try:
            return self.function(*arguments)
        except ValueError as error:
            reason = f"error calling {self.name}: {error}"
            raise ExpansionError(self.location, self.text, reason) from None


Node = Constant | AlertValue | AllLabels | Label | Call
