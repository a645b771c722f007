"""Cuts a Go `text/template` into plain text and the tokens of its actions.

Source: Go's `text/template` documentation ("Text and spaces", "Arguments") and the lexer in
`text/template/parse`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_SPACES = " \t\r\n"
_TOKEN = re.compile(
    r"""
    (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<raw>`[^`]*`)
    | (?P<character>'(?:\\.|[^'\\\n])+')
    | (?P<number>[+-]?(?:\.[0-9]|[0-9])(?:[eEpP][+-]|[\w.])*)
    | (?P<variable>\$\w*)
    | (?P<field>\.[^\W\d]\w*)
    | (?P<dot>\.)
    | (?P<word>[^\W\d]\w*)
    | (?P<declaration>:?=)
    | (?P<pipe>\|)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<comma>,)
    """,
    re.VERBOSE,
)
_TRIMMED_END = re.compile(r"[ \t\r\n]-\}\}")
_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"'])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))",
    re.DOTALL,
)


class Token(NamedTuple):
    """A piece of an action.

    Attributes
    ----------
    kind : str
        string, raw, character, number, variable, field, dot, word, declaration, pipe, open,
        close, comma.
    text : str
        As written.
    offset : int
        Where it begins, in characters of the template.
    spaced : bool
        Whether white space, or nothing, stands before it.
    """

    kind: str
    text: str
    offset: int
    spaced: bool


def split_template(text: str) -> Iterator[str | list[Token]]:
    """Give the plain texts, trimmed where actions say so, and each action's tokens, in order.

    Raises
    ------
    ValueError
        If an action isn't closed or holds a character that Go's templates don't know.
    """
    end, trim_next = 0, False
    while True:
        start = text.find("{{", end)
        plain = text[end:] if start < 0 else text[end:start]
        if trim_next:
            plain = plain.lstrip(_SPACES)
        if start < 0:
            yield plain
            return
        inside = start + 2
        if text[inside : inside + 1] == "-" and text[inside + 1 : inside + 2] in tuple(_SPACES):
            plain = plain.rstrip(_SPACES)
            inside += 2
        yield plain
        if text.startswith("/*", inside):
            end, trim_next = _end_of_comment(text, inside)
        else:
            tokens, end, trim_next = _action(text, inside)
            yield tokens


def unquote(token: Token) -> str:
    """Give the text that a string, raw or character token means (Go's `strconv.Unquote`).

    Raises
    ------
    ValueError
        For an escape that Go doesn't know.
    """
    inside = token.text[1:-1]
    if token.kind == "raw":
        return inside
    other_quote = "'" if token.kind == "string" else '"'
    raw = bytearray()  # \x and octal escapes are bytes, which together make characters
    end = 0
    for match in _ESCAPE.finditer(inside):
        raw += inside[end : match.start()].encode()
        end = match.end()
        simple, octal, byte, short, long, unknown = match.groups()
        if simple == other_quote or unknown is not None:
            raise ValueError(f"the escape '{match[0]}' in {token.text} is unknown")
        if simple:
            raw += _SIMPLE_ESCAPES[simple].encode()
        elif octal or byte:
            raw.append(int(octal, 8) & 0xFF if octal else int(byte, 16))
        else:
            raw += _character(int(short or long, 16), token).encode()
    raw += inside[end:].encode()
    return raw.decode(errors="replace")


def _character(code: int, token: Token) -> str:
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError(f"{token.text} holds an escape that is no character")
    return chr(code)


def _end_of_comment(text: str, start: int) -> tuple[int, bool]:
    close = text.find("*/", start)
    if close < 0:
        raise ValueError("a comment isn't closed; end it with */}}")
    after = close + 2
    if _TRIMMED_END.match(text, after):
        return after + 4, True
    if not text.startswith("}}", after):
        raise ValueError("a comment must fill its action: {{/* like this */}}")
    return after + 2, False


def _action(text: str, start: int) -> tuple[list[Token], int, bool]:
    """Read tokens up to the closing braces; give them, the end, and whether to trim after it."""
    tokens: list[Token] = []
    position = start
    while position < len(text):
        if _TRIMMED_END.match(text, position):
            return tokens, position + 4, True
        if text.startswith("}}", position):
            return tokens, position + 2, False
        if text[position] in _SPACES:
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"unexpected '{text[position]}' in {_excerpt(text, start)}")
        spaced = position == start or text[position - 1] in _SPACES
        tokens.append(Token(str(match.lastgroup), match[0], position, spaced))
        position = match.end()
    raise ValueError(f"an action isn't closed: {_excerpt(text, start)}; end it with }}}}")


def _excerpt(text: str, start: int) -> str:
    close = text.find("}}", start)
    return "'{{" + text[start : close + 2 if close >= 0 else start + 30] + "'"
