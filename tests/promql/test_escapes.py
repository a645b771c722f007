"""Escaped bytes in PromQL's strings."""

import pytest

from engine.promql.errors import ExpressionError
from engine.promql.escapes import with_characters
from engine.promql.parse import parse_expression
from engine.promql.syntax import Text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\xc3\xa9"', "é"),
        (r"'caf\303\251'", "café"),
        (r'"\xe6\x97\xa5\346\227\245"', "日日"),
        (r'"\\xc3"', r"\xc3"),
        (r'"\\\xc3\xa9"', "\\é"),
        (r"`\xc3`", r"\xc3"),
        (r'"\x41\u00e9\n"', "Aé\n"),
        ('"é"', "é"),
    ],
)
def test_bytes_are_characters(text, value):
    assert parse_expression(text) == Text(value)


def test_only_strings_have_escapes():
    text = "m # don't \"\\xff\n + n"
    assert with_characters(text) == text


@pytest.mark.parametrize("text", [r'"\xff"', r'm{a="\xc3"}', r"'\xa9\xc3'", r'"\377"'])
def test_bytes_that_are_no_text_are_refused(text):
    with pytest.raises(ExpressionError, match="are no UTF-8 text"):
        parse_expression(text)


def test_matchers_know_them_too():
    assert str(parse_expression(r'm{a="\xc3\xa9"}')) == 'm{a="é"}'
