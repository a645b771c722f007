"""Takes fields out of YAML mappings; what is wrong becomes a problem with its place."""

import re
from collections.abc import Callable
from typing import TypeVar

from engine.config.durations import parse_duration
from engine.config.positions import (
    Position,
    YamlList,
    YamlMapping,
    load_yaml,
    position_of,
    text_of,
    value_position_of,
)
from engine.errors import Problem
from engine.promql.errors import ExpressionError
from engine.rules.source_position import position_inside

Parsed = TypeVar("Parsed")

# Escapes of YAML can make them; nothing downstream can encode them.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class YamlFields:
    """One YAML file; its methods read fields of its mappings and fill `problems`."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = text.splitlines()
        self.root, self.problems = load_yaml(text, file)

    def problem(self, position: Position, message: str) -> None:
        """Note a mistake."""
        self.problems.append(Problem(self.file, *position, message))

    def check_fields(
        self,
        node: YamlMapping,
        known: tuple[str, ...],
        unsupported: frozenset[str] = frozenset(),
    ) -> None:
        """Refuse fields that aren't known, and by name those that other engines know."""
        for field in node:
            if field in known:
                continue
            message = f"unknown field '{field}'; there are {', '.join(known)}"
            if field in unsupported:
                message = f"'{field}' is not supported yet; remove it"
            self.problem(position_of(node, field), message)

    def text(self, node: YamlMapping, field: str) -> str:
        """Give a scalar as it was written, empty where there is none, as Prometheus does."""
        if node.get(field) is None:
            return ""
        if isinstance(node[field], YamlMapping | YamlList):
            self.problem(value_position_of(node, field), f"'{field}' is a text")
            return ""
        text = text_of(node, field) or ""
        if _LONE_SURROGATE.search(text):
            self.problem(value_position_of(node, field), f"'{field}' isn't valid Unicode text")
            return ""
        return text

    def parsed(
        self, node: YamlMapping, field: str, parse: Callable[[str], Parsed], *, what: str = ""
    ) -> Parsed | None:
        """Read a scalar that isn't empty with `parse`, whose ValueError becomes a problem.

        Parameters
        ----------
        node : YamlMapping
        field : str
            The scalar's key.
        parse : callable
        what : str
            What problems call the field, if not `field`.

        Returns
        -------
        Parsed or None
            None if there is none, or after a mistake.
        """
        text = self.text(node, field)
        if not text:
            return None
        position = value_position_of(node, field)
        try:
            return parse(text)
        except ExpressionError as error:
            if error.offset is not None:
                position = self.place_inside(node, field, error.offset)
            self.problem(position, f"{what or field}: {error}")
        except ValueError as error:
            self.problem(position, f"{what or field}: {error}")
        return None

    def place_inside(self, node: YamlMapping, field: str, offset: int) -> Position:
        """Give the place in the file of a character of a scalar."""
        text = self.text(node, field)
        # Where something is missing at the end, the last character is the place.
        offset = min(offset, len(text.rstrip()) - 1)
        return position_inside(self.lines, value_position_of(node, field), text, offset)

    def duration(self, node: YamlMapping, field: str) -> int:
        """Read a duration in nanoseconds, 0 where there is none."""

        def parse(text: str) -> int:
            try:
                return parse_duration(text)
            except ValueError as error:
                raise ValueError(f"'{text}' isn't a duration such as 30s or 5m: {error}") from None

        return self.parsed(node, field, parse) or 0

    def items(self, node: YamlMapping, field: str) -> list[tuple[YamlMapping, Position]]:
        """Give the mappings of a list."""
        found = []
        for item, position, _ in self._entries(node, field):
            if isinstance(item, YamlMapping):
                found.append((item, position))
            else:
                self.problem(position, f"each entry of '{field}' is a mapping")
        return found

    def texts(self, node: YamlMapping, field: str) -> list[tuple[str, Position]]:
        """Give the scalars of a list, as they were written."""
        found = []
        for item, position, written in self._entries(node, field):
            if isinstance(item, YamlMapping | YamlList):
                self.problem(position, f"each entry of '{field}' is a text")
            else:
                found.append(("" if item is None else written, position))
        return found

    def labels(self, node: YamlMapping, field: str) -> dict[str, str]:
        """Give a mapping of texts, as they were written."""
        mapping = node.get(field)
        if mapping is None:
            return {}
        if not isinstance(mapping, YamlMapping):
            self.problem(value_position_of(node, field), f"'{field}' is a mapping of texts")
            return {}
        return {name: self.text(mapping, name) for name in mapping}

    def _entries(self, node: YamlMapping, field: str) -> list[tuple[object, Position, str]]:
        """Give a list's items with their place and how they were written."""
        items = node.get(field)
        if items is None:
            return []
        if not isinstance(items, YamlList):
            self.problem(value_position_of(node, field), f"'{field}' is a list; begin it with '-'")
            return []
        return [
            (item, position_of(items, index), text_of(items, index) or "")
            for index, item in enumerate(items)
        ]
