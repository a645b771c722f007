"""From text to expressions: every construct, its canonical text, and what is refused where."""

import math

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.promql.errors import ExpressionError, place_of_smallest
from engine.promql.parse import (
    RANGE_FUNCTIONS,
    Language,
    look_back_ns,
    parse_condition,
    parse_expression,
)
from engine.promql.selector import parse_selector
from engine.promql.syntax import (
    MANY_TO_MANY,
    MANY_TO_ONE,
    MATRIX,
    ONE_TO_MANY,
    SCALAR,
    STRING,
    VECTOR,
    Aggregate,
    Binary,
    Call,
    Matching,
    MatrixSelector,
    Negate,
    Number,
    Subquery,
    Text,
    VectorSelector,
    type_of,
)
from engine.promql.window_functions import PARAMETERS

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
LANGUAGE = Language(MINUTE_NS, 24 * HOUR_NS)


def vector(text, **moved):
    return VectorSelector(parse_selector(text), **moved)


UP, DOWN = vector("up"), vector("down")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("5", Number(5.0)),
        ("((5))", Number(5.0)),
        ("-5", Number(-5.0)),
        ("-(-(0.5))", Number(0.5)),
        ("+Inf", Number(math.inf)),
        ("-inf", Number(-math.inf)),
        ("NaN", Number(math.nan)),
        ("0x1F", Number(31.0)),
        ("1e3 # why", Number(1000.0)),
        ("5m", Number(300.0)),
        ('"a\\"b"', Text('a"b')),
        ("`a\\d`", Text("a\\d")),
        ("up", UP),
        ('{__name__="up"}', UP),
        ("up offset 500ms", vector("up", offset_ns=SECOND_NS // 2)),
        ("up offset -5m", vector("up", offset_ns=-5 * MINUTE_NS)),
        ("up @ 1.5", vector("up", at=1_500_000_000)),
        ("up @ 0", vector("up", at=0)),
        ("up @ start()", vector("up", at="start")),
        ("up offset 1m @ end()", vector("up", at="end", offset_ns=MINUTE_NS)),
        ("up[1h30m]", MatrixSelector(UP, 90 * MINUTE_NS)),
        ("up[1m] @ 5", MatrixSelector(vector("up", at=5 * SECOND_NS), MINUTE_NS)),
        ("up[1h:5m]", Subquery(UP, HOUR_NS, 5 * MINUTE_NS)),
        ("up[1h:] offset 1m", Subquery(UP, HOUR_NS, MINUTE_NS, MINUTE_NS)),
        ("(up > 1)[1h:1s] @ end()", Subquery(Binary(">", UP, Number(1.0)), HOUR_NS, SECOND_NS,
                                             at="end")),
        ("time()", Call("time")),
        ("rate(up[1m])", Call("rate", (MatrixSelector(UP, MINUTE_NS),))),
        ("sum(up)", Aggregate("sum", UP)),
        ("sum by (b, a, b) (up)", Aggregate("sum", UP, grouping=("a", "b"))),
        ("sum(up) by (a)", Aggregate("sum", UP, grouping=("a",))),
        ("sum by () (up)", Aggregate("sum", UP)),
        ("sum without () (up)", Aggregate("sum", UP, without=True)),
        ("topk(3, up)", Aggregate("topk", UP, Number(3.0))),
        ('count_values("v", up)', Aggregate("count_values", UP, Text("v"))),
        ("up > 5", Binary(">", UP, Number(5.0))),
        ("5 > bool up", Binary(">", Number(5.0), UP, return_bool=True)),
        ("up / on (a) down", Binary("/", UP, DOWN, Matching(on=True, labels=("a",)))),
        ("up / on () down", Binary("/", UP, DOWN, Matching(on=True))),
        ("up / ignoring (b, a) down", Binary("/", UP, DOWN, Matching(labels=("a", "b")))),
        (
            "up * on (a) group_left (c) down",
            Binary("*", UP, DOWN, Matching(MANY_TO_ONE, True, ("a",), ("c",))),
        ),
        (
            "up * ignoring (a) group_right down",
            Binary("*", UP, DOWN, Matching(ONE_TO_MANY, labels=("a",))),
        ),
        ("up AND down", Binary("and", UP, DOWN, Matching(MANY_TO_MANY))),
        ("up or on (a) down", Binary("or", UP, DOWN, Matching(MANY_TO_MANY, True, ("a",)))),
        ("-up", Negate(UP)),
        ("up ^ 2 ^ 3", Binary("^", UP, Binary("^", Number(2.0), Number(3.0)))),
        ("up - 2 - 3", Binary("-", Binary("-", UP, Number(2.0)), Number(3.0))),
        ("-up ^ 2", Negate(Binary("^", UP, Number(2.0)))),
        ("up + down * 2 > 1", Binary(">", Binary("+", UP, Binary("*", DOWN, Number(2.0))),
                                     Number(1.0))),
    ],
)  # fmt: skip
def test_each_construct_and_its_canonical_text(text, expression):
    parsed = parse_expression(text)
    assert parsed == expression
    assert parse_expression(str(parsed)) == expression


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("up>=1e-7", "up >= 0.0000001"),
        ('rate(up{b="1",a!="2"}[90s] offset 60s)', 'rate(up{a!="2",b="1"}[1m30s] offset 1m)'),
        ("sum(up) without(b,a)", "sum without (a, b) (up)"),
        ("((up+1))*2", "(up + 1) * 2"),
        ("up-(1-2)", "up - (1 - 2)"),
        ("(up^2)^3", "(up ^ 2) ^ 3"),
        ("(-1)^up", "(-1) ^ up"),
        ("a unless ignoring(b,c) d", "a unless ignoring (b, c) d"),
        ("a==bool on(b)group_left(c)d", "a == bool on (b) group_left (c) d"),
        ("max_over_time(rate(up[5m])[1h:])", "max_over_time(rate(up[5m])[1h:1m])"),
        ("(up>1)[5m:1m]", "(up > 1)[5m:1m]"),
        ("up@1.25", "up @ 1.25"),
    ],
)
def test_the_canonical_text(text, canonical):
    assert str(parse_expression(text)) == canonical
    assert str(parse_expression(canonical)) == canonical


def test_the_step_of_a_subquery_is_the_configurations():
    window = parse_expression("up[1h:]", Language(15 * SECOND_NS))
    assert window.step_ns == 15 * SECOND_NS


@pytest.mark.parametrize("function", sorted(RANGE_FUNCTIONS))
def test_all_range_functions_are_known(function):
    arguments = ["up[5m]"] + ["0.5"] * PARAMETERS.get(function, 0)
    if function == "quantile_over_time":
        arguments.reverse()
    call = parse_expression(f"{function}({', '.join(arguments)})")
    assert call.function == function
    assert len(call.arguments) == 1 + PARAMETERS[function]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("`a\\d`", "a\\d"),
        ("`a\"b'c`", "a\"b'c"),
        ("`a\nb`", "a\nb"),
        ('"a`b`"', "a`b`"),
        ("'`'", "`"),
        ("`a` # `b`", "a"),
    ],
)
def test_raw_strings(written, value):
    assert parse_expression(written) == Text(value)


def test_raw_strings_as_patterns_and_arguments():
    assert parse_expression("up{a=~`1\\.\\d+`}") == vector(r'up{a=~"1\\.\\d+"}')
    assert parse_expression("label_join(up, `a`, `\\d`)").arguments[2] == Text(r"\d")
    with pytest.raises(ExpressionError, match="can't stand here") as caught:
        parse_expression("up{a=~`\\d\\d`} = 1")
    assert caught.value.offset == 14


def test_equal_expressions_are_one():
    texts = ['rate(up{a="1",b="2"}[5m]) > 1', '(rate((up{b="2",a="1"}[300s]))) > ((1.0))']
    assert len({parse_expression(text) for text in texts}) == 1


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("5 + time()", SCALAR),
        ("scalar(up) * pi()", SCALAR),
        ("5 + up", VECTOR),
        ("vector(5)", VECTOR),
        ("-sum(up)", VECTOR),
        ("-time()", SCALAR),
        ("up[5m]", MATRIX),
        ("up[5m:1m]", MATRIX),
        ('"a"', STRING),
    ],
)
def test_types(text, type_):
    assert type_of(parse_expression(text)) == type_


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('up{a="1",b=~"2",c!="3"}', (("a", "1"),)),
        ('up{a="1",a="2"}', ()),
        ('up{a="1",a!="2"}', ()),
        ('up{a!="",a="1"}', (("a", "1"),)),
        ('up{a!="2",a="1"}', ()),
        ('up{a=""}', ()),
        ('{__name__="up",a="1"}', (("a", "1"),)),
    ],
)
def test_labels_that_absent_gives(text, labels):
    assert parse_expression(text).absent_labels == labels


@pytest.mark.parametrize(
    ("text", "look_back_s"),
    [
        ("5", 0),
        ("up", 0),
        ("up offset 1m", 60),
        ("up offset -1m", 0),
        ("rate(up[5m] offset 1m)", 360),
        ("rate(up[5m]) + rate(up[1m])", 300),
        ("max_over_time(rate(up[5m] offset 1m)[1h:] offset 1m)", 3600 + 360 + 60),
        ("topk(scalar(up offset 2m), down)", 120),
    ],
)
def test_how_far_an_expression_looks_back(text, look_back_s):
    assert look_back_ns(parse_expression(text)) == look_back_s * SECOND_NS


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("sum(info(up))", "the function info is not supported yet", 4),
        ('up{a="1" or b="2"} > 1', "'or' between matchers is not supported yet", 9),
        ("rate(a[5m] anchored)", "the modifier anchored is not supported yet", 11),
        ("a >/ 5", "the operator >/ is not supported yet", 3),
        ("a + fill(0) b", "the modifier fill is not supported yet", 4),
        ("b + rate(a[5m + 1m])", "arithmetic of durations is not supported yet", 14),
        ("a[-5m]", "arithmetic of durations is not supported yet", 2),
        ("a[5m-1m]", "arithmetic of durations is not supported yet", 4),
        ("max_over_time(up[0.0001]) > 1", "a range is 1ms at least", 14),
        ("a + max_over_time(up[1m:0.0001])", "the step of a subquery are 1ms at least", 18),
        ('a + x{a=~"x{1001}"}', "isn't an RE2 regular expression", 5),
        ("a + up @ -5", "a time after @ lies between 1970", 7),
        ("up @ - 0.001", "a time after @ lies between 1970", 3),
        ("max_over_time(up[1e400]) > 1", "a duration is too long", 17),
    ],
)
def test_what_is_not_supported_is_named_and_located(text, message, offset):
    with pytest.raises(ExpressionError, match=message) as caught:
        parse_expression(text)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("rate(up[0s])", "duration must be greater than 0", 8),
        ("a + rate(up)", r"write the range like \[5m\]", 4),
        ("sum(frobnicate(up))", "unknown function", 4),
        ("sum(absent(1))", "expected type vector in call to function 'absent', got scalar", 4),
        ("a + quantile(b)", "wrong number of arguments", 4),
        ("rate(up[2m]) + up[3m]", "must contain only scalar and instant vector types", 0),
        ("up + (1 > 2)", "comparisons between scalars must use BOOL", 6),
        ("up = 5", "'=' can't stand here; to compare, write ==", 3),
        ("up >", "nothing stands behind '>'", 3),
        ("up >> 5", "'>' can't stand here", 4),
        ("up & 5", "unexpected character: '&'", 3),
        ("a[5m & 1m]", "unexpected character inside brackets: '&'", 5),
        ("a{b=c}", "unexpected identifier 'c'", 4),
        ("a b", "'b' can't stand here", 2),
        ("a unless group_left b", "'group_left' can't stand here", 9),
        ("sum(max(up) > 5", r"a '\)' is missing", 3),
        ("sum(up))", "unexpected right parenthesis", 7),
        ("a[5m] + b]", "unexpected right bracket", 9),
        ("a{b='}'}}", "unexpected right brace", 8),
        ("a[5m] + b[5)", r"unexpected character inside brackets: '\)'", 11),
        ("a{b='c'} + b{c[", r"unexpected character inside braces: '\['", 14),
        ('a{b="c"} + up{b="c', "unterminated quoted string", 16),
        ('a{b="c"} + up{b="c"', "unexpected end of input inside braces", 13),
        ("a{b='}'} + up[5m", "unexpected end of input inside brackets", 13),
        ('a{b=~"["}', "illegal regex", 6),
        ("# = up\nup = 5", "write ==", 10),
        ("> 5", "isn't a PromQL expression", 0),
        ("", "no expression", None),
        ("(" * 5000 + "up" + ")" * 5000, "nested too deeply", 0),
        (" + ".join(["up"] * 151), "nested too deeply", 0),
    ],
)
def test_mistakes_are_explained_and_located(text, message, offset):
    with pytest.raises(ExpressionError, match=message) as caught:
        parse_expression(text)
    assert caught.value.offset == offset


PIECES = [
    "up",
    "rate",
    "sum",
    "by",
    "on",
    "(",
    ")",
    "[5m]",
    "{",
    "}",
    'a="b"',
    "a=~",
    '"',
    "`",
    "#",
]
PIECES += ["[", "]", ",", ">", "=", "-", "offset", "@", "5", "5m", "bool", "or", "group_left", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_any_text_is_an_expression_or_a_mistake_within_it(pieces):
    text = " ".join(pieces)
    mistake = None
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        mistake = error
    if mistake is None:
        assert parse_expression(str(expression)) == expression
    else:
        assert mistake.offset is None or 0 <= mistake.offset < len(text)


def test_a_mistake_in_a_long_text_has_no_place_but_is_told_soon():
    text = " + ".join(["up"] * 300) + " + rate(up)"
    with pytest.raises(ExpressionError, match="expected type matrix") as caught:
        parse_expression(text)
    assert caught.value.offset is None


def test_the_smallest_part_with_a_mistake_is_found_among_closed_brackets():
    seen = []
    text = 'f(a[5m], "x)") # f('

    def is_wrong(piece):
        seen.append(piece)
        return "x" in piece and "f" in piece

    assert place_of_smallest(text, is_wrong) == 0
    assert 'f(a[5m], "x)")' in seen
    for piece in seen:
        plain = piece.replace('"x)"', "")
        assert plain.count("(") == plain.count(")")
        assert plain.count("[") == plain.count("]")


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("up[5m]", "a range of samples is no condition", 0),
        ("up[5m:1m]", "a range of samples is no condition", 0),
        ('"up"', "a text is no condition", 0),
        ("up offset 5m + up offset -5m > 1", "negative offset", 18),
        ("rate(up[5m:] OFFSET -5m)", "negative offset", 13),
        ("up offset 25h", r"looks back 1d1h and rules\.max_window is 1d; raise it", 3),
        ("rate(a[5m]) + rate(b[24h] offset 1m)", r"looks back 1d1m and rules\.max_window", 20),
        ("max_over_time(rate(a[5m])[1d:])", r"looks back 1d5m and rules\.max_window", 25),
        ("max_over_time(rate(a[20h])[5h:])", r"looks back 1d1h and rules\.max_window", 20),
    ],
)
def test_what_is_no_condition(text, message, offset):
    parse_expression(text)
    with pytest.raises(ExpressionError, match=message) as caught:
        parse_condition(text, LANGUAGE)
    assert caught.value.offset == offset


@pytest.mark.parametrize("text", ["up > 1", "1", "rate(up[23h55m] offset 5m)", "up @ end()"])
def test_conditions(text):
    assert parse_condition(text, LANGUAGE) == parse_expression(text, LANGUAGE)


def test_a_panic_of_the_parser_is_a_mistake_in_the_text(monkeypatch):
    class Panic(BaseException):
        pass

    class At:
        type = "AtModifierType.At"

        @property
        def at(self):
            raise Panic

    class Node:
        at = At()

        def __getattr__(self, name):
            return getattr(real, name)

    real = promql_parser.parse("up")
    monkeypatch.setattr("engine.promql.parse.parse_promql", lambda _: Node())
    monkeypatch.setattr("engine.promql.parse.parser.VectorSelector", Node)
    with pytest.raises(ExpressionError, match="a time after @ lies between 1970"):
        parse_expression("up @ 7")
