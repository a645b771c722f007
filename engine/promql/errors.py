"""Says where in an expression a mistake stands, which the parser doesn't, and what to write."""

import re
from collections.abc import Callable, Iterator

from engine.promql.raw_strings import STRING, STRING_OR_COMMENT
from engine.promql.selector import parse_promql

_BRACES = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_TOKEN = re.compile(rf"#[^\n]*|[\w:.]+|[=!<>]=|=~|!~|{STRING}|\S", re.DOTALL)
_QUOTE = re.compile("[\"'`]")
_NAMED_IN_MESSAGE = re.compile("unexpected [^']*'(.+?)'|illegal regex for (.+)", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_MOST_TOKENS = 200  # of an expression in which the mistake is looked for
_NO_GRAMMAR = "invalid promql query"
_UNFINISHED = frozenset({_NO_GRAMMAR, "unclosed left parenthesis"})
# Of Prometheus, behind feature flags or for native histograms; the parser doesn't know them.
_MODIFIERS = frozenset({"anchored", "smoothed"})
_TRIMS = frozenset({"</", ">/"})
_DURATION_ARITHMETIC = frozenset(f"unexpected character inside brackets: '{x}'" for x in "-+*/%^")


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
    text: str, what: str, pattern: str, *, number: int = 0, inside_braces: bool = False
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
    number : int
        Which of the places that the pattern finds is meant, from 0.
    inside_braces : bool
        Whether it stands inside ``{}`` or ``[]``.
    """
    offset = place_of(text, pattern, number, inside_braces=inside_braces)
    return ExpressionError(f"{what} is not supported yet", offset)


def place_of(
    text: str, pattern: str, number: int = 0, *, inside_braces: bool = False
) -> int | None:
    """Give the offset of a construct in an expression; parameters as for `unsupported`."""
    masked = _masked(text, braces=not inside_braces)
    places = [found.start() for found in re.finditer(pattern, masked, re.IGNORECASE)]
    return places[number] if number < len(places) else None


def syntax_error(text: str, message: str) -> ExpressionError:
    """Make the error for text that the parser refused with `message`."""
    if message == _NO_GRAMMAR:
        return _first_stray_token(text)
    if message == "unclosed left parenthesis":
        return ExpressionError("a ')' is missing", _last_open(text, "("))
    if message.startswith("unexpected right "):
        return ExpressionError(message, _first_unopened(text, message.rstrip("'")[-1]))
    if message.startswith("cannot convert float seconds"):
        # A panic of the parser; it is not to be asked again for each part.
        place = place_of(text, r"\d[\d_.]*e\+?\d", inside_braces=True)
        return ExpressionError("a duration is too long", place)
    if message.startswith("unterminated quoted string"):
        found = _QUOTE.search(_masked(text, braces=False))
        return ExpressionError(message, found.start() if found else None)
    hint = "; write the range like [5m]" if message.startswith("expected type matrix") else ""
    place = place_of_smallest(text, lambda piece: _refusal(piece) == message)
    if place is None and "inside bra" in message:
        place = _last_open(text, "{" if "inside braces" in message else "[")
    named = _NAMED_IN_MESSAGE.match(message)
    if named is not None and place is not None:
        place = max(text.find(named[1] or named[2], place), place)
    if message in _DURATION_ARITHMETIC:
        message = "arithmetic of durations is not supported yet"
    return ExpressionError(message + hint, place)


def place_of_smallest(text: str, is_wrong: Callable[[str], bool]) -> int | None:
    """Find a mistake whose place isn't known by the smallest part of the text that has it.

    Parameters
    ----------
    text : str
        The expression.
    is_wrong : callable
        Whether a part of it, in which all brackets are closed, has the mistake.

    Returns
    -------
    int or None
        Where the smallest such part begins; None if there is none or the text is long.
    """
    tokens = [token for token in _TOKEN.finditer(text) if token[0][0] != "#"]
    if len(tokens) > _MOST_TOKENS:
        return None
    spans = [(tokens[begin].start(), tokens[end].end()) for begin, end in _closed_spans(tokens)]
    for start, stop in sorted(spans, key=lambda span: (span[1] - span[0], span[0])):
        if is_wrong(text[start:stop]):
            return start
    return None


def _closed_spans(tokens: list[re.Match[str]]) -> Iterator[tuple[int, int]]:
    """Yield the first and last token of each part in which all brackets are closed."""
    for begin in range(len(tokens)):
        if begin and tokens[begin][0] == "(" and tokens[begin - 1][0][-1].isalnum():
            continue  # a function's arguments without its name mean something else
        waiting: list[str] = []
        for end in range(begin, len(tokens)):
            token = tokens[end][0]
            if token in _CLOSING:
                waiting.append(_CLOSING[token])
            elif token in _CLOSING.values() and (not waiting or waiting.pop() != token):
                break
            if not waiting:
                yield begin, end


def _refusal(text: str) -> str:
    """Give the parser's message, empty if it takes the text."""
    try:
        parse_promql(text)
    except ValueError as error:
        return str(error)
    return ""


def _masked(text: str, *, braces: bool) -> str:
    """Blank strings and comments out, and what stands in braces and brackets, keeping offsets."""
    masked = STRING_OR_COMMENT.sub(_blanks, text)
    return _BRACES.sub(_blanks, masked) if braces else masked


def _blanks(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _last_open(text: str, bracket: str) -> int | None:
    """Find the last bracket of a kind that isn't closed."""
    waiting: list[int] = []
    for offset, character in enumerate(_masked(text, braces=bracket == "(")):
        if character == bracket:
            waiting.append(offset)
        elif character == _CLOSING[bracket] and waiting:
            waiting.pop()
    return waiting[-1] if waiting else None


def _first_unopened(text: str, closing: str) -> int | None:
    """Find the first bracket of a kind that closes nothing."""
    depth = 0
    for offset, character in enumerate(_masked(text, braces=closing == ")")):
        depth += (_CLOSING.get(character) == closing) - (character == closing)
        if depth < 0:
            return offset
    return None


def _first_stray_token(text: str) -> ExpressionError:
    """Find the longest beginning that an expression may have; what follows it is the mistake."""
    tokens = list(_TOKEN.finditer(_masked(text, braces=True)))
    if tokens and len(tokens) <= _MOST_TOKENS and _may_begin(text):
        return ExpressionError(f"nothing stands behind '{tokens[-1][0]}'", tokens[-1].start())
    for token in reversed(tokens[:_MOST_TOKENS]):
        if _may_begin(text[: token.start()]):
            trim = text[token.start() - 1 : token.end()]
            if token[0] in _MODIFIERS or trim in _TRIMS:
                what = f"the operator {trim}" if trim in _TRIMS else f"the modifier {token[0]}"
                return ExpressionError(f"{what} is not supported yet", token.start())
            hint = "; to compare, write ==" if token[0] == "=" else ""
            return ExpressionError(f"'{token[0]}' can't stand here{hint}", token.start())
    return ExpressionError("this isn't a PromQL expression", 0)


def _may_begin(text: str) -> bool:
    """Whether a text becomes an expression by closing what is open, maybe behind a last operand."""
    if not text.strip():
        return False
    masked = _masked(text, braces=True)
    closing = ")" * max(masked.count("(") - masked.count(")"), 0)
    return any(_refusal(f"{text}{operand}{closing}") not in _UNFINISHED for operand in ("", " 1"))
