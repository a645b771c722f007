"""Selectors: which series an expression, a detector or a relabelling means.

Matchers follow Prometheus 3: RE2 syntax, anchored at both ends, `.` matches a newline, and a
label that a series doesn't have is the empty text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import promql_parser
import re2

from engine.promql.escapes import with_characters
from engine.promql.raw_strings import without_raw_strings
from engine.series.identity import NAME_LABEL, quoted

_OPERATORS = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}
_LABEL_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_NAME = re.compile("[a-zA-Z_:][a-zA-Z0-9_:]*")


def parse_promql(text: str) -> Any:
    """Parse PromQL text into the parser's own tree.

    Raises
    ------
    ValueError
        If the text isn't PromQL; the message is the parser's.
    """
    try:
        return promql_parser.parse(with_characters(without_raw_strings(text)))
    except ValueError:
        raise
    except BaseException as error:
        # A panic of the Rust parser (a range of 1e400) is no `Exception`; it is a mistake in the
        # text all the same.
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        raise ValueError(str(error)) from None


def compile_regex(text: str, *, dot_matches_newline: bool = True) -> Any:
    """Compile an RE2 pattern.

    Raises
    ------
    ValueError
        If it isn't one; RE2 has no look-around and no back-references.
    """
    options = re2.Options()
    options.dot_nl = dot_matches_newline
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"'{text}' isn't an RE2 regular expression: {reason}") from None


@dataclass(frozen=True, order=True)
class Matcher:
    """One condition on a label; `operator` is ``=``, ``!=``, ``=~`` or ``!~``."""

    name: str
    operator: str
    value: str

    @cached_property
    def _pattern(self) -> Any:
        return compile_regex(self.value)

    def matches(self, value: str) -> bool:
        """Tell whether a label's value fulfils the condition; a missing label is ``""``."""
        if self.operator == "=":
            return value == self.value
        if self.operator == "!=":
            return value != self.value
        # "Any text" is the most usual pattern by far.
        found = bool(value) if self.value == ".+" else self._pattern.fullmatch(value) is not None
        return found == (self.operator == "=~")

    def __str__(self) -> str:
        name = self.name if _LABEL_NAME.fullmatch(self.name) else quoted(self.name)
        return f"{name}{self.operator}{quoted(self.value)}"


@dataclass(frozen=True)
class Selector:
    """A set of series, given by conditions on their name and labels.

    Equal selectors are equal objects in dictionaries, whatever the order of their matchers in
    the text.

    Attributes
    ----------
    name : str or None
        The metric name, if exactly one is meant; it is tested first.
    matchers : tuple of Matcher
        The other conditions, sorted; those on ``__name__`` look at the metric name.
    """

    name: str | None
    matchers: tuple[Matcher, ...] = ()

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a series belongs to the set; `labels` doesn't hold ``__name__``."""
        if self.name is not None and name != self.name:
            return False
        for matcher in self.matchers:  # a loop, since `all` over a generator costs twice as much
            value = name if matcher.name == NAME_LABEL else labels.get(matcher.name, "")
            if not matcher.matches(value):
                return False
        return True

    @cached_property
    def text(self) -> str:
        """Canonical PromQL text."""
        inside = [str(matcher) for matcher in self.matchers]
        head = self.name or ""
        if self.name is not None and not _METRIC_NAME.fullmatch(self.name):
            head = ""
            inside.insert(0, f"{NAME_LABEL}={quoted(self.name)}")
        return head + ("{" + ",".join(inside) + "}" if inside else "")

    def __str__(self) -> str:
        return self.text


def parse_selector(text: str) -> Selector:
    """Read a selector such as ``cpu_usage{host=~"web-.*"}``.

    Raises
    ------
    ValueError
        If the text isn't PromQL or is more than a selector.
    """
    node = parse_promql(text)
    if not isinstance(node, promql_parser.VectorSelector):
        raise ValueError(f"'{text}' isn't a selector; write it like {{job=\"api\"}}")  # noqa: TRY004 # a mistake in a file
    if node.offset is not None or node.at is not None:
        raise ValueError("a selector of series takes neither offset nor @")
    return selector_of(node)


def selector_of(node: Any) -> Selector:
    """Turn the parser's `VectorSelector` into ours; `offset` and `@` are the caller's.

    Raises
    ------
    ValueError
        For alternatives (``or`` between matchers) and patterns that RE2 doesn't take.
    """
    if node.matchers.or_matchers:
        raise ValueError("'or' between matchers is not supported yet; use =~ or two rules")
    name = node.name
    matchers = set()
    for matcher in matchers_of(node):
        if matcher.operator in {"=~", "!~"}:
            compile_regex(matcher.value)
        if matcher.name == NAME_LABEL and matcher.operator == "=" and name is None:
            name = matcher.value
        else:
            matchers.add(matcher)
    return Selector(name, tuple(sorted(matchers)))


def matchers_of(node: Any) -> list[Matcher]:
    """Give the matchers of the parser's `VectorSelector`, in the order of its text."""
    return [
        Matcher(found.name, _OPERATORS[str(found.op)], found.value)
        for found in node.matchers.matchers
    ]
