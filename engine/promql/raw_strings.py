"""Writes raw strings, in back quotes, as quoted ones: in raw ones, the parser refuses escapes."""

import re

STRING = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`"""
"""A regular expression for strings of all three kinds; it needs `re.DOTALL`."""

STRING_OR_COMMENT = re.compile(rf"#[^\n]*|{STRING}", re.DOTALL)

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
_ESCAPED = re.compile(r'[\\"\n]')


def without_raw_strings(text: str) -> str:
    """Rewrite the raw strings of an expression; it means the same, but offsets differ."""
    return STRING_OR_COMMENT.sub(_quoted, text) if "`" in text else text


def _quoted(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] != "`":
        return found
    return f'"{_ESCAPED.sub(lambda character: _ESCAPES[character[0]], found[1:-1])}"'
