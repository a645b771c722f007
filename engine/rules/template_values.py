"""The values that alert templates handle, besides text, numbers and labels.

A value's Go type is shown in error texts and decides what may be compared; `type_name` in
`go_format.py` names it. `None` is Go's nil.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS = 1_000_000_000


class SafeText(str):
    """Text that `safeHtml` gives: Go's `html/template.HTML`."""

    __slots__ = ()


class Byte(int):
    """A byte of a text, as `index` gives it: Go's `uint8`."""


class Arguments(dict[str, Any]):
    """What `args` gives, ``arg0`` and so on: a map to values of any type."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as `toTime` gives it; milliseconds since the epoch, in UTC."""

    milliseconds: int

    def __str__(self) -> str:
        moment = _EPOCH + timedelta(milliseconds=self.milliseconds)
        fraction = f".{self.milliseconds % 1000:03d}".rstrip("0").rstrip(".")
        return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration as `toDuration` gives it, in nanoseconds; printed as Go does, ``1h2m3.5s``."""

    nanoseconds: int

    def __str__(self) -> str:
        if self.nanoseconds == 0:
            return "0s"
        sign = "-" if self.nanoseconds < 0 else ""
        amount = abs(self.nanoseconds)
        for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if amount < size * 1_000 and amount < _NANOSECONDS:
                return sign + _decimal(amount, size) + unit
        minutes, rest = divmod(amount, 60 * _NANOSECONDS)
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h" if hours else ""
        text += f"{minutes}m" if hours or minutes else ""
        return sign + text + _decimal(rest, _NANOSECONDS) + "s"


@dataclass(frozen=True, slots=True)
class AlertData:
    """What a template is filled in with: the dot outside of `with` and `range`.

    Attributes
    ----------
    labels, external_labels : mapping of str to str
        The labels of the expression's result, and those of the whole installation.
    external_url : str
        Where this installation's pages are.
    value : float
        The expression's value.
    """

    labels: Mapping[str, str]
    external_labels: Mapping[str, str]
    external_url: str
    value: float

    @property
    def fields(self) -> dict[str, Any]:
        """Give the fields by the names that templates use, in Go's order."""
        return {
            "Labels": self.labels,
            "ExternalLabels": self.external_labels,
            "ExternalURL": self.external_url,
            "Value": self.value,
        }


def _decimal(amount: int, unit: int) -> str:
    whole, fraction = divmod(amount, unit)
    digits = f"{fraction:0{len(str(unit)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)
