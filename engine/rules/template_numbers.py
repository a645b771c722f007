"""Numbers and characters written out in templates, as Go's `text/template` reads them."""

from engine.rules.template_tokens import Token, unquote

_INT64_MAX = 2**63 - 1


def parse_number(token: Token) -> int | float:
    """Read a number; Go takes it as a float64 if it has a point or an exponent.

    Parameters
    ----------
    token : Token
        A number, or a character, which stands for its code point.

    Raises
    ------
    ValueError
        If it is none, or doesn't fit Go's int.
    """
    if token.kind == "character":
        character = unquote(token)
        if len(character) != 1:
            raise ValueError(f"{token.text} must be one character")
        return ord(character)
    text = token.text.lower()
    try:
        is_hexadecimal = "0x" in text
        if is_hexadecimal and "p" in text:
            return float.fromhex(text.replace("_", ""))
        if "." in text or ("e" in text and not is_hexadecimal):
            return float(text)
        octal = text.lstrip("+-")
        number = int(text, 8 if octal.startswith("0") and octal.isdecimal() else 0)
    except (ValueError, OverflowError):
        raise ValueError(f"'{token.text}' isn't a number") from None
    if not -_INT64_MAX - 1 <= number <= _INT64_MAX:
        raise ValueError(f"the number {token.text} is too large")
    return number
