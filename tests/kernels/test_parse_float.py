"""The compiled number parser against Python's float(), bit by bit."""

import random
import re
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels.parse_float import leading_zeros, multiply_wide, parse_number

JSON_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def parse(text):
    """Position behind the number and value of a text."""
    return parse_number(np.frombuffer(text.encode() + b"\0", np.uint8), 0)


def bits(value):
    return struct.pack("<d", value)


def assert_like_float(text, *, may_be_undecided=False):
    position, value = parse(text)
    expected = float(text)
    if expected in (float("inf"), float("-inf")) or (may_be_undecided and position == -1):
        assert position == -1, text
    else:
        assert position == len(text), text
        assert bits(value) == bits(expected), text


@pytest.mark.parametrize(
    "text",
    [
        *("0", "-0", "0.0", "-0.0e5", "0e999999999999999999999", "1", "-1", "10", "0.1", "1e0"),
        *("0.93", "0.9312345678901234", "1E5", "1e+5", "1e-5", "123456789012345678", "1e22"),
        *("1e23", "9007199254740993", "9007199254740992e22", "9007199254740993e-22"),
        *("1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e309"),
        *("2.2250738585072014e-308", "2.2250738585072011e-308", "2.225073858507201e-308"),
        *("4.9406564584124654e-324", "5e-324", "3e-324", "2.4703282292062327e-324", "2e-324"),
        *("2.4703282292062328e-324", "1e-400", "1e-99999999999999999999", "1e99999999999999999"),
        *("0.000000000000000000000000000000000000000000000000000001", "18446744073709551615"),
        *("9223372036854775808", "1e-27", "7e-27", "6.631236846766476e-316", "1.00000000e10"),
        *("8.98846567431158e307", "0.500000000000000166533453693773481063544750213623046875e-300"),
    ],
)
def test_known_hard_numbers(text):
    assert_like_float(text, may_be_undecided=len(text) > 30)


def random_bits_floats(rng):
    while True:
        value = struct.unpack("<d", rng.randbytes(8))[0]
        if value - value == 0:
            return value


MAKERS = {
    "shortest": lambda rng: repr(random_bits_floats(rng)),
    "near one": lambda rng: repr(rng.random()),
    "subnormal": lambda rng: repr(struct.unpack("<d", struct.pack("<Q", rng.getrandbits(52)))[0]),
    "17 digits": lambda rng: f"{random_bits_floats(rng):.16e}",
    "few digits": lambda rng: f"{random_bits_floats(rng):.{rng.randint(0, 5)}e}",
    "19 digits": lambda rng: f"{rng.getrandbits(60)}e{rng.randint(-345, 300)}",
    "fixed": lambda rng: f"{rng.uniform(-1e6, 1e6):.{rng.randint(0, 12)}f}",
}


@pytest.mark.parametrize("maker", MAKERS)
def test_every_number_of_up_to_19_digits_is_decided(maker):
    rng = random.Random(maker)
    for _ in range(20_000):
        assert_like_float(MAKERS[maker](rng))


def test_ties_go_to_even():
    """Exact halves between two floats, below 2**64 so that their digits fit."""
    rng = random.Random(3)
    for _ in range(20_000):
        odd = 2 * (rng.getrandbits(52) | 1 << 52) + 1
        assert_like_float(str(odd << rng.randint(0, 9)))
    for shift in range(1, 5):  # halves with a fraction
        half = Fraction(2 * (rng.getrandbits(40) | 1 << 52) + 1, 1 << shift)
        assert_like_float(f"{half.numerator * 5**shift}e-{shift}", may_be_undecided=True)


def test_longer_numbers_are_right_or_undecided():
    rng = random.Random(4)
    undecided = 0
    for _ in range(20_000):
        text = f"{rng.getrandbits(90)}.{rng.getrandbits(90)}e{rng.randint(-350, 290)}"
        assert_like_float(text, may_be_undecided=True)
        undecided += parse(text)[0] == -1 and float(text) != float("inf")
    assert undecided < 200


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789+-.eE ,}", max_size=12))
def test_the_grammar_is_that_of_json(text):
    """What is read is the longest JSON number at the start, unless more digits hang on to it."""
    position, _ = parse(text)
    match = JSON_NUMBER.match(text.encode())
    if position >= 0:
        assert match is not None
        assert match.end() == position
    elif match is not None and match.end() == len(text):
        assert float(text) in (float("inf"), float("-inf"))


@pytest.mark.parametrize("text", ["", "-", "+1", ".5", "1.", "1.e5", "01", "-01", "1e", "1e+", "a"])
def test_what_is_no_json_number(text):
    assert parse(text)[0] == -1


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_wide_product(a, b):
    high, low = multiply_wide(np.uint64(a), np.uint64(b))
    assert (int(high) << 64 | int(low)) == a * b


@pytest.mark.parametrize("shift", range(64))
def test_leading_zeros(shift):
    assert leading_zeros(np.uint64(1 << shift)) == 63 - shift
    assert leading_zeros(np.uint64((1 << shift) | 1)) == 63 - shift
