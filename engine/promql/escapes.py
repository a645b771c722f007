r"""Escapes of bytes in PromQL's strings, ``"\xc3\xa9"``, which the parser takes for characters.

In Go, and so in Prometheus, they are bytes of UTF-8 text (promql/parser/lex.go,
util/strutil/quote.go).
"""

import re

from engine.promql.raw_strings import STRING_OR_COMMENT

_BYTE = r"\\x[89a-fA-F][0-9a-fA-F]|\\[23][0-7]{2}"
_BYTES_OR_ESCAPE = re.compile(rf"(?P<bytes>(?:{_BYTE})+)|\\.", re.DOTALL)
_ONE_BYTE = re.compile(_BYTE)


def with_characters(text: str) -> str:
    """Write the characters in place of escaped bytes from 0x80 on.

    Raises
    ------
    ValueError
        If the bytes are no UTF-8; labels and names are always UTF-8 here.
    """
    if "\\" not in text:
        return text
    return STRING_OR_COMMENT.sub(_decoded, text)


def _decoded(literal: re.Match[str]) -> str:
    if literal[0][0] in "#`":
        return literal[0]
    return _BYTES_OR_ESCAPE.sub(_characters, literal[0])


def _characters(escape: re.Match[str]) -> str:
    if escape["bytes"] is None:
        return escape[0]
    numbers = [_number(found) for found in _ONE_BYTE.findall(escape["bytes"])]
    try:
        return bytes(numbers).decode()
    except UnicodeDecodeError:
        raise ValueError(f"the bytes {escape['bytes']} are no UTF-8 text") from None


def _number(byte: str) -> int:
    return int(f"0{byte[1:]}", 16 if byte[1] == "x" else 8)
