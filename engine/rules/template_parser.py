"""Parses the actions of alert templates into nodes that are evaluated for each alert.

A template has no variables but the three it is given, so all types are known when it is parsed.
Source: Go's `text/template` documentation and parser.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from engine.rules.go_format import check_verbs, parse_format, sprintf
from engine.rules.selector import compile_regex
from engine.rules.template_functions import FUNCTIONS, UNSUPPORTED, Function, replace_all
from engine.rules.template_nodes import (
    LABELS_TYPE,
    AlertValue,
    AllLabels,
    Call,
    Constant,
    Label,
    Node,
)
from engine.rules.template_tokens import Token, unquote

_NO_LABELS: Mapping[str, str] = MappingProxyType({})
_INT64_MAX = 2**63 - 1
# Prometheus puts these definitions before the text; they shift the columns in Go's errors.
_PREAMBLE = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
_WITH_LITERAL = {"printf": "format", "reReplaceAll": "pattern"}
_DATA = {
    "$labels": "labels",
    ".Labels": "labels",
    "$value": "value",
    ".Value": "value",
    "$externalLabels": "none",
    ".ExternalLabels": "none",
}


def parse_action(tokens: list[Token], source: str) -> tuple[Node, bool]:
    """Parse the tokens of one action of the template `source`.

    Returns
    -------
    node : Node
        What the action prints.
    uses_value : bool
        Whether it looks at the alert's value.

    Raises
    ------
    ValueError
        Naming what is wrong or not supported, and the action.
    """
    parser = _Parser(tokens, source)
    try:
        return parser.whole(), parser.uses_value
    except RecursionError:
        raise ValueError("an action is nested too deeply") from None
    except ValueError as error:
        text = ""
        if tokens:
            last = tokens[-1]
            text = " " + source[tokens[0].offset : last.offset + len(last.text)] + " "
        raise ValueError(f"{error} in '{{{{{text}}}}}'") from None


class _Parser:
    """Walks over the tokens of one action."""

    def __init__(self, tokens: list[Token], source: str) -> None:
        self.tokens = tokens
        self.source = source
        self.position = 0
        self.uses_value = False

    def whole(self) -> Node:
        node = self.pipeline()
        if self.peek():
            raise ValueError(f"unexpected '{self.tokens[self.position].text}'")
        return node

    def peek(self) -> str:
        """Give the kind of the next token, empty at the end."""
        return self.tokens[self.position].kind if self.position < len(self.tokens) else ""

    def pipeline(self) -> Node:
        node = self.command(None)
        while self.peek() == "pipe":
            self.position += 1
            node = self.command(node)
        return node

    def command(self, final: Node | None) -> Node:
        """Parse a function with its arguments, or one operand; `final` comes by the pipe."""
        start = self.position
        if self.peek() == "word" and not self.is_boolean(self.tokens[start]):
            _function_named(self.tokens[start].text)  # an `if` is named, not what follows it
            self.position += 1
            return self.call(self.tokens[start], self.operands(after_function=True), final)
        if [token.kind for token in self.tokens[start : start + 2]] == ["variable", "declaration"]:
            raise ValueError("a variable of one's own is not supported yet")
        operands = self.operands(after_function=False)
        if not operands:
            raise ValueError("a value is missing")
        if final is not None or len(operands) > 1:
            raise ValueError(f"{operands[0].text} isn't a function and takes no argument")
        return operands[0]

    def operands(self, *, after_function: bool) -> list[Node]:
        operands: list[Node] = []
        while self.peek() not in {"", "pipe", "close"}:
            token = self.tokens[self.position]
            if (operands or after_function) and not token.spaced:
                raise ValueError(f"a space is missing before '{token.text}'")
            operands.append(self.operand())
        return operands

    def operand(self) -> Node:
        token = self.tokens[self.position]
        self.position += 1
        if token.kind == "word" and not self.is_boolean(token):
            return self.call(token, [], None)
        if token.kind == "word":
            return Constant(token.text, token.text == "true")
        if token.kind in {"string", "raw"}:
            return Constant(token.text, unquote(token))
        if token.kind in {"number", "character"}:
            return Constant(token.text, _number(token))
        if token.kind == "open":
            return self.parenthesised()
        if token.kind in {"variable", "field"}:
            return self.variable(token)
        if token.kind == "dot":
            raise ValueError("'.' alone is not supported yet; use $labels or $value")
        raise ValueError(f"unexpected '{token.text}'")

    def parenthesised(self) -> Node:
        node = self.pipeline()
        if self.peek() != "close":
            raise ValueError("a ')' is missing")
        self.position += 1
        if self.peek() == "field" and not self.tokens[self.position].spaced:
            return self.member(node)
        return node

    def variable(self, token: Token) -> Node:
        kind = _DATA.get(token.text)
        if kind is None:
            if token.text in {"$externalURL", ".ExternalURL"}:
                raise ValueError(f"{token.text} is not supported: streamgauge has no web page")
            raise ValueError(
                f"{token.text} is not defined; there are $labels, $value and $externalLabels"
            )
        if kind == "value":
            self.uses_value = True
            node: Node = AlertValue(token.text)
        elif kind == "labels":
            node = AllLabels(token.text)
        else:
            node = Constant(token.text, _NO_LABELS)
        if self.peek() == "field" and not self.tokens[self.position].spaced:
            return self.member(node)
        return node

    def member(self, node: Node) -> Node:
        """Take a label out of the labels: `$labels.job`."""
        token = self.tokens[self.position]
        self.position += 1
        if node.type != LABELS_TYPE:
            raise ValueError(f"{node.text} is no set of labels and has no {token.text}")
        text = node.text + token.text
        if isinstance(node, Constant):
            found: Node = Constant(text, "")
        else:
            found = Label(text, token.text[1:])
        if self.peek() == "field" and not self.tokens[self.position].spaced:
            return self.member(found)
        return found

    def call(self, token: Token, arguments: list[Node], final: Node | None) -> Node:
        name = token.text
        function = _function_named(name)
        text = self.text_from(token)
        everything = tuple(arguments) if final is None else (*arguments, final)
        _check_arguments(name, function, everything)
        if name in _WITH_LITERAL:
            return self.call_with_literal(name, everything, text, token)
        return Call(text, name, function.call, everything, self.location(token.offset))

    def call_with_literal(
        self, name: str, arguments: tuple[Node, ...], text: str, token: Token
    ) -> Node:
        """Prepare a call whose first argument is read once, now: a format or a pattern."""
        literal, *others = arguments
        if not isinstance(literal, Constant):
            raise ValueError(f"{name} needs its {_WITH_LITERAL[name]} written out")  # noqa: TRY004 # a mistake in a file
        if name == "printf":
            parts = parse_format(str(literal.value))
            check_verbs(parts, [other.type for other in others])
            call: Callable[..., str] = partial(sprintf, parts)
        else:
            pattern = compile_regex(str(literal.value), dot_matches_newline=False)
            call = partial(replace_all, pattern)
        return Call(text, name, call, tuple(others), self.location(token.offset))

    def text_from(self, first: Token) -> str:
        """Give the tokens from `first` to here in Go's canonical spacing."""
        text = ""
        for token in self.tokens[self.tokens.index(first) : self.position]:
            if token.kind == "pipe":
                text += " | "
                continue
            if token.spaced and token.kind != "close" and not text.endswith((" ", "(")):
                text += " "
            text += token.text
        return text.strip()

    def location(self, offset: int) -> str:
        before = _PREAMBLE + self.source[:offset]
        column = len(before[before.rfind("\n") + 1 :].encode())
        return f"{before.count(chr(10)) + 1}:{column}"

    @staticmethod
    def is_boolean(token: Token) -> bool:
        return token.text in {"true", "false"}


def _function_named(name: str) -> Function:
    if name in UNSUPPORTED:
        raise ValueError(f"'{name}' is not supported yet")
    if name not in FUNCTIONS:
        raise ValueError(f"the function '{name}' is not defined")
    return FUNCTIONS[name]


def _number(token: Token) -> int | float:
    """Read a number; Go takes it as a float64 if it has a point or an exponent."""
    if token.kind == "character":
        character = unquote(token)
        if len(character) != 1:
            raise ValueError(f"{token.text} must be one character")
        return ord(character)
    text = token.text.lower()
    try:
        is_hexadecimal = "0x" in text
        if "." in text or ("e" in text and not is_hexadecimal):
            return float(text)
        octal = text.lstrip("+-")
        number = int(text, 8 if octal.startswith("0") and octal.isdecimal() else 0)
    except ValueError:
        raise ValueError(f"'{token.text}' isn't a number") from None
    if not -_INT64_MAX - 1 <= number <= _INT64_MAX:
        raise ValueError(f"the number {token.text} is too large")
    return number


def _check_arguments(name: str, function: Function, arguments: tuple[Node, ...]) -> None:
    wanted, got = len(function.parameters), len(arguments)
    if got < wanted or (got > wanted and not function.variadic):
        least = "at least " if function.variadic else ""
        raise ValueError(f"{name} takes {least}{wanted} argument(s), not {got}")
    for types, argument in zip(function.parameters, arguments, strict=False):
        if argument.type not in types:
            wanted_type = "a number or text" if len(types) > 1 else "text"
            raise ValueError(f"{name} takes {wanted_type}, not {argument.text} ({argument.type})")
