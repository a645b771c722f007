"""What a single value of the configuration may say: text in, typed value out.

A `Scalar` knows how to read one kind of value, what to call it in a message and how JSON Schema
describes it. A field of the configuration names its scalar in its type, as `Duration` and `Size` do
in `Meta.extra`; `int`, `float`, `bool` and `str` have theirs by themselves.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import promql_parser
from msgspec import Meta, Struct

from engine.config.durations import DURATION_PATTERN, SECOND_NS, format_duration, parse_duration
from engine.config.sizes import SIZE_PATTERN, format_size, parse_size


@dataclass(frozen=True, slots=True)
class Scalar:
    """One kind of value.

    Attributes
    ----------
    noun : str
        What the value is, with its article: "a duration".
    hint : str
        What to write, by example.
    parse : callable
        Text to value; raises ValueError, with the reason where `hint` doesn't say it.
    json_schema : mapping
        What JSON Schema says about it.
    show : callable
        Value to text, for defaults and bounds.
    """

    noun: str
    hint: str
    parse: Callable[[str], Any]
    json_schema: Mapping[str, Any]
    show: Callable[[Any], str] = str


class Start(Struct, frozen=True):
    """Where a source without stored offsets begins to read.

    Attributes
    ----------
    kind : str
        ``latest``, ``earliest``, ``ago`` (`ns` before now) or ``time`` (`ns` since the epoch).
    ns : int
        Nanoseconds; 0 for latest and earliest.
    """

    kind: Literal["latest", "earliest", "ago", "time"]
    ns: int = 0


class ReferencePlace(Struct, frozen=True):
    """Where a model's reference comes from.

    Attributes
    ----------
    kind : str
        ``file``, ``rows`` (the first ones of a version) or ``trailing`` (what came before).
    path : str
    rows : int
    ns : int
    """

    kind: Literal["file", "rows", "trailing"]
    path: str = ""
    rows: int = 0
    ns: int = 0

    def __str__(self) -> str:
        if self.kind == "file":
            return self.path
        return f"first {self.rows} rows" if self.rows else f"trailing {format_duration(self.ns)}"


class WindowSize(Struct, frozen=True):
    """The length of a window: in event time, nanoseconds, or in rows; the other one is 0."""

    ns: int
    rows: int

    @property
    def length(self) -> int:
        """The one that counts."""
        return self.rows or self.ns

    def __str__(self) -> str:
        return f"{self.rows} rows" if self.rows else format_duration(self.ns)


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _integer(text: str) -> int:
    if re.fullmatch(r"[-+]?[0-9][0-9_]{0,18}", text, re.ASCII):
        return int(text)
    number = _number(text)  # YAML's 2e6 is a whole number too
    if not number.is_integer():
        raise ValueError("it has a fraction")
    return int(number)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError("it is not finite")
    return number


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError
    return text.lower() == "true"


_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[-+]\d\d:\d\d)", re.ASCII
)


def _start(text: str) -> Start:
    if text == "latest":
        return Start("latest")
    if text == "earliest":
        return Start("earliest")
    if text.startswith("-"):
        return Start("ago", parse_duration(text[1:]))
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError
    date, time, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{date}T{time}{zone.upper()}")
    return Start("time", int(moment.timestamp()) * SECOND_NS + int((fraction or "").ljust(9, "0")))


def _reference(text: str) -> ReferencePlace:
    match = re.fullmatch(r"first ([1-9][0-9]{0,8})( rows)?", text, re.ASCII)
    if match:
        return ReferencePlace("rows", rows=int(match[1]))
    if text.startswith("trailing "):
        return ReferencePlace("trailing", ns=_positive_duration(text.removeprefix("trailing ")))
    if not text.endswith((".parquet", ".csv", ".jsonl", ".ndjson", ".json")):
        raise ValueError
    return ReferencePlace("file", path=text)


def _window(text: str) -> WindowSize:
    match = re.fullmatch(r"([1-9][0-9]{0,8}) rows", text, re.ASCII)
    return WindowSize(0, int(match[1])) if match else WindowSize(_positive_duration(text), 0)


def _positive_duration(text: str) -> int:
    duration = parse_duration(text)
    if duration <= 0:
        raise ValueError("it must be more than 0")
    return duration


def _address(text: str) -> Address | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port, re.ASCII) or int(port) > 65_535:
        raise ValueError
    if host.startswith("[") and host.endswith("]"):
        return Address(host[1:-1], int(port))
    if ":" in host:
        raise ValueError("put an IPv6 address into brackets")
    return Address(host, int(port))


def _topic(text: str) -> str:
    # Kafka, Topic.validate: 249 characters at most, of these, and not the folder names . and ..
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", text) or text in {".", ".."}:
        raise ValueError("only letters, digits, '.', '_' and '-', 249 at most")
    return text


def _expression(text: str) -> str:
    promql_parser.parse(text)
    return text


def _selector(text: str) -> str:
    tree = promql_parser.parse(text)
    if not isinstance(tree, promql_parser.VectorSelector) or tree.offset or tree.at:
        raise ValueError("no function, range, offset or @ here")
    return text


_STRING = {"type": "string"}
# The text of a number or truth value is taken as it stands: `zone: 1` is the label value "1".
_TEXT = {"type": ["string", "number", "boolean"]}

TEXT = Scalar("text", "text", str, _TEXT)
INTEGER = Scalar("a whole number", "e.g. 64", _integer, {"type": "integer"})
NUMBER = Scalar("a number", "e.g. 0.5", _number, {"type": "number"}, lambda value: f"{value:g}")
BOOLEAN = Scalar(
    "a truth value",
    "true or false",
    _boolean,
    {"type": "boolean"},
    lambda value: str(value).lower(),
)
DURATION = Scalar(
    "a duration",
    "e.g. 5s, 1m30s, 500ms, 1d or 0",
    parse_duration,
    {"type": ["string", "integer"], "pattern": f"^(0|{DURATION_PATTERN})$", "maximum": 0},
    format_duration,
)
SIZE = Scalar(
    "a size",
    "e.g. 1MiB, 64KiB or a number of bytes",
    parse_size,
    {"type": ["string", "integer"], "pattern": f"^{SIZE_PATTERN}$", "minimum": 0},
    format_size,
)
START = Scalar(
    "a place to start",
    "latest, earliest, -1h (a time ago) or 2026-01-31T12:00:00Z",
    _start,
    _STRING,
    lambda start: str(start.kind),
)
REFERENCE = Scalar(
    "a reference",
    "e.g. reference/credit.parquet, first 5000 rows or trailing 7d",
    _reference,
    _STRING,
)
WINDOW = Scalar("a window", "e.g. 1h or 1000 rows", _window, _STRING)
ADDRESS = Scalar("an address", 'e.g. 127.0.0.1:9464, or "" for none', _address, _STRING)
TOPIC = Scalar("a topic name", "e.g. host.metrics", _topic, _STRING)
SELECTOR = Scalar("a PromQL selector", """e.g. '{__name__=~"cpu_.*"}'""", _selector, _STRING)
EXPRESSION = Scalar("a PromQL expression", "e.g. 'up == 0'", _expression, _STRING)

Duration = Annotated[int, Meta(extra={"scalar": DURATION})]
Size = Annotated[int, Meta(extra={"scalar": SIZE})]
StartText = Annotated[Start, Meta(extra={"scalar": START})]
ReferenceText = Annotated[ReferencePlace, Meta(extra={"scalar": REFERENCE})]
WindowText = Annotated[WindowSize, Meta(extra={"scalar": WINDOW})]
AddressText = Annotated[Address | None, Meta(extra={"scalar": ADDRESS})]
Topic = Annotated[str, Meta(extra={"scalar": TOPIC})]
Selector = Annotated[str, Meta(extra={"scalar": SELECTOR})]
Expression = Annotated[str, Meta(extra={"scalar": EXPRESSION})]
