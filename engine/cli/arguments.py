"""Arguments that several commands take: durations and places to start, as in the configuration."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from engine.config.durations import format_duration
from engine.config.scalars import DURATION, START, Scalar, Start
from engine.rules.unit_test_file import parse_start


def _converter(scalar: Scalar) -> Callable[[Any, Sequence[Token]], Any]:
    def convert(_type: Any, tokens: Sequence[Token]) -> Any:
        text = tokens[0].value
        try:
            return scalar.parse(text)
        except ValueError:
            raise ValueError(f"{text!r} isn't {scalar.noun}: {scalar.hint}") from None

    return convert


def _default_text(duration_ns: int | None) -> str | None:
    return None if duration_ns is None else format_duration(duration_ns)


def _time(_type: Any, tokens: Sequence[Token]) -> int:
    return parse_start(tokens[0].value)


DurationArgument = Annotated[
    int,
    Parameter(
        converter=_converter(DURATION), show_default=_default_text, n_tokens=1, metavar="DURATION"
    ),
]
"""A duration such as 5s or 1m30s, in nanoseconds."""

StartArgument = Annotated[
    Start, Parameter(converter=_converter(START), n_tokens=1, metavar="START")
]
"""latest, earliest, a time ago or an RFC 3339 time, as `start` of a source."""

TimeArgument = Annotated[int, Parameter(converter=_time, n_tokens=1, metavar="TIME")]
"""A time: RFC 3339, or Unix seconds; nanoseconds since the epoch."""
