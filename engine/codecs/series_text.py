r"""Series as people write them: ``cpu_usage{host="web-3"}``, with the escapes of PromQL."""

import re

from engine.codecs.samples import Limits, RejectedError, checked_series
from engine.series.identity import NAME_LABEL, Series

_SERIES = re.compile(r"\s*(?P<name>[^\s{}()\[\]\",=]*)\s*(?:\{(?P<labels>.*)\})?\s*", re.DOTALL)
_LABEL = re.compile(
    r"""\s*(?P<name>[^\s{}",=!~]+|"(?:[^"\\]|\\.)+")\s*=\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*(?:,|$)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NEWLINE = {"n": "\n"}


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: _NEWLINE.get(found[1], found[1]), text)


def series_of_text(text: str, limits: Limits) -> Series:
    """Read one series; its name may also be a label ``__name__``.

    Raises
    ------
    RejectedError
        The text is none, or passes a limit.
    """
    whole = _SERIES.fullmatch(text)
    labels: dict[str, str] = {}
    position, inside = 0, (whole and whole["labels"]) or ""
    while whole is not None and inside[position:].strip():
        label = _LABEL.match(inside, position)
        if label is None or _plain(label["name"].strip('"')) in labels:
            whole = None
            break
        labels[_plain(label["name"].strip('"'))] = _plain(label["value"])
        position = label.end()
    if whole is None:
        detail = f'series is {text[:100]}, not like cpu_usage{{host="web-3"}}'
        raise RejectedError("schema_error", detail)
    return checked_series(whole["name"] or labels.pop(NAME_LABEL, ""), labels, limits)
