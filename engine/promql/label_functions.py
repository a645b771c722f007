"""``label_replace`` and ``label_join`` (promql/functions.go).

Label work is done once for a table; at ticks rows only go to their places. Rows that get equal
labels are one row, and ticks at which several of them are present fail.
"""

import re
from typing import Any, cast

from engine.promql.errors import ExpressionError
from engine.promql.matrix import Block, Labels, Matrix, Planned, labels_of, moved, relabelled
from engine.promql.selector import compile_regex
from engine.promql.syntax import Call, Text
from engine.promql.values import Value

# Go's Regexp.Expand: letters, digits and underscores, as many as there are; else the $ is a $.
_REFERENCE = compile_regex(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[\pL\p{Nd}_]+)|\{(?P<braced>[\pL\p{Nd}_]+)\})"
)
_GROUP_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class LabelReplace:
    """``label_replace(v, dst, replacement, src, regex)``."""

    def __init__(self, call: Call) -> None:
        target, replacement, source, regex = texts_of(call, 1)
        try:
            self._regex = compile_regex(regex)
        except ValueError:
            raise ExpressionError(
                f"invalid regular expression in label_replace(): {regex}"
            ) from None
        if not _is_label_name(target):
            raise ExpressionError(f"invalid destination label name in label_replace(): {target}")
        self._target = target
        self._replacement = replacement
        self._source = source
        self._planned = Planned()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the matrix its new labels."""
        matrix = cast("Matrix", arguments[0])
        table = matrix.table
        plan = self._planned.get((table,), lambda: relabelled(table, self._replace))
        return moved(matrix, plan, block)

    def _replace(self, labels: Labels) -> Labels:
        found = self._regex.fullmatch(dict(labels).get(self._source, ""))
        if found is None:
            return labels
        return _with_label(labels, self._target, expand(self._replacement, found))


class LabelJoin:
    """``label_join(v, dst, separator, src...)``."""

    def __init__(self, call: Call) -> None:
        target, separator, *sources = texts_of(call, 1)
        for source in sources:
            if not _is_label_name(source):
                raise ExpressionError(f"invalid source label name in label_join(): {source}")
        if not _is_label_name(target):
            raise ExpressionError(f"invalid destination label name in label_join(): {target}")
        self._target = target
        self._separator = separator
        self._sources = sources
        self._planned = Planned()

    def apply(self, arguments: list[Value], block: Block) -> Matrix:
        """Give the matrix its new labels."""
        matrix = cast("Matrix", arguments[0])
        table = matrix.table
        plan = self._planned.get((table,), lambda: relabelled(table, self._join))
        return moved(matrix, plan, block)

    def _join(self, labels: Labels) -> Labels:
        values = dict(labels)
        joined = self._separator.join(values.get(source, "") for source in self._sources)
        return _with_label(labels, self._target, joined)


def texts_of(call: Call, first: int) -> list[str]:
    """Give a call's arguments from the one at `first` on, which are strings."""
    return [cast("Text", argument).value for argument in call.arguments[first:]]


def expand(template: str, found: Any) -> str:
    r"""Put a match's groups into a template, as Go's Regexp.Expand.

    Parameters
    ----------
    template : str
        With ``$1``, ``$name``, ``${1}``, ``${name}``, and ``$$`` for a dollar sign. A group that
        isn't there or took no part is empty. ``$1x`` means the group named ``1x``.
    found : re2 match
    """
    expanded: str = _REFERENCE.sub(lambda reference: _group(reference, found), template)
    return expanded


def _group(reference: Any, found: Any) -> str:
    if reference["dollar"]:
        return "$"
    name = reference["bare"] or reference["braced"]
    if _GROUP_NUMBER.fullmatch(name):
        number = int(name)
        return found[number] or "" if number <= found.re.groups else ""
    return found[name] or "" if name in found.re.groupindex else ""


def _is_label_name(name: str) -> bool:
    """Whether Prometheus 3 takes a label's name: any UTF-8 text but the empty one."""
    return bool(name) and not any("\ud800" <= character <= "\udfff" for character in name)


def _with_label(labels: Labels, name: str, value: str) -> Labels:
    return labels_of([*(item for item in labels if item[0] != name), (name, value)])
