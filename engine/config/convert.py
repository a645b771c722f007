"""From YAML nodes to configuration structs, with every mistake and its position."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from operator import ge, gt, le
from typing import Any, NamedTuple

from engine.config.environment import refers, substitute
from engine.config.positions import Entry, Position, YamlList, YamlMapping, resolve_plain
from engine.config.section import Section
from engine.config.shapes import (
    AnyShape,
    ChoiceShape,
    ListShape,
    MapShape,
    ScalarShape,
    Shape,
    StructShape,
)
from engine.errors import Problem

BROKEN: Any = object()  # stands for a value whose problem has been reported
_SHOWN_CHARACTERS = 60


class _Bound(NamedTuple):
    """A bound's test and its words."""

    holds: Callable[[Any, Any], bool]
    words: str


_BOUNDS = {
    "ge": _Bound(ge, "at least"),
    "gt": _Bound(gt, "more than"),
    "le": _Bound(le, "at most"),
}


class Converter:
    """Walks a node and the shape it should have, side by side.

    Each method returns the value, or `BROKEN` after having added to `problems`. Messages show what
    stands in the file, never what the environment put in its place.
    """

    def __init__(self, *, file: str, environment: Mapping[str, str]) -> None:
        self.file = file
        self.environment = environment
        self.problems: list[Problem] = []

    def report(self, position: Position, path: str, message: str) -> Any:
        """Add a problem; gives BROKEN for the caller to return."""
        prefix = f"{path}: " if path else ""
        self.problems.append(Problem(self.file, *position, prefix + message))
        return BROKEN

    def value(self, shape: Shape, node: Any, entry: Entry, path: str) -> Any:
        """Convert one value."""
        if node is None:
            return self._null(shape, entry, path)
        match shape, node:
            case AnyShape(), _:
                return self._anything(node, entry, path)
            case ScalarShape() | ChoiceShape(), _:
                return self._single(shape, entry, path)
            case ListShape(), YamlList():
                return self._list(shape, node, path)
            case ListShape(), _:
                return self.report(entry.value, path, "takes a list: '- ' before each item")
            case StructShape(), YamlMapping():
                return self.section(shape, node, path)
            case MapShape(), YamlMapping():
                return self._map(shape, node, path)
        return self.report(entry.value, path, "takes keys with values, such as `key: value`")

    def section(self, shape: StructShape, node: YamlMapping, path: str) -> Any:
        """Convert a mapping to its struct; every key is looked at, whatever fails."""
        problems_before = len(self.problems)
        fields = {field.key: field for field in shape.fields}
        values = {}
        for key, entry in node.entries.items():
            if key in fields:
                inner = _joined(path, key)
                values[fields[key].name] = self.value(fields[key].shape, node[key], entry, inner)
            else:
                self.report(entry.key, path, _unknown_key(key, list(fields)))
        for field in shape.fields:
            if field.required and field.key not in node:
                self.report(node.position, path, f"`{field.key}` is missing. {field.meaning}")
        if len(self.problems) > problems_before:
            return BROKEN
        return self._without_conflicts(shape.struct(**values), node, path)

    def _without_conflicts(self, section: Section, node: YamlMapping, path: str) -> Any:
        conflicts = list(section.conflicts())
        for key, message in conflicts:
            position = node.entries[key].value if key in node.entries else node.position
            self.report(position, _joined(path, key), message)
        return BROKEN if conflicts else section

    def _list(self, shape: ListShape, node: YamlList, path: str) -> Any:
        items = tuple(
            self.value(shape.item, child, entry, f"{path}[{index}]")
            for index, (child, entry) in enumerate(zip(node, node.entries, strict=True))
        )
        if shape.unique and self._repeats(shape.unique, items, node, path):
            return BROKEN
        return BROKEN if BROKEN in items else items

    def _repeats(self, key: str, items: tuple[Any, ...], node: YamlList, path: str) -> bool:
        """Report items that say the same under `key`."""
        first_lines: dict[Any, int] = {}
        repeated = False
        for index, item in enumerate(items):
            if item is BROKEN:
                continue
            position = node[index].entries[key].value
            value = getattr(item, key)
            if value in first_lines:
                message = f"stands twice, the first one stands in line {first_lines[value]}"
                self.report(position, f"{path}[{index}].{key}", f"{message}; join them")
                repeated = True
            first_lines.setdefault(value, position.line)
        return repeated

    def _map(self, shape: MapShape, node: YamlMapping, path: str) -> Any:
        values = {
            key: self.value(shape.item, node[key], entry, _joined(path, key))
            for key, entry in node.entries.items()
        }
        return BROKEN if BROKEN in values.values() else values

    def _null(self, shape: Shape, entry: Entry, path: str) -> Any:
        if shape.nullable:
            return None
        if isinstance(shape, StructShape):  # a heading whose lines are all commented out
            return self.section(shape, YamlMapping(entry.value), path)
        return self.report(entry.value, path, "has no value; give one or remove the key")

    def _single(self, shape: ScalarShape | ChoiceShape, entry: Entry, path: str) -> Any:
        """Convert a scalar or choice, which is read from its text after substitution."""
        if entry.text is None:
            return self.report(entry.value, path, "takes a single value, no list or keys")
        try:
            text = substitute(entry.text, self.environment)
        except ValueError as error:
            return self.report(entry.value, path, str(error))
        if isinstance(shape, ChoiceShape):
            return self._choice(shape, text, entry, path)
        try:
            value = shape.scalar.parse(text)
        except ValueError as error:
            # The reason may quote what came from the environment, so it is left out then.
            reason = f" ({error})" if str(error) and not refers(entry.text) else ""
            message = (
                f"{_shown(entry)} isn't {shape.scalar.noun}{reason}; write {shape.scalar.hint}"
            )
            return self.report(entry.value, path, message)
        return self._within_bounds(shape, value, entry, path)

    def _choice(self, shape: ChoiceShape, text: str, entry: Entry, path: str) -> Any:
        if text in shape.choices:
            return text
        message = f"{_shown(entry)} isn't known; write one of {', '.join(shape.choices)}"
        message += _did_you_mean(text, shape.choices) if not refers(entry.text or "") else ""
        return self.report(entry.value, path, message)

    def _within_bounds(self, shape: ScalarShape, value: Any, entry: Entry, path: str) -> Any:
        for name, bound in shape.bounds:
            if name == "min_length" and not value:
                return self.report(entry.value, path, "must not be empty")
            if name in _BOUNDS and not _BOUNDS[name].holds(value, bound):
                message = f"must be {_BOUNDS[name].words} {shape.scalar.show(bound)}"
                return self.report(entry.value, path, message)
        return value

    def _anything(self, node: Any, entry: Entry, path: str) -> Any:
        """Convert a value of free form, such as a detector's parameter."""
        if isinstance(node, YamlList):
            return self._list(_LIST_OF_ANYTHING, node, path)
        if isinstance(node, YamlMapping):
            return self._map(_MAP_OF_ANYTHING, node, path)
        if not isinstance(node, str):
            return node
        try:
            text = substitute(node, self.environment)
        except ValueError as error:
            return self.report(entry.value, path, str(error))
        return resolve_plain(text) if refers(node) else text


_LIST_OF_ANYTHING = ListShape(item=AnyShape(nullable=True))
_MAP_OF_ANYTHING = MapShape(item=AnyShape(nullable=True))


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _shown(entry: Entry) -> str:
    """Quote a scalar as it stands in the file, cut to a length that fits a line."""
    text = entry.text or ""
    return f"'{text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + '...'}'"


def _unknown_key(key: str, known: Sequence[str]) -> str:
    known_keys = f"known here: {', '.join(known)}"
    return f"`{key}` isn't a known key{_did_you_mean(key, known) or '; ' + known_keys}"


def _did_you_mean(text: str, known: Sequence[str]) -> str:
    matches = get_close_matches(text, known, n=1)
    return f"; did you mean `{matches[0]}`?" if matches else ""
