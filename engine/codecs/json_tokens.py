"""Where JSON tokens end (RFC 8259), in compiled code: the pieces that a scan is made of.

Each function takes a buffer and a position in it and gives the position behind a token, or `UNSURE`
where a strict reader should decide. No loop runs over a byte below 0x20 that is no JSON whitespace,
so that a NUL behind the text stops them all; eight bytes of padding must follow.
"""

from typing import Any

import numpy as np

from engine.codecs.interning import load_word
from engine.kernels.jit import in_place
from engine.kernels.parse_float import parse_number

UNSURE = -1
"""Instead of a position: leave the message to the strict reader."""

QUOTE, BACKSLASH, COLON, COMMA = (ord(character) for character in '"\\:,')
OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET = (ord(character) for character in "{}[]")
_SPACE, _TAB, _LINE_FEED, _RETURN = (ord(character) for character in " \t\n\r")
_LAST_PLAIN = ord("~")

_TRUE_WORD, _FALSE_WORD, _NULL_WORD = (
    int.from_bytes(literal, "little") for literal in (b"true", b"false", b"null")
)
_EVERY_BYTE = 0x0101010101010101  # times a byte: eight of them


@in_place
def skip_space(buffer: Any, position: int) -> int:
    """Give the position of the first byte that is no whitespace."""
    while (
        buffer[position] == _SPACE
        or buffer[position] == _LINE_FEED
        or buffer[position] == _RETURN
        or buffer[position] == _TAB
    ):
        position += 1
    return position


@in_place
def _marks(word: Any, character: int) -> Any:
    """Set the highest bit of every byte of `word` that equals `character`, and no other bit."""
    low_bits = np.uint64(0x7F7F7F7F7F7F7F7F)
    difference = word ^ (np.uint64(character) * np.uint64(_EVERY_BYTE))
    return ~(((difference & low_bits) + low_bits) | difference | low_bits)


@in_place
def _may_end_labels(word: Any) -> bool:
    """Tell whether a byte of `word` is a closing brace, a backslash or below 0x20.

    The last test is that of S. E. Anderson, Bit Twiddling Hacks.
    """
    every_space = np.uint64(_EVERY_BYTE * _SPACE)
    control = (word - every_space) & ~word & np.uint64(_EVERY_BYTE * 0x80)
    return _marks(word, CLOSE_BRACE) | _marks(word, BACKSLASH) | control != np.uint64(0)


@in_place
def _quotes_parity(word: Any) -> Any:
    """Tell whether `word` holds an odd number of quotes; the product's top byte counts them."""
    ones = _marks(word, QUOTE) >> np.uint64(7)
    return (ones * np.uint64(_EVERY_BYTE) >> np.uint64(56)) & np.uint64(1)


@in_place
def string_end(buffer: Any, position: int) -> int:
    """Give the position of the quote that ends the string whose text begins at `position`."""
    while True:
        character = buffer[position]
        if character == QUOTE:
            return position
        if character < _SPACE:
            return UNSURE
        if character == BACKSLASH:
            position += 1
            if buffer[position] < _SPACE:
                return UNSURE
        position += 1


@in_place
def plain_string_end(buffer: Any, position: int) -> int:
    """Do what `string_end` does for a string that reads as it is written: ASCII, no escapes."""
    while True:
        character = buffer[position]
        if character == QUOTE:
            return position
        if character < _SPACE or character == BACKSLASH or character > _LAST_PLAIN:
            return UNSURE
        position += 1


@in_place
def labels_end(buffer: Any, position: int) -> int:
    """Give the position behind the first closing brace that is not inside a string.

    `position` is that of the object's opening brace. Whether what is inside is a flat, well-formed
    object shows when the bytes are parsed; only its end must be right if it is.
    """
    if buffer[position] != OPEN_BRACE:
        return UNSURE
    position += 1
    while True:
        # Eight bytes at once, as long as only being inside or outside of a string can change.
        inside = np.uint64(0)
        word = load_word(buffer, position)
        while not _may_end_labels(word):
            inside ^= _quotes_parity(word)
            position += 8
            word = load_word(buffer, position)
        if inside:
            position = string_end(buffer, position)
            if position < 0:
                return UNSURE
            position += 1
        for _ in range(8):
            character = buffer[position]
            if character == QUOTE:
                position = string_end(buffer, position + 1)
                if position < 0:
                    return UNSURE
            elif character == CLOSE_BRACE:
                return position + 1
            elif character == 0:
                return UNSURE
            position += 1


@in_place
def string_token_end(buffer: Any, position: int) -> int:
    """Give the position behind the string whose opening quote is at `position`."""
    if buffer[position] != QUOTE:
        return UNSURE
    end = string_end(buffer, position + 1)
    return end + 1 if end >= 0 else UNSURE


@in_place
def foreign_end(buffer: Any, position: int) -> int:
    """Give the position behind a foreign key and its value, which must not be nested."""
    if buffer[position] != QUOTE:
        return UNSURE
    position = plain_string_end(buffer, position + 1)
    if position < 0:
        return UNSURE
    position = skip_space(buffer, position + 1)
    if buffer[position] != COLON:
        return UNSURE
    position = skip_space(buffer, position + 1)
    if buffer[position] == QUOTE:
        position = plain_string_end(buffer, position + 1)
        return position + 1 if position >= 0 else UNSURE
    word = load_word(buffer, position)
    if word & np.uint64(0xFFFFFFFFFF) == np.uint64(_FALSE_WORD):
        return position + 5
    word &= np.uint64(0xFFFFFFFF)
    if word == np.uint64(_TRUE_WORD) or word == np.uint64(_NULL_WORD):
        return position + 4
    position, _ = parse_number(buffer, position)
    return position
