r"""What the Influx line protocol means: the strict reader, one line at a time, by a library.

``cpu,cpu=cpu0,host=web-1 usage_idle=6.9,usage_user=91.2 1760000000000000000``. Each numeric or
boolean field is a series ``<measurement>_<field>`` with the tags as labels; the field ``value``
gives a series of the measurement's own name. Text fields are no metrics and are left out silently.
`influx.py` gives the same rows faster.

`line_protocol_parser` decides what a line is. Where that differs from InfluxDB's specification:

- stricter: numbers that a float64 can't hold as a normal number (``1e400``, ``1e-400``), ``+5``,
  integers beyond 64 bits, a tag that is given twice, an escape at a name's end, NUL bytes, and a
  measurement with tags of more than 65535 bytes are decode errors;
- laxer: ``5.``, ``.5``, ``01``, several spaces between the parts and around the line, ``=`` in a
  measurement;
- of a field that is given twice, the first value counts (in InfluxDB the last), in the place of
  the last.

A newline in a quoted text does not end the line. A quote that is never closed ends with its line,
so that it costs one line and not all that follow. A newline ends a line even behind a backslash.

A missing timestamp is a bad one, unless the line has only text fields. More tags than the limit are
refused before anything else in the line is looked at.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal

from line_protocol_parser import LineFormatError, parse_line  # type: ignore[import-untyped]

from engine.codecs.samples import Limits, RejectedError, Sample, check_size, checked_series
from engine.codecs.timestamps import TIMESTAMP_NS_MAX
from engine.series.columns import Reject
from engine.series.identity import Series

TimestampUnit = Literal["auto", "s", "ms", "us", "ns"]

_SPACE = " \t\r"
_TOKEN = re.compile(r'\\.|["=, \n]', re.DOTALL)
_KEY_END = re.compile(r"(?<!\\) ")
_TAG_COMMA = re.compile(r"(?<!\\),")
_VALUE_FIELD = "value"


def metric_name(measurement: str, field: str) -> str:
    """Name the series of a field, as Telegraf's Prometheus output does."""
    return measurement if field == _VALUE_FIELD else f"{measurement}_{field}"


def _line_end(text: str, start: int) -> int:
    """Give the place of the newline that ends the line, or of the text's end."""
    newline = text.find("\n", start)
    newline = len(text) if newline < 0 else newline
    if text.find('"', start, newline) < 0 or text[start:newline].lstrip(_SPACE)[:1] == "#":
        return newline
    return _quoted_line_end(text, start, newline)


def _quoted_line_end(text: str, start: int, newline: int) -> int:
    """Do so for a line with quotes; they count only where a field's value may stand."""
    in_fields = quoted = False
    open_values = 0  # equal signs without the comma that ends their value
    for match in _TOKEN.finditer(text, start):
        mark = match[0]
        if quoted:
            quoted = mark != '"'
        elif mark[-1] == "\n":
            return match.end() - 1
        elif mark == " ":
            in_fields = True
        elif in_fields and mark == '"':
            quoted = open_values > 0
        elif in_fields and mark in "=,":
            open_values += 1 if mark == "=" else -1
    return newline if quoted else len(text)


def split_lines(text: str) -> Iterator[str]:
    """Give the lines of a message without blank ones and comments."""
    start = 0
    while start < len(text):
        end = _line_end(text, start)
        line = text[start:end].removesuffix("\r")
        if line.strip(_SPACE) and line.lstrip(_SPACE)[0] != "#":
            yield line
        start = end + 1


def _check_tags(line: str, limits: Limits) -> None:
    """Refuse too many tags beforehand: the library's time grows with their square."""
    if line.count(",") > limits.max_labels:
        key = _KEY_END.split(line.lstrip(_SPACE), maxsplit=1)[0]
        if len(_TAG_COMMA.findall(key)) > limits.max_labels:
            raise RejectedError("limit", f"more than {limits.max_labels} labels")


def _parse(line: str, limits: Limits) -> dict[str, Any]:
    _check_tags(line, limits)
    try:
        point: dict[str, Any] | None = parse_line(line)
    except (LineFormatError, ValueError, OverflowError, UnicodeError) as error:
        raise RejectedError("decode_error", str(error)) from None
    if point is None:
        raise RejectedError("decode_error", "no measurement")
    return point


def _timestamp_ns(time: int | None, unit_ns: int) -> int:
    if time is None or not 0 <= time * unit_ns <= TIMESTAMP_NS_MAX:
        shown = "missing" if time is None else f"{time} times {unit_ns} ns"
        raise RejectedError("bad_timestamp", f"timestamp is {shown}, not between 1970 and 2262")
    return time * unit_ns


def _series(point: dict[str, Any], field: str, limits: Limits) -> Series:
    return checked_series(metric_name(point["measurement"], field), point["tags"], limits)


def read_line(line: str, unit_ns: int, limits: Limits) -> list[Sample]:
    """Read one line.

    Raises
    ------
    RejectedError
        The line, with all its fields, can't be used.
    """
    point = _parse(line, limits)
    # The library gives the fields in reverse.
    numbers = {
        field: float(value)
        for field, value in reversed(point["fields"].items())
        if not isinstance(value, str)
    }
    if not numbers:
        return []
    timestamp_ns = _timestamp_ns(point["time"], unit_ns)
    return [
        Sample(_series(point, field, limits), timestamp_ns, value)
        for field, value in numbers.items()
    ]


def read_identity(line: bytes, limits: Limits) -> Series | None:
    """Read the series of a line with one numeric field; None if it can't be used."""
    try:
        point = _parse(line.decode(), limits)
        [field] = point["fields"]
        return _series(point, field, limits)
    except (RejectedError, UnicodeDecodeError):
        return None


def read_lines(
    payload: bytes, index: int, limits: Limits, unit_ns: int
) -> tuple[list[Sample], list[Reject]]:
    """Read one message; `index` is what its rejects say.

    A bad line is rejected with all its fields; if it is the only one, so is the whole message.
    """
    try:
        check_size(payload, limits)
        lines = list(split_lines(payload.decode()))
    except RejectedError as error:
        return [], [error.reject(index, None)]
    except UnicodeDecodeError as error:
        return [], [Reject(index, "decode_error", str(error))]
    samples: list[Sample] = []
    rejects: list[Reject] = []
    for line in lines:
        try:
            samples += read_line(line, unit_ns, limits)
        except RejectedError as error:
            rejects.append(error.reject(index, line.encode() if len(lines) > 1 else None))
    return samples, rejects
