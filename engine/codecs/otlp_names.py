"""Metric and label names of OTLP as Prometheus would write them, or as they are.

``prometheus`` follows the OpenTelemetry specification "Prometheus and OpenMetrics Compatibility"
as the collector's translator does it; the tables of units are the specification's.
"""

import re
from functools import lru_cache
from typing import Literal

Names = Literal["as_is", "underscore", "prometheus"]

_CACHE_ENTRIES = 16_384
_CACHED_CHARACTERS_MAX = 1024  # a name that is longer becomes no series, and would fill memory

_INVALID_IN_METRIC = re.compile(r"[^a-zA-Z0-9_:]")
_INVALID_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_BETWEEN_WORDS = re.compile(r"[^a-zA-Z0-9:]+")

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tebibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_UNITS_BELOW = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}


def metric_name(
    name: str, unit: str, *, monotonic_sum: bool, ratio_gauge: bool, names: Names
) -> str:
    """Translate the name of a metric.

    Parameters
    ----------
    name : str
        Name as in the message.
    unit : str
        Unit of UCUM, as in the message; only ``prometheus`` looks at it.
    monotonic_sum : bool
        Whether the metric is a sum that never falls, which is to end in ``_total``.
    ratio_gauge : bool
        Whether the metric is a gauge, which is to end in ``_ratio`` if its unit is ``1``.
    names : str
        ``as_is`` leaves the name; ``underscore`` only puts ``_`` for each character that
        Prometheus does not allow, and before a leading digit; ``prometheus`` also makes one ``_``
        of several, and appends unit and kind unless the name has them already.

    Returns
    -------
    str
        Empty if no character of the name is left.
    """
    if names == "as_is":
        return name
    if names == "underscore":
        return _after_digit(_INVALID_IN_METRIC.sub("_", name), "_")
    is_short = len(name) + len(unit) <= _CACHED_CHARACTERS_MAX
    translate = _prometheus_name if is_short else _prometheus_name.__wrapped__
    return translate(name, unit, monotonic_sum, ratio_gauge)


@lru_cache(_CACHE_ENTRIES)
def _prometheus_name(name: str, unit: str, monotonic_sum: bool, ratio_gauge: bool) -> str:
    words = _words(name)
    if not words:
        return ""
    _append_units(words, unit)
    if monotonic_sum:
        words = [*(word for word in words if word != "total"), "total"]
    if ratio_gauge and unit == "1":
        words = [*(word for word in words if word != "ratio"), "ratio"]
    return _after_digit("_".join(words), "_")


def label_name(name: str, names: Names) -> str:
    """Translate the name of an attribute.

    Parameters
    ----------
    name : str
        Key of the attribute.
    names : str
        ``as_is`` leaves it; the others put ``_`` for each character that Prometheus does not
        allow, and before a leading digit ``_`` (``underscore``) or ``key_`` (``prometheus``).
    """
    if names == "as_is":
        return name
    is_short = len(name) <= _CACHED_CHARACTERS_MAX
    translate = _valid_label if is_short else _valid_label.__wrapped__
    return translate(name, names)


@lru_cache(_CACHE_ENTRIES)
def _valid_label(name: str, names: Names) -> str:
    prefix = "key_" if names == "prometheus" else "_"
    return _after_digit(_INVALID_IN_LABEL.sub("_", name), prefix)


def _after_digit(name: str, prefix: str) -> str:
    """Put the prefix before a leading digit."""
    return prefix + name if name[:1].isdigit() else name


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(text) if word]


def _unit_word(unit: str, table: dict[str, str]) -> str:
    """Give the word of a unit, empty for an annotation such as ``{request}``."""
    unit = unit.strip()
    if "{" in unit or "}" in unit:
        return ""
    return "_".join(_words(table.get(unit, unit)))


def _append_units(words: list[str], unit: str) -> None:
    """Append ``bytes``, or ``bytes per second``, unless the words are there."""
    above, _, below = unit.partition("/")
    above_word = _unit_word(above, _UNITS)
    below_word = _unit_word(below, _UNITS_BELOW)
    if above_word and above_word not in words:
        words.append(above_word)
    if below_word and below_word not in words:
        words += ["per", below_word]
