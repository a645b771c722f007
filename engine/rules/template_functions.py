"""The functions that alert templates can call, with the types they take.

Source: Prometheus' `template/template.go` and the built-in functions of Go's `text/template`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.rules.go_format import Value, print_value, sprintf
from engine.rules.humanize import (
    humanize,
    humanize1024,
    humanize_duration,
    humanize_percentage,
    humanize_timestamp,
)

ANY_TYPES = frozenset({"string", "float64", "int", "bool", "map[string]string"})
NUMBER_TYPES = frozenset({"string", "float64", "int"})  # text is read as a number
STRING_TYPES = frozenset({"string"})
_GROUP = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Function:
    """A function with what it takes; it gives text.

    Attributes
    ----------
    parameters : tuple of frozenset of str
        Go types that each parameter takes.
    call : callable
        Takes the arguments; raises ValueError with the text for the user.
    variadic : bool
        Whether any number of arguments of any type may follow.
    """

    parameters: tuple[frozenset[str], ...]
    call: Callable[..., str]
    variadic: bool = False


def go_print(*values: Value) -> str:
    """Print values as Go's `fmt.Sprint`: a space between two values that are both no text."""
    texts: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            texts.append(" ")
        texts.append(print_value(value))
    return "".join(texts)


def go_println(*values: Value) -> str:
    """Print values as Go's `fmt.Sprintln`: spaces between them, a newline at the end."""
    return " ".join(print_value(value) for value in values) + "\n"


def title(text: str) -> str:
    """Make the first letter of each word a capital (Go's `strings.Title`)."""
    characters = []
    previous = " "
    for character in text:
        starts_word = not (previous.isalnum() or previous == "_")
        if starts_word and not previous.isascii():
            starts_word = previous.isspace()
        characters.append(
            _one_character(character.title(), character) if starts_word else character
        )
        previous = character
    return "".join(characters)


def to_upper(text: str) -> str:
    """Make capitals, character by character (Go's `strings.ToUpper`)."""
    return "".join(_one_character(character.upper(), character) for character in text)


def to_lower(text: str) -> str:
    """Make small letters, character by character (Go's `strings.ToLower`)."""
    return "".join(character.lower()[:1] for character in text)  # "İ" would become two


def _one_character(changed: str, original: str) -> str:
    # Go maps one character to one character; Python makes "SS" of "ß".
    return changed if len(changed) == 1 else original


def replace_all(pattern: Any, replacement: str, text: str) -> str:
    """Replace all matches (Go's `Regexp.ReplaceAllString`).

    Parameters
    ----------
    pattern
        A compiled RE2 pattern.
    replacement : str
        With ``$1``, ``${1}``, ``$name``, ``${name}`` for groups and ``$$`` for a dollar sign.
    text : str
        What is searched.
    """
    pieces = []
    end, last_match_end = 0, -1
    for match in pattern.finditer(text):
        if match.start() == match.end() == last_match_end:
            continue  # Go leaves out an empty match right behind another one
        pieces.append(text[end : match.start()])
        pieces.append(_expanded(replacement, match))
        end = last_match_end = match.end()
    pieces.append(text[end:])
    return "".join(pieces)


def _expanded(replacement: str, match: Any) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = int(name) if name.isdecimal() else match.re.groupindex.get(name, -1)
        return (match[number] or "") if 0 <= number <= match.re.groups else ""

    return _GROUP.sub(group, replacement)


FUNCTIONS = {
    "humanize": Function((NUMBER_TYPES,), humanize),
    "humanize1024": Function((NUMBER_TYPES,), humanize1024),
    "humanizeDuration": Function((NUMBER_TYPES,), humanize_duration),
    "humanizePercentage": Function((NUMBER_TYPES,), humanize_percentage),
    "humanizeTimestamp": Function((NUMBER_TYPES,), humanize_timestamp),
    "print": Function((), go_print, variadic=True),
    "println": Function((), go_println, variadic=True),
    "printf": Function((STRING_TYPES,), sprintf, variadic=True),
    "reReplaceAll": Function((STRING_TYPES, STRING_TYPES, STRING_TYPES), replace_all),
    "title": Function((STRING_TYPES,), title),
    "toLower": Function((STRING_TYPES,), to_lower),
    "toUpper": Function((STRING_TYPES,), to_upper),
}

# What Prometheus and Go offer beyond that: refused by name, unlike a slip of the pen.
UNSUPPORTED = frozenset(
    {
        "and",
        "args",
        "block",
        "break",
        "call",
        "continue",
        "define",
        "else",
        "end",
        "eq",
        "externalURL",
        "first",
        "ge",
        "graphLink",
        "gt",
        "html",
        "if",
        "index",
        "js",
        "label",
        "le",
        "len",
        "lt",
        "match",
        "ne",
        "nil",
        "not",
        "now",
        "or",
        "parseDuration",
        "pathPrefix",
        "query",
        "range",
        "safeHtml",
        "slice",
        "sortByLabel",
        "stripDomain",
        "stripPort",
        "strvalue",
        "tableLink",
        "template",
        "tmpl",
        "toDuration",
        "toTime",
        "urlQueryEscape",
        "urlquery",
        "value",
        "with",
    }
)
