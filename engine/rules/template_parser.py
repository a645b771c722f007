"""Parses the actions of alert templates: control structures, variables and pipelines.

As in Go, unknown functions and undefined variables are found here, and wrong types and numbers
of arguments when a template is filled in. Source: Go's `text/template` documentation and parser.
"""

from collections.abc import Iterator

from engine.rules.go_format import parse_format
from engine.rules.template_functions import FUNCTIONS, REFUSED
from engine.rules.template_nodes import (
    Action,
    Branch,
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Identifier,
    Jump,
    Nil,
    Operand,
    Pipeline,
    Statement,
    Text,
    Variable,
)
from engine.rules.template_numbers import parse_number
from engine.rules.template_tokens import Token, split_template, unquote

DEFINED_VARIABLES = ("$", "$labels", "$externalLabels", "$externalURL", "$value")
_KEYWORDS = frozenset({"if", "with", "range", "else", "end", "break", "continue"})
_DEEPEST = 50  # parentheses and control structures; the interpreter's own stack is finite


def parse_template(text: str) -> tuple[Statement, ...]:
    """Parse a template.

    Raises
    ------
    ValueError
        Naming what is wrong or refused, and the action.
    """
    return _TemplateParser(text).whole()


class _TemplateParser:
    """Puts actions together to control structures; keeps the variables that are in scope."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: Iterator[str | list[Token]] = split_template(text)
        self.variables = list(DEFINED_VARIABLES)
        self.depth = 0
        self.ranges = 0

    def whole(self) -> tuple[Statement, ...]:
        statements, closing = self.statements()
        if closing is not None:
            raise ValueError(f"unexpected '{{{{{closing.keyword}}}}}'")
        return statements

    def statements(self) -> tuple[tuple[Statement, ...], "_ActionParser | None"]:
        """Parse up to the next `else` or `end`, which is given with what follows it in its action.

        At the end of the template, None is given in its place.
        """
        found: list[Statement] = []
        for piece in self.pieces:
            if isinstance(piece, str):
                if piece:
                    found.append(Text(piece))
                continue
            action = _ActionParser(piece, self.variables)
            try:
                statement = self.action(action)
            except ValueError as error:
                shown = _shown(piece, self.text)
                # What is wrong inside a control structure has been shown by its own action.
                at = "" if "{{" in str(error) else f" in '{shown}'"
                raise ValueError(f"{error}{at}") from None
            if statement is None:
                return tuple(found), action
            found.append(statement)
        return tuple(found), None

    def action(self, action: "_ActionParser") -> Statement | None:
        """Parse one action and all that belongs to it; None for an `else` or `end`."""
        keyword = action.take_keyword()
        if keyword in {"else", "end"}:
            if keyword == "end" or not action.next_is_word("if", "with"):
                action.finish()
            return None
        if keyword in {"break", "continue"}:
            action.finish()
            if not self.ranges:
                raise ValueError(f"{keyword} stands outside of a range")
            return Jump(keyword)
        if keyword:
            return self.branch(keyword, action)
        pipeline = action.pipeline("command")
        action.finish()
        return Action(pipeline.position, pipeline)

    def branch(self, keyword: str, action: "_ActionParser") -> Branch:
        scope = len(self.variables)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError(f"'{keyword}' is nested too deeply")
        pipeline = action.pipeline(keyword)
        action.finish()
        self.ranges += keyword == "range"
        body, closing = self.statements()
        self.ranges -= keyword == "range"
        otherwise: tuple[Statement, ...] = ()
        if closing is not None and closing.keyword == "else":
            otherwise, closing = self.otherwise(keyword, closing)
        if closing is None or closing.keyword != "end":
            raise ValueError(f"an '{{{{end}}}}' is missing for the '{keyword}'")
        self.depth -= 1
        del self.variables[scope:]
        return Branch(keyword, pipeline, body, otherwise)

    def otherwise(
        self, keyword: str, action: "_ActionParser"
    ) -> tuple[tuple[Statement, ...], "_ActionParser | None"]:
        """Parse what follows an `else`, up to the `end` that closes it."""
        if not action.next_is_word("if", "with"):
            return self.statements()
        second = action.take_keyword()
        if second != keyword:
            raise ValueError(f"'{{{{else {second}}}}}' belongs to a '{second}', not a '{keyword}'")
        # One `end` closes the whole chain, so the nested branch's is this one's, too.
        nested = self.branch(second, action)
        return (nested,), _END


class _ActionParser:
    """Walks over the tokens of one action."""

    def __init__(self, tokens: list[Token], variables: list[str]) -> None:
        self.tokens = tokens
        self.variables = variables
        self.position = 0
        self.depth = 0
        self.keyword = ""

    def kind(self, ahead: int = 0) -> str:
        """Give the kind of a token to come, empty after the end."""
        at = self.position + ahead
        return self.tokens[at].kind if at < len(self.tokens) else ""

    def take(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def next_is_word(self, *words: str) -> bool:
        return self.kind() == "word" and self.tokens[self.position].text in words

    def take_keyword(self) -> str:
        """Take the keyword that begins a control action; empty if none does."""
        self.keyword = self.take().text if self.next_is_word(*_KEYWORDS) else ""
        return self.keyword

    def finish(self) -> None:
        if self.kind():
            raise ValueError(f"unexpected '{self.tokens[self.position].text}'")

    def pipeline(self, context: str) -> Pipeline:
        """Parse a pipeline with the variables it declares; `context` is the keyword before it."""
        if not self.kind():
            raise ValueError(f"a value is missing for the {context}")
        start = self.tokens[self.position].offset
        names, is_assignment = self.declarations(context)
        commands = [self.command()]
        while self.kind() == "pipe":
            self.take()
            commands.append(self.command())
            first = commands[-1].operands[0]
            if isinstance(first, Dot | Nil | Constant):
                raise ValueError(f"{first} isn't a function and takes no argument")  # noqa: TRY004 # as above
        return Pipeline(start, tuple(commands), names, is_assignment)

    def declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        while self.kind() == "variable" and self.kind(1) in {"declaration", "comma"}:
            names.append(self.take().text)
            self.variables.append(names[-1])
            mark = self.take()
            if mark.kind == "declaration":
                return tuple(names), mark.text == "="
            if context != "range" or len(names) > 1:
                raise ValueError(f"too many variables for the {context}")
        if names:
            raise ValueError("range can declare variables only")
        return (), False

    def command(self) -> Command:
        operands: list[Operand] = []
        start = self.position
        while self.kind() not in {"", "pipe", "close"}:
            token = self.tokens[self.position]
            if operands and not token.spaced:
                raise ValueError(f"a space is missing before '{token.text}'")
            operands.append(self.operand())
        if not operands:
            raise ValueError("a value is missing")
        _check_format(operands)
        return Command(self.tokens[start].offset, tuple(operands))

    def operand(self) -> Operand:
        term = self.term()
        if self.kind() != "field" or self.tokens[self.position].spaced:
            return term
        position = self.tokens[self.position].offset  # Go counts a chain from its first field
        path: tuple[str, ...] = ()
        while self.kind() == "field" and not self.tokens[self.position].spaced:
            path += (self.take().text[1:],)
        if isinstance(term, Field):
            return Field(position, term.path + path)
        if isinstance(term, Variable):
            return Variable(position, term.path + path)
        if isinstance(term, Dot | Nil | Constant):
            raise ValueError(f"{term} has no field .{path[0]}")  # noqa: TRY004 # a mistake in a file
        return Chain(position, term, path)

    def term(self) -> Operand:
        token = self.take()
        if token.kind == "word":
            return _word(token)
        if token.kind in {"string", "raw"}:
            return Constant(token.offset, token.text, unquote(token))
        if token.kind in {"number", "character"}:
            return Constant(token.offset, token.text, parse_number(token))
        if token.kind == "variable":
            if token.text not in self.variables:
                known = ", ".join(self.variables)
                raise ValueError(f"{token.text} is not defined; there are {known}")
            return Variable(token.offset, (token.text,))
        if token.kind == "field":
            return Field(token.offset, (token.text[1:],))
        if token.kind == "dot":
            return Dot(token.offset)
        if token.kind == "open":
            return self.parenthesised()
        raise ValueError(f"unexpected '{token.text}'")

    def parenthesised(self) -> Pipeline:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError("an action is nested too deeply")
        pipeline = self.pipeline("parenthesis")
        if self.kind() != "close":
            raise ValueError("a ')' is missing")
        self.take()
        self.depth -= 1
        return pipeline


def _word(token: Token) -> Operand:
    name = token.text
    if name in {"true", "false"}:
        return Constant(token.offset, name, name == "true")
    if name == "nil":
        return Nil(token.offset)
    if name in REFUSED:
        raise ValueError(f"'{name}' is not supported yet: {REFUSED[name]}")
    if name in _KEYWORDS:
        raise ValueError(f"unexpected '{name}'")
    if name not in FUNCTIONS:
        raise ValueError(f"the function '{name}' is not defined")
    return Identifier(token.offset, name)


def _check_format(operands: list[Operand]) -> None:
    """Refuse a written-out format of `printf` with what Go can print and streamgauge can't."""
    if len(operands) < 2 or not isinstance(operands[0], Identifier):
        return
    text = operands[1].value if isinstance(operands[1], Constant) else None
    if operands[0].name == "printf" and isinstance(text, str):
        parse_format(text)


def _shown(tokens: list[Token], text: str) -> str:
    if not tokens:
        return "{{}}"
    last = tokens[-1]
    return "{{ " + text[tokens[0].offset : last.offset + len(last.text)] + " }}"


_END = _ActionParser([], [])
_END.keyword = "end"
