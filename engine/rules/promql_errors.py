"""Says where in an expression a mistake stands, which the parser doesn't, and what to write."""

import re

from engine.rules.selector import parse_promql

_STRING_OR_COMMENT = re.compile(
    r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`""", re.DOTALL
)
_BRACES = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_TOKEN = re.compile(r"[\w:.]+|[=!<>]=|=~|!~|\S")
_QUOTED = re.compile(r"'([^']+)'")
_MOST_TRIES = 200  # tokens of an expression that are tried as its end


class ExpressionError(ValueError):
    """An expression that can't be used.

    Attributes
    ----------
    offset : int or None
        Where the mistake stands, in characters of the expression; None if it isn't known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


def unsupported(
    text: str, what: str, pattern: str, *, inside_braces: bool = False
) -> ExpressionError:
    """Make the error for a construct that can't be evaluated.

    Parameters
    ----------
    text : str
        The expression.
    what : str
        Names the construct.
    pattern : str
        A regular expression that finds it in the text.
    inside_braces : bool
        Whether it stands inside ``{}`` or ``[]``.
    """
    found = re.search(pattern, _masked(text, braces=not inside_braces), re.IGNORECASE)
    return ExpressionError(f"{what} is not supported yet", found.start() if found else None)


def syntax_error(text: str, message: str) -> ExpressionError:
    """Make the error for text that the parser refused with `message`."""
    if message == "invalid promql query":
        return _first_stray_token(text)
    if message == "unclosed left parenthesis":
        return ExpressionError("a ')' is missing", _unclosed_parenthesis(text))
    hint = "; write the range like [5m]" if message.startswith("expected type matrix") else ""
    offset = None
    for quoted in _QUOTED.findall(message):
        offset = _masked(text, braces=False).find(quoted)
        if offset >= 0:
            break
    known = offset if offset is not None and offset >= 0 else None
    return ExpressionError(message + hint, known)


def _masked(text: str, *, braces: bool) -> str:
    """Blank strings and comments out, and what stands in braces and brackets, keeping offsets."""
    masked = _STRING_OR_COMMENT.sub(lambda match: " " * len(match[0]), text)
    return _BRACES.sub(lambda match: " " * len(match[0]), masked) if braces else masked


def _unclosed_parenthesis(text: str) -> int | None:
    waiting: list[int] = []
    for offset, character in enumerate(_masked(text, braces=True)):
        if character == "(":
            waiting.append(offset)
        elif character == ")" and waiting:
            waiting.pop()
    return waiting[-1] if waiting else None


def _first_stray_token(text: str) -> ExpressionError:
    """Find the longest beginning that is an expression; what follows it is the mistake."""
    tokens = list(_TOKEN.finditer(_masked(text, braces=True)))
    for token in reversed(tokens[:_MOST_TRIES]):
        try:
            parse_promql(text[: token.start()])
        except ValueError:
            continue
        if token is tokens[-1]:
            return ExpressionError(f"nothing stands behind '{token[0]}'", token.start())
        hint = "; to compare, write ==" if token[0] == "=" else ""
        return ExpressionError(f"'{token[0]}' can't stand here{hint}", token.start())
    return ExpressionError("this isn't a PromQL expression", 0)
