"""Functions of alert templates that make text of text.

Source: Prometheus' `template/template.go`, and Go's `strings`, `regexp`, `net` and `text/template`.
"""

import ipaddress
import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from engine.promql.selector import compile_regex
from engine.rules.go_format import quote

_GROUP = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
# Between two letters these don't end a word (Unicode's MidLetter and MidNumLet).
_INSIDE_WORDS = frozenset(
    "'.:\u00b7\u0387\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a"
)
_DURATION_UNITS_NS = {
    "y": 31_536_000_000_000_000,
    "w": 604_800_000_000_000,
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
}
_DURATION_PART = re.compile(r"([0-9]+)([^0-9]+)")
_HTML = str.maketrans(
    {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def title(text: str) -> str:
    """Make the first letter of each word a capital (Go's `cases.Title` with `NoLower`)."""
    characters = []
    done = False  # whether this word's first letter has been seen
    for place, character in enumerate(text):
        first = _has_case(character) and not done
        characters.append(character.title() if first else character)
        between = _continues_word(text[max(place - 1, 0)]) and _continues_word(
            text[place + 1 : place + 2]
        )
        joins = character in _INSIDE_WORDS and between
        done = first or (done and (_continues_word(character) or joins))
    return "".join(characters)


def _has_case(character: str) -> bool:
    return character.islower() or character.isupper() or character.istitle()


def _continues_word(character: str) -> bool:
    # Letters without case are mostly ideographs, each of which is a word.
    return _has_case(character) or character.isdecimal() or character == "_"


def to_upper(text: str) -> str:
    """Make capitals, character by character (Go's `strings.ToUpper`)."""
    return "".join(_one_character(character.upper(), character) for character in text)


def to_lower(text: str) -> str:
    """Make small letters, character by character (Go's `strings.ToLower`)."""
    return "".join(character.lower()[:1] for character in text)  # "İ" would become two


def _one_character(changed: str, original: str) -> str:
    # Go maps one character to one character; Python makes "SS" of "ß".
    return changed if len(changed) == 1 else original


def match(pattern: str, text: str) -> bool:
    """Tell whether a pattern matches anywhere (Go's `regexp.MatchString`)."""
    return _pattern(pattern).search(text) is not None


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """Replace all matches (Go's `Regexp.ReplaceAllString`).

    Parameters
    ----------
    pattern : str
        An RE2 pattern.
    replacement : str
        With ``$1``, ``${1}``, ``$name``, ``${name}`` for groups and ``$$`` for a dollar sign.
    text : str
        What is searched.
    """
    try:
        compiled = _pattern(pattern)
    except ValueError as error:
        # Go panics here, with the pattern in backticks.
        shown = f"`{pattern}`" if "`" not in pattern else quote(pattern)
        raise ValueError(f"regexp: Compile({shown}): {error}") from None
    pieces = []
    end, last_match_end = 0, -1
    for found in compiled.finditer(text):
        if found.start() == found.end() == last_match_end:
            continue  # Go leaves out an empty match right behind another one
        pieces.append(text[end : found.start()])
        pieces.append(_expanded(replacement, found))
        end = last_match_end = found.end()
    pieces.append(text[end:])
    return "".join(pieces)


@lru_cache(maxsize=1_000)
def _pattern(text: str) -> Any:
    try:
        return compile_regex(text, dot_matches_newline=False)
    except ValueError as error:
        reason = str(error).partition("regular expression: ")[2]
        raise ValueError(f"error parsing regexp: {_as_go_says(reason)}") from None


def _as_go_says(reason: str) -> str:
    """Put the RE2 library's reason, ``missing ): (``, as Go does: ``missing closing ): `(` ``."""
    what, colon, where = reason.partition(": ")
    what = {
        "missing )": "missing closing )",
        "missing ]": "missing closing ]",
        "no argument for repetition operator": "missing argument to repetition operator",
        "invalid perl operator": "invalid or unsupported Perl syntax",
    }.get(what, what)
    return f"{what}: `{where}`" if colon else what


def _expanded(replacement: str, found: Any) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = int(name) if name.isdecimal() else found.re.groupindex.get(name, -1)
        return (found[number] or "") if 0 <= number <= found.re.groups else ""

    return _GROUP.sub(group, replacement)


def strip_port(address: str) -> str:
    """Take the port off: ``host:80`` is ``host``."""
    parts = _split_address(address)
    return address if parts is None else parts[0]


def strip_domain(address: str) -> str:
    """Take the domain off, but not the port: ``a.example.org:80`` is ``a:80``."""
    host, port = _split_address(address) or (address, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = host.split(".", maxsplit=1)[0]
    else:
        return address
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split_address(address: str) -> tuple[str, str] | None:
    """Split a host from its port (Go's `net.SplitHostPort`); None if there is none to split."""
    before, colon, port = address.rpartition(":")
    if not colon:
        return None
    if address.startswith("["):
        host, bracket, after = address[1:].partition("]")
        if not bracket or after != f":{port}" or "[" in host + after:
            return None
        return host, port
    return None if set(before) & set(":[]") or set(port) & set("[]") else (before, port)


def parse_duration(text: str) -> float:
    """Read a duration such as ``1h30m`` or ``-5s``, in seconds."""
    negative = text.startswith("-")
    duration_ns = _duration_ns(text[negative:])
    return (-duration_ns if negative else duration_ns) / 1e9


def _duration_ns(text: str) -> int:
    if text == "0":
        return 0
    if not text:
        raise ValueError("empty duration string")
    invalid = ValueError(f"not a valid duration string: {quote(text)}")
    units = list(_DURATION_UNITS_NS)
    total = end = 0
    while end < len(text):
        found = _DURATION_PART.match(text, end)
        if found is None:
            raise invalid
        if found[2] not in _DURATION_UNITS_NS:
            raise ValueError(f"unknown unit {quote(found[2])} in duration {quote(text)}")
        if found[2] not in units:
            raise invalid
        del units[: units.index(found[2]) + 1]  # units go from the largest to the smallest
        total += int(found[1]) * _DURATION_UNITS_NS[found[2]]
        end = found.end()
    if total >= 2**63:
        raise ValueError("duration out of range")
    return total


def query_escape(text: str) -> str:
    """Escape text for a URL's query (Go's `url.QueryEscape`)."""
    return quote_plus(text)


def graph_link(expression: str) -> str:
    """Give the path of Prometheus' graph of an expression."""
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab=0"


def table_link(expression: str) -> str:
    """Give the path of Prometheus' table of an expression."""
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab=1"


def html_escape(text: str) -> str:
    """Escape text for HTML (Go's `HTMLEscapeString`)."""
    return text.translate(_HTML)
