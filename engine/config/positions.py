"""YAML 1.2 with positions: every key and value knows its line and column.

`load_yaml` gives plain dictionaries, lists and scalars; the dictionaries are `YamlMapping`, the
lists `YamlList`, and `position_of`, `value_position_of` and `text_of` tell where an entry stands
and how it was written. Mistakes are collected, not raised, so that one run reports them all.
"""

from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from engine.errors import Problem

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {_TAG + "str", _TAG + "timestamp"}  # YAML 1.2 knows no timestamps: they stay text
_SCALAR_TAGS = {_TAG + "null", _TAG + "bool", _TAG + "int", _TAG + "float"}


class Position(NamedTuple):
    """A place in a file; both count from 1, as editors do."""

    line: int
    column: int


class Entry(NamedTuple):
    """Where an entry of a mapping or list stands.

    Attributes
    ----------
    key : Position
        Of the key; in a list, of the item.
    value : Position
        Of the value.
    text : str or None
        A scalar as it was written, without quotes; None for a mapping or list.
    """

    key: Position
    value: Position
    text: str | None


class YamlMapping(dict[str, Any]):
    """A YAML mapping; `entries` holds the positions by key."""

    def __init__(self, position: Position) -> None:
        super().__init__()
        self.position = position
        self.entries: dict[str, Entry] = {}


class YamlList(list[Any]):
    """A YAML sequence; `entries` holds the positions by index."""

    def __init__(self, position: Position) -> None:
        super().__init__()
        self.position = position
        self.entries: list[Entry] = []


def position_of(container: YamlMapping | YamlList, key: str | int) -> Position:
    """Give the position of a mapping's key or a list's item."""
    return entry_of(container, key).key


def value_position_of(container: YamlMapping | YamlList, key: str | int) -> Position:
    """Give the position of the value at a mapping's key, or of a list's item."""
    return entry_of(container, key).value


def text_of(container: YamlMapping | YamlList, key: str | int) -> str | None:
    """Give a scalar as it was written (``1.0``, ``0x1F``), None for a mapping or list.

    Prometheus takes ``severity: 1`` as the text ``1``; the value alone would not tell 1 from 1.0.
    """
    return entry_of(container, key).text


def entry_of(container: YamlMapping | YamlList, key: str | int) -> Entry:
    """Give all that is known about where an entry stands.

    Raises
    ------
    LookupError
        If there is no such entry.
    """
    return container.entries[key]  # type: ignore[index]  # a str for mappings, an int for lists


def load_yaml(text: str, file: str) -> tuple[Any, list[Problem]]:
    """Read one YAML 1.2 document.

    Parameters
    ----------
    text : str
        The file's content.
    file : str
        The file's name, for the problems.

    Returns
    -------
    node : YamlMapping, YamlList, str, int, float, bool or None
        The document; None if it is empty or can't be read.
    problems : list of Problem
        Syntax errors (the first one only: behind it nothing is certain), duplicate keys, several
        documents, tags that are not of YAML's core schema, anchors that contain themselves.

    Notes
    -----
    Anchors, aliases and merge keys (``<<``) work; an aliased part has the positions of the anchor.
    """
    yaml = _safe_yaml()
    try:
        root = yaml.compose(text)
        builder = _Builder(yaml, file)
        return (None if root is None else builder.value(root)), builder.problems
    except MarkedYAMLError as error:
        return None, [_syntax_problem(error, file)]
    except ReaderError as error:
        line, column = _line_and_column(text, error.position)
        return None, [Problem(file, line, column, "YAML allows no control characters here")]
    except YAMLError as error:
        return None, [Problem(file, 0, 0, f"not YAML: {error}")]
    except RecursionError:
        return None, [Problem(file, 0, 0, "nested too deeply")]


def resolve_plain(text: str) -> Any:
    """Give what an unquoted scalar means in YAML 1.2: ``"64"`` is 64, ``"true"`` is True.

    Text that isn't a single plain scalar stays as it is.
    """
    try:
        yaml = _safe_yaml()
        root = yaml.compose(text)
        if isinstance(root, ScalarNode) and root.value == text and root.tag in _SCALAR_TAGS:
            return yaml.constructor.construct_object(root)
    except (YAMLError, ValueError):
        pass
    return text


def _safe_yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # reusing an anchor's name is fine in YAML 1.2
    return yaml


def _position(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax_problem(error: MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    if error.context and "single document" in error.context:
        return Problem(file, line, column, "a second document begins here; keep one per file")
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(file, line, column, f"not YAML: {reason}")


def _line_and_column(text: str, offset: int) -> Position:
    before = text[:offset]
    return Position(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


class _Builder:
    """Turns composed nodes into containers with positions and collects problems."""

    def __init__(self, yaml: YAML, file: str) -> None:
        self.yaml = yaml
        self.file = file
        self.problems: list[Problem] = []
        self.built: dict[int, Any] = {}  # by node id: an alias gives the anchor's object
        self.open: set[int] = set()

    def problem(self, node: Node, message: str) -> None:
        self.problems.append(Problem(self.file, *_position(node), message))

    def value(self, node: Node) -> Any:
        """Build a node once; an alias of it gives the same object."""
        if id(node) in self.open:
            self.problem(node, f"the anchor '&{node.anchor}' contains itself")
            return None
        if id(node) not in self.built:
            self.open.add(id(node))
            self.built[id(node)] = self._fresh_value(node)
            self.open.remove(id(node))
        return self.built[id(node)]

    def _fresh_value(self, node: Node) -> Any:
        tag = str(node.tag)
        if isinstance(node, MappingNode) and tag == _TAG + "map":
            return self._mapping(node)
        if isinstance(node, SequenceNode) and tag == _TAG + "seq":
            return self._list(node)
        if isinstance(node, ScalarNode) and tag in _TEXT_TAGS:
            return node.value
        if isinstance(node, ScalarNode) and tag in _SCALAR_TAGS:
            try:
                return self.yaml.constructor.construct_object(node)
            except (YAMLError, ValueError, KeyError):
                self.problem(node, f"'{node.value}' isn't {tag.replace(_TAG, '!!')}")
                return None
        self.problem(node, f"the tag '{tag.replace(_TAG, '!!')}' isn't supported; remove it")
        return None

    def _list(self, node: SequenceNode) -> YamlList:
        items = YamlList(_position(node))
        for child in node.value:
            items.append(self.value(child))
            items.entries.append(_entry(child, child))
        return items

    def _mapping(self, node: MappingNode) -> YamlMapping:
        mapping = YamlMapping(_position(node))
        merged: list[Node] = []
        for key, child in node.value:
            if not isinstance(key, ScalarNode):
                self.problem(key, "a key must be text")
            elif key.tag == _TAG + "merge":
                merged.extend(child.value if isinstance(child, SequenceNode) else [child])
            elif key.value in mapping.entries:
                first = mapping.entries[key.value].key
                self.problem(key, f"the key '{key.value}' stands twice; first in line {first.line}")
            else:
                mapping[key.value] = self.value(child)
                mapping.entries[key.value] = _entry(key, child)
        for child in merged:
            self._merge(mapping, child)
        return mapping

    def _merge(self, mapping: YamlMapping, child: Node) -> None:
        """Add the keys that are not there yet: what is written out wins, then the earlier merge."""
        source = self.value(child)
        if not isinstance(source, YamlMapping):
            self.problem(child, "'<<' takes a mapping or a list of mappings")
            return
        for key, entry in source.entries.items():
            if key not in mapping.entries:
                mapping[key] = source[key]
                mapping.entries[key] = entry


def _entry(key: Node, value: Node) -> Entry:
    text = str(value.value) if isinstance(value, ScalarNode) else None
    # The parser puts a value that isn't there at the next token, maybe lines below its key.
    unwritten = text == "" and value.start_mark.index == value.end_mark.index
    return Entry(_position(key), _position(key if unwritten else value), text)
