"""The helpers over protobuf's wire format, against the definition of a varint and of a field."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.protobuf_walk import (
    is_ascii,
    read_fixed64,
    read_length,
    read_tag,
    read_varint,
    skip_field,
)


def array(*parts):
    return np.frombuffer(b"".join(parts), np.uint8)


def varint(number):
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 2**64 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_a_varint_is_read_where_it_stands(number, before, after):
    buffer = array(before, varint(number), after)
    stop = len(before) + len(varint(number))
    assert read_varint(buffer, len(before), len(buffer)) == (stop, number)
    assert read_varint(buffer, len(before), stop - 1)[0] == -1


def test_a_varint_may_be_longer_than_needed_but_has_at_most_64_bits():
    assert read_varint(array(b"\x81\x80\x00"), 0, 3) == (3, 1)
    assert read_varint(array(b"\xff" * 9, b"\x01"), 0, 10) == (10, 2**64 - 1)
    assert read_varint(array(b"\xff" * 9, b"\x02"), 0, 10)[0] == -1
    assert read_varint(array(b"\x80" * 10, b"\x00"), 0, 11)[0] == -1
    assert read_varint(array(b"\x01"), 0, 0)[0] == -1


@settings(deadline=None)
@given(st.integers(1, 2047), st.integers(0, 7))
def test_a_tag_splits_into_field_and_wire_type(field, wire_type):
    buffer = array(varint(field << 3 | wire_type), b"\xff")
    assert read_tag(buffer, 0, len(buffer)) == (len(buffer) - 1, field, wire_type)
    assert read_tag(buffer, 0, len(buffer) - 2)[0] == -1


def test_field_zero_and_fields_beyond_two_bytes_are_no_tags():
    assert read_tag(array(b"\x02"), 0, 1)[0] == -1
    assert read_tag(array(varint(2048 << 3)), 0, 3)[0] == -1
    assert read_tag(array(b"\x80\x00"), 0, 2)[0] == -1


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=3))
def test_a_length_delimited_field_ends_in_its_message(content, after):
    buffer = array(varint(len(content)), content, after)
    start = len(varint(len(content)))
    stop = start + len(content)
    assert read_length(buffer, 0, len(buffer)) == (start, stop)
    assert skip_field(buffer, 0, len(buffer), 2) == stop
    assert read_length(buffer, 0, stop - 1) == (-1, -1)


@pytest.mark.parametrize("length", [2**31, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_length_that_overflows_is_malformed(length):
    buffer = array(varint(length), bytes(8))
    assert read_length(buffer, 0, len(buffer)) == (-1, -1)
    assert skip_field(buffer, 0, len(buffer), 2) == -1


@pytest.mark.parametrize(("wire_type", "size"), [(0, 1), (1, 8), (2, 1), (5, 4)])
def test_a_skipped_field_fits_or_is_malformed(wire_type, size):
    buffer = array(bytes(8))
    assert skip_field(buffer, 8 - size, 8, wire_type) == 8
    assert skip_field(buffer, 8 - size, 7, wire_type) == -1


@pytest.mark.parametrize("wire_type", [3, 4, 6, 7])
def test_groups_and_unknown_wire_types_are_not_skipped(wire_type):
    assert skip_field(array(bytes(16)), 0, 16, wire_type) == -1


@settings(deadline=None)
@given(st.binary(max_size=40), st.integers(0, 7))
def test_any_bytes_are_skipped_within_their_end(content, wire_type):
    buffer = array(content)
    stop = skip_field(buffer, 0, len(buffer), wire_type)
    assert stop == -1 or 0 < stop <= len(buffer)


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_fixed64_is_little_endian(number):
    buffer = array(b"\xff", number.to_bytes(8, "little"))
    assert read_fixed64(buffer, 1) == number


def test_ascii_is_told_from_other_bytes_within_the_span():
    buffer = array(b"\xffabc\x7f\x80")
    assert is_ascii(buffer, 1, 5)
    assert is_ascii(buffer, 5, 5)
    assert not is_ascii(buffer, 1, 6)
    assert not is_ascii(buffer, 0, 5)
