"""A character of a value is found again in the YAML text, however the value is written."""

import pytest

from engine.config.positions import Position, load_yaml, value_position_of
from engine.rules.source_position import position_inside


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("e: up > X", (1, 9)),
        ("  \ne:   up > X  # why", (2, 11)),
        ("e: 'up > X'", (1, 10)),
        ('e: "up{a=\\"b\\"} > X"', (1, 19)),
        ("e: |\n  up\n  > X\n", (3, 5)),
        ("e: >-\n  up\n\n  > X\n", (4, 5)),
        ("e: up\n  > X", (2, 5)),
        ("{e: up > X}", (1, 10)),
        ('e: "up\\n > X"', (1, 4)),  # an escape: the place of the value
    ],
)
def test_a_character_is_found(text, marked):
    node, problems = load_yaml(text, "f")
    assert problems == []
    value = node["e"]
    start = value_position_of(node, "e")
    assert position_inside(text.splitlines(), start, value, value.index("X")) == Position(*marked)


def test_an_offset_behind_the_end_is_the_start():
    assert position_inside(["e: up"], Position(1, 4), "up", 2) == Position(1, 4)
