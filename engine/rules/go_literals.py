"""Literals as Go reads them: the numbers and quoted texts of series notation."""

import math
import re

_DIGITS = "[0-9](?:_?[0-9])*"
_HEX_DIGITS = "[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_INTEGER = re.compile(
    rf"[+-]?(?:0[xX]_?{_HEX_DIGITS}|0[bB](?:_?[01])+|0[oO]?(?:_?[0-7])+|0|[1-9](?:_?[0-9])*)"
)
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEXADECIMAL = re.compile(
    rf"[+-]?0[xX](?:_?{_HEX_DIGITS}\.?(?:{_HEX_DIGITS})?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}"
)
_SPECIAL = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)
_OLD_OCTAL = re.compile(r"[+-]?0(?:_?[0-7])+")
_INT64 = range(-(2**63), 2**63)

_STRING = re.compile(r"`[^`]*`|\"(?:\\[^\n]|[^\"\\\n])*\"|'(?:\\[^\n]|[^'\\\n])*'")
_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{3})|x(?P<byte>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<letter>.))",
    re.DOTALL,
)
_LETTERS = {
    "a": b"\a", "b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v",
    "\\": b"\\", "'": b"'", '"': b'"',
}  # fmt: skip


def parse_number(text: str) -> float:
    """Read a number: an integer literal if it is one, else a floating-point number.

    Parameters
    ----------
    text : str
        Such as ``-5``, ``1_000``, ``0x1F``, ``017`` (15), ``2.5e-3``, ``0x1p-2``, ``+Inf``.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is none, or too large for a float64.

    References
    ----------
    Prometheus, ``parser.number`` (``promql/parser/parse.go``): ``strconv.ParseInt(text, 0, 64)``,
    else ``strconv.ParseFloat``.
    """
    if _INTEGER.fullmatch(text):
        # Python writes octal numbers with 0o only.
        integer = int(text, 8) if _OLD_OCTAL.fullmatch(text) else int(text, 0)
        if integer in _INT64:
            return float(integer)
    number = parse_float(text)
    if math.isinf(number) and not _SPECIAL.fullmatch(text):
        raise ValueError(f"'{text}' is too large for a number")
    return number


def parse_float(text: str) -> float:
    """Read a floating-point number as Go's `strconv.ParseFloat`; infinite if it is too large.

    Raises
    ------
    ValueError
        If it is none.
    """
    if _SPECIAL.fullmatch(text) or _DECIMAL.fullmatch(text):
        return float(text)
    if not _HEXADECIMAL.fullmatch(text):
        raise ValueError(f"'{text}' isn't a number")
    try:
        return float.fromhex(text.replace("_", ""))
    except OverflowError:
        return math.inf


def quoted_at(text: str, at: int) -> str | None:
    """Give the quoted text that begins at a place, with its quotes; None if none does or ends."""
    found = _STRING.match(text, at)
    return found[0] if found else None


def unquote(text: str) -> str:
    r"""Read a text in double or single quotes with escapes, or in backticks without.

    Raises
    ------
    ValueError
        For an unknown escape, and for bytes (``\xff``) that are no UTF-8.

    References
    ----------
    Prometheus, ``lexEscape`` (``promql/parser/lex.go``) and ``util/strutil/quote.go``.
    """
    mark, inside = text[0], text[1:-1]
    if mark == "`":
        return inside
    raw = b""
    end = 0
    for found in _ESCAPE.finditer(inside):
        raw += inside[end : found.start()].encode() + _escaped(found, mark)
        end = found.end()
    raw += inside[end:].encode()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{text} isn't UTF-8 text") from None


def _escaped(found: re.Match[str], mark: str) -> bytes:
    kind = found.lastgroup or ""
    digits = found[kind]
    if kind == "letter":
        if digits not in _LETTERS or (digits in "'\"" and digits != mark):
            raise ValueError(f"the escape {found[0]} is unknown")
        return _LETTERS[digits]
    code = int(digits, 8 if kind == "octal" else 16)
    if kind in {"octal", "byte"}:
        if code > 255:
            raise ValueError(f"{found[0]} is no byte")
        return bytes([code])
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError(f"{found[0]} is no character")
    return chr(code).encode()
