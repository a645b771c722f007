"""The notation of promtool and promqltest for a series and its values, ``up{a="b"} 1 _ 0+1x5``."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.promql.errors import ExpressionError
from engine.promql.matrix import Labels, labels_of
from engine.rules.go_literals import parse_number, quoted_at, unquote
from engine.series.identity import NAME_LABEL

SAMPLE, MISSING, STALE = 0, 1, 2
"""Kinds of values: a number, nothing, a stale marker."""

VALUES_MAX = 10_000_000
"""The most values of one series: a slip such as ``1x999999999`` must not fill the memory."""

_SPACE = re.compile(r"[ \t\r\n]*")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_STALE = re.compile(r"stale(?![a-zA-Z0-9_:])")
_SPECIAL = re.compile(r"(?:inf|nan)(?![a-zA-Z0-9_:])", re.IGNORECASE)
_NUMBER = re.compile(r"(?=\.?[0-9])(?:[eE][+-]?|[0-9._])+")
_COUNT = re.compile(r"[0-9]+(?![0-9a-zA-Z_.])")
# Words that the language keeps for itself: they are no metric names without quotes.
_RESERVED = frozenset(
    {"atan2", "bool", "group_left", "group_right", "ignoring", "inf", "nan", "on"}
)


class NotationError(ExpressionError):
    """A mistake in series notation; `offset` tells where, in characters."""


class NativeHistogramError(NotationError):
    """A value is a native histogram, ``{{...}}``, which is not supported."""


@dataclass(frozen=True, slots=True, eq=False)
class DescribedSeries:
    """A series and its values at steps 0, 1, ...

    Attributes
    ----------
    labels : tuple of (str, str)
        With ``__name__``, sorted, without empty values.
    value : float64[n]
        NaN where the kind isn't SAMPLE.
    kind : uint8[n]
        SAMPLE, MISSING or STALE.
    """

    labels: Labels
    value: NDArray[np.float64]
    kind: NDArray[np.uint8]


def parse_series(text: str) -> DescribedSeries:
    """Read a series with its values.

    Parameters
    ----------
    text : str
        ``name{label="value",...} item item ...``; no space before the brace. An item is a number
        ``a``; ``axn``: n + 1 times a; ``a+bxn`` or ``a-bxn``: a, a + b, ..., n + 1 values;
        ``_``: no value, ``_xn``: n times none; ``stale``: a stale marker.

    Returns
    -------
    DescribedSeries

    Raises
    ------
    NotationError
        With the place of the mistake; `NativeHistogramError` for a histogram.

    References
    ----------
    Prometheus, ``ParseSeriesDesc`` (``promql/parser/generated_parser.y``, "Series descriptions",
    and ``lexValueSequence`` in ``lex.go``).
    """
    reader = _Reader(text)
    labels = reader.metric(space_before_brace=False)
    if reader.at < len(text) and not text[reader.at].isspace():
        raise reader.error("a space stands between the series and its values")
    value, kind = reader.values()
    return DescribedSeries(labels, value, kind)


def parse_metric(text: str) -> Labels:
    """Read a series without values, as in ``exp_samples``; no text at all means no labels.

    Returns
    -------
    tuple of (str, str)
        Labels with ``__name__``, sorted, without empty values.

    Raises
    ------
    NotationError
        With the place of the mistake.

    References
    ----------
    Prometheus, ``ParseMetric`` (``promql/parser/parse.go``).
    """
    reader = _Reader(text)
    labels = reader.metric(space_before_brace=True)
    reader.skip_space()
    if reader.at < len(text):
        raise reader.error(f"'{text[reader.at]}' can't stand behind a series")
    return labels


def parse_values(text: str) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Read values alone, as promtool's ``values``; parameters and errors as for `parse_series`.

    Returns
    -------
    value : float64[n]
        NaN where the kind isn't SAMPLE.
    kind : uint8[n]
        SAMPLE, MISSING or STALE.
    """
    return _Reader(text).values()


class _Reader:
    """Goes over a text once; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def error(self, message: str, at: int | None = None) -> NotationError:
        return NotationError(message, self.at if at is None else at)

    def skip_space(self) -> bool:
        before = self.at
        self.at = self._end(_SPACE)
        return self.at > before

    def metric(self, *, space_before_brace: bool) -> Labels:
        """Read a name, or labels in braces, or both."""
        self.skip_space()
        start = self.at
        labels: dict[str, str] = {}
        name = self._take(_METRIC_NAME)
        if name.lower() in _RESERVED:
            raise self.error(f"'{name}' is a word of the language; write {{\"{name}\"}}", start)
        if name:
            labels[NAME_LABEL] = name
            if space_before_brace:
                self.skip_space()
        if self._take_character("{"):
            self._braces(labels)
        elif not name and self.at < len(self.text):
            raise self.error("a series begins with a name or with '{'")
        return labels_of(labels.items())

    def _braces(self, labels: dict[str, str]) -> None:
        """Read what follows '{', up to and with '}'."""
        self.skip_space()
        while not self._take_character("}"):
            start = self.at
            name, value = self._label()
            if name in labels:
                raise self.error(f"the label '{name}' stands twice", start)
            labels[name] = value
            self.skip_space()
            if not self._take_character(",") and self.text[self.at : self.at + 1] != "}":
                raise self.error("here ',' or '}' is missing")
            self.skip_space()

    def _label(self) -> tuple[str, str]:
        """Read ``name="value"``, ``"name"="value"``, or ``"metric name"``."""
        name = self._take(_LABEL_NAME)
        bare = not name
        if bare:
            name = self._quoted("the name of a label is missing here")
        self.skip_space()
        if not self._take_character("="):
            if bare:
                return NAME_LABEL, name
            raise self.error(f"here '=' is missing: {name}=\"...\"")
        self.skip_space()
        return name, self._quoted("a label's value stands in quotes")

    def _quoted(self, otherwise: str) -> str:
        if self.text[self.at : self.at + 1] not in {'"', "'", "`"}:
            raise self.error(otherwise)
        quoted = quoted_at(self.text, self.at)
        if quoted is None:
            raise self.error("the quote isn't closed")
        try:
            value = unquote(quoted)
        except ValueError as error:
            raise self.error(str(error)) from None
        self.at += len(quoted)
        return value

    def values(self) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Read all items up to the end."""
        values: list[float] = []
        kinds = bytearray()
        self.skip_space()
        while self.at < len(self.text):
            start = self.at
            value, kind, count = self._item()
            if len(kinds) + count > VALUES_MAX:
                raise self.error(f"more than {VALUES_MAX:,} values", start)
            values += value * count if len(value) == 1 else value
            kinds += kind * count if len(kind) == 1 else kind
            if not self.skip_space() and self.at < len(self.text):
                raise self.error(f"'{self.text[self.at]}' can't stand here; a space parts values")
        return np.array(values, np.float64), np.frombuffer(bytes(kinds), np.uint8)

    def _item(self) -> tuple[list[float], bytes, int]:
        """Read one item: values and kinds, one for all or one for each, and how many."""
        if self.text.startswith("{{", self.at):
            raise NativeHistogramError(
                "native histograms ({{...}}) are not supported; use classic buckets", self.at
            )
        if self._take_character("_"):
            return [np.nan], bytes([MISSING]), self._count(required=False)
        if self._take(_STALE):
            first, kind = np.nan, STALE
        else:
            first, kind = self._signed(), SAMPLE
        if self.text[self.at : self.at + 1] not in {"+", "-"}:
            more = self.text[self.at : self.at + 1] == "x"
            return [first], bytes([kind]), self._count(required=False) + more
        step = self._signed()
        count = self._count(required=True) + 1
        if count > VALUES_MAX:
            return [first], bytes([kind]), count
        steps = np.full(count, step)
        steps[0] = first
        with np.errstate(over="ignore"):
            value: list[float] = np.add.accumulate(steps).tolist()
        # What is added to a stale marker is a NaN, no marker.
        return value, bytes([kind]) + bytes([SAMPLE]) * (count - 1), count

    def _signed(self) -> float:
        """Read a number with or without a sign."""
        start = self.at
        sign = self._take_character("-")
        if not sign:
            self._take_character("+")
        token = self._take(_NUMBER) or self._take(_SPECIAL)
        try:
            number = parse_number(token)
        except ValueError:
            shown = self.text[start:].split(maxsplit=1)[0]
            reason = "isn't a number, '_' or 'stale'"
            raise self.error(f"'{shown}' {reason}", start) from None
        return -number if sign else number

    def _count(self, *, required: bool) -> int:
        """Read ``xn``; without it, 1."""
        if not self._take_character("x"):
            if required:
                raise self.error("a step needs a number of repeats: a+bxn")
            return 1
        count = self._take(_COUNT)
        if not count:
            raise self.error("behind 'x' stands a whole number of repeats")
        return int(count)

    def _take_character(self, character: str) -> bool:
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    def _take(self, pattern: re.Pattern[str]) -> str:
        start = self.at
        self.at = self._end(pattern)
        return self.text[start : self.at]

    def _end(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        return found.end() if found else self.at
