"""The functions that alert templates can call, with the types they take.

Source: Prometheus' `template/template.go` and the built-in functions of Go's `text/template`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from engine.rules.go_format import Directive, Value, parse_format, print_value, sprintf
from engine.rules.humanize import (
    humanize,
    humanize1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
    to_duration,
    to_time,
)
from engine.rules.template_logic import (
    equal,
    greater,
    greater_or_equal,
    index,
    length,
    less,
    less_or_equal,
    negated,
    not_equal,
    sliced,
)
from engine.rules.template_texts import (
    graph_link,
    html_escape,
    match,
    parse_duration,
    query_escape,
    replace_all,
    strip_domain,
    strip_port,
    table_link,
    title,
    to_lower,
    to_upper,
)
from engine.rules.template_values import Arguments, SafeText

ANY = "interface {}"
REFLECTED = "reflect.Value"  # Go's name for "any" in functions that look at types
STRING = "string"
QUERY_RESULT = "template.queryResult"
SAMPLE = "*template.sample"
NILLABLE = frozenset({ANY, REFLECTED, QUERY_RESULT, SAMPLE})


@dataclass(frozen=True, slots=True)
class Function:
    """A function with the Go types it takes.

    Attributes
    ----------
    parameters : tuple of str
        Go types that each parameter takes.
    call : callable
        Takes the arguments; raises ValueError with the text for the user.
    rest : str
        The type of any number of arguments that may follow; empty if none may.
    """

    parameters: tuple[str, ...]
    call: Callable[..., Any]
    rest: str = ""


def go_print(*values: Value) -> str:
    """Print values as Go's `fmt.Sprint`: a space between two values that are both no text."""
    texts: list[str] = []
    for place, value in enumerate(values):
        if place and not isinstance(value, str) and not isinstance(values[place - 1], str):
            texts.append(" ")
        texts.append(print_value(value))
    return "".join(texts)


def go_println(*values: Value) -> str:
    """Print values as Go's `fmt.Sprintln`: spaces between them, a newline at the end."""
    return " ".join(print_value(value) for value in values) + "\n"


def printf(text: str, *values: Value) -> str:
    """Print values by a format (Go's `fmt.Sprintf`)."""
    return sprintf(_parsed_format(text), *values)


@lru_cache(maxsize=1_000)
def _parsed_format(text: str) -> tuple[str | Directive, ...]:
    return parse_format(text)


def _escaper(escape: Callable[[str], str]) -> Callable[..., str]:
    def escaped(*values: Value) -> str:
        shown = ("<no value>" if value is None else value for value in values)
        return escape(go_print(*shown))

    return escaped


def _arguments(*values: Value) -> Arguments:
    return Arguments({f"arg{place}": value for place, value in enumerate(values)})


def _first(_samples: None) -> NoReturn:
    raise ValueError("first() called on vector with no elements")


def _nil_sample(*_arguments: object) -> NoReturn:
    raise ValueError("runtime error: invalid memory address or nil pointer dereference")


def _in_context(*_arguments: object) -> NoReturn:
    raise AssertionError("and, or, externalURL and pathPrefix are the execution's own")


FUNCTIONS = {
    "and": Function((REFLECTED,), _in_context, REFLECTED),
    "args": Function((), _arguments, ANY),
    "eq": Function((REFLECTED,), equal, REFLECTED),
    "externalURL": Function((), _in_context),
    "first": Function((QUERY_RESULT,), _first),
    "ge": Function((REFLECTED, REFLECTED), greater_or_equal),
    "graphLink": Function((STRING,), graph_link),
    "gt": Function((REFLECTED, REFLECTED), greater),
    "html": Function((), _escaper(html_escape), ANY),
    "humanize": Function((ANY,), humanize),
    "humanize1024": Function((ANY,), humanize1024),
    "humanizeDuration": Function((ANY,), humanize_duration),
    "humanizePercentage": Function((ANY,), humanize_percentage),
    "humanizeTimestamp": Function((ANY,), humanize_timestamp),
    "index": Function((REFLECTED,), index, REFLECTED),
    "label": Function((STRING, SAMPLE), _nil_sample),
    "le": Function((REFLECTED, REFLECTED), less_or_equal),
    "len": Function((REFLECTED,), length),
    "lt": Function((REFLECTED, REFLECTED), less),
    "match": Function((STRING, STRING), match),
    "ne": Function((REFLECTED, REFLECTED), not_equal),
    "not": Function((REFLECTED,), negated),
    "or": Function((REFLECTED,), _in_context, REFLECTED),
    "parseDuration": Function((STRING,), parse_duration),
    "pathPrefix": Function((), _in_context),
    "print": Function((), go_print, ANY),
    "printf": Function((STRING,), printf, ANY),
    "println": Function((), go_println, ANY),
    "reReplaceAll": Function((STRING, STRING, STRING), replace_all),
    "safeHtml": Function((STRING,), SafeText),
    "slice": Function((REFLECTED,), sliced, REFLECTED),
    "sortByLabel": Function((STRING, QUERY_RESULT), lambda _label, samples: samples),
    "stripDomain": Function((STRING,), strip_domain),
    "stripPort": Function((STRING,), strip_port),
    "strvalue": Function((SAMPLE,), _nil_sample),
    "tableLink": Function((STRING,), table_link),
    "title": Function((STRING,), title),
    "toDuration": Function((ANY,), to_duration),
    "toLower": Function((STRING,), to_lower),
    "toTime": Function((ANY,), to_time),
    "toUpper": Function((STRING,), to_upper),
    "urlQueryEscape": Function((STRING,), query_escape),
    "urlquery": Function((), _escaper(query_escape), ANY),
    "value": Function((SAMPLE,), _nil_sample),
}

# Methods of Go's `time.Time`, which `toTime` gives; other methods of it are not supported.
TIME_METHODS = {
    "String": Function((), str),
    "Unix": Function((), lambda moment: moment.milliseconds // 1000),
    "UnixMilli": Function((), lambda moment: moment.milliseconds),
    "UTC": Function((), lambda moment: moment),
}
# Methods of Go's `time.Duration`, which `toDuration` gives.
DURATION_METHODS = {
    "Hours": Function((), lambda duration: duration.nanoseconds / 3.6e12),
    "Milliseconds": Function((), lambda duration: int(duration.nanoseconds / 1_000_000)),
    "Minutes": Function((), lambda duration: duration.nanoseconds / 6e10),
    "Seconds": Function((), lambda duration: duration.nanoseconds / 1e9),
    "String": Function((), str),
}

_TEMPLATES = "templates in a template are not taken over; write the text where it is used"
# What Prometheus and Go offer beyond that, and why it isn't here.
REFUSED = {
    "block": _TEMPLATES,
    "call": "there is nothing it could call",
    "define": _TEMPLATES,
    "js": "alert texts are no JavaScript",
    "now": "a text may depend on the alert only, not on when it is filled in",
    "query": "a template sees one alert and can't ask for other series",
    "template": _TEMPLATES,
    "tmpl": _TEMPLATES,
}
