"""Ends of tokens in compiled code against plain Python over the same bytes."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.json_tokens import (
    UNSURE,
    foreign_end,
    labels_end,
    plain_string_end,
    skip_space,
    string_token_end,
)

text_with_traps = st.text(alphabet='"""}}\\{,: ab\n\x01é', max_size=30)
thousand_cases = settings(max_examples=1000, deadline=None, derandomize=True)


def buffer_of(text):
    return np.frombuffer(text.encode() + bytes(9), np.uint8)


def naive_string_end(raw, position):
    """Position of the closing quote, byte by byte."""
    while position < len(raw) and raw[position] >= 0x20:
        if raw[position] == ord('"'):
            return position
        position += 2 if raw[position] == ord("\\") else 1
        if raw[position - 1 : position] < b" ":
            break
    return UNSURE


def naive_labels_end(raw):
    """Position behind the first closing brace outside of strings, byte by byte."""
    if not raw.startswith(b"{"):
        return UNSURE
    position = 1
    while position < len(raw):
        if raw[position] == ord("}"):
            return position + 1
        if raw[position] == ord('"'):
            position = naive_string_end(raw, position + 1)
            if position == UNSURE:
                return UNSURE
        position += 1
    return UNSURE


@thousand_cases
@given(st.just("{") | st.just(""), text_with_traps)
def test_the_end_of_labels(start, text):
    """Control characters in strings may be met or jumped over; the labels' parse refuses them."""
    raw = (start + text).encode()
    end = labels_end(buffer_of(start + text), 0)
    if not any(byte < 0x20 for byte in raw):
        assert end == naive_labels_end(raw)
    elif end != UNSURE:
        assert raw[end - 1] == ord("}")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.text(max_size=9), st.text(max_size=20), max_size=6),
    st.sampled_from([None, 0, 1, 7]),
    st.booleans(),
    st.text(max_size=9),
)
def test_the_end_of_well_formed_labels(labels, indent, ensure_ascii, behind):
    text = json.dumps(labels, indent=indent, ensure_ascii=ensure_ascii)
    behind = behind.encode(errors="ignore").decode()
    assert labels_end(buffer_of(text + behind), 0) == len(text.encode())


@thousand_cases
@given(text_with_traps)
def test_the_end_of_a_string(text):
    raw = text.encode()
    end = naive_string_end(raw, 1)
    expected = end + 1 if raw.startswith(b'"') and end != UNSURE else UNSURE
    assert string_token_end(buffer_of(text), 0) == expected
    is_plain = expected != UNSURE and raw[1:end].isascii() and b"\\" not in raw[1:end]
    if raw.startswith(b'"'):
        assert plain_string_end(buffer_of(text), 1) == (end if is_plain else UNSURE)


@thousand_cases
@given(
    st.sampled_from(['"unit"', '""', '"a b"', '"é"', '"\\n"', "unit", '"']),
    st.text(alphabet=" \n\t\r:", max_size=3) | st.just(":"),
    st.sampled_from(
        [
            *("true", "false", "null", "tru", "nulls", "trux", "1", "-1.5e3", "01", "1e999", "-"),
            *('"x"', '"\\n"', '"', '"é"', "[]", "{}", "", "NaN"),
        ]
    ),
    st.sampled_from([",", "}", " }", "]", "x"]),
)
def test_foreign_members(key, colon, value, behind):
    """Where an end is given, a JSON parser agrees that a member ends there."""
    text = key + colon + value + behind
    end = foreign_end(buffer_of(text), 0)
    if end != UNSURE:
        assert text[: len(key + colon + value)].startswith(text[:end])
        assert len(json.loads("{" + text[:end] + "}")) == 1
    elif key in ('"unit"', '""', '"a b"') and colon.strip(" \n\t\r") == ":":
        assert value in (
            "tru",
            "01",
            "1e999",
            '"\\n"',
            '"',
            "[]",
            "{}",
            "",
            "trux",
            "NaN",
            "-",
            '"é"',
        )


@thousand_cases
@given(st.text(alphabet=" \n\t\r\x0b\x0c\0x", max_size=8))
def test_whitespace(text):
    assert skip_space(buffer_of(text), 0) == len(text) - len(text.lstrip(" \n\t\r"))
