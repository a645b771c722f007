"""Which series are counters: they only rise, but for resets."""

import math

from engine.kernels.jit import in_place

CLIMB_ENTER = 64.0
CLIMB_LIMIT = 128.0
CLIMB_PENALTY = 32.0
CLIMB_FLOOR = -4096.0
"""A rise is worth 1, a fall -CLIMB_PENALTY, within CLIMB_FLOOR and CLIMB_LIMIT. At CLIMB_ENTER a
series becomes a counter, below 0 a gauge again; thousands of rises make a settled gauge one."""


@in_place
def is_counter(climb: float) -> bool:
    """Whether the evidence says counter: its fraction is one half."""
    return climb - math.floor(climb) > 0.25


@in_place
def weighed(climb: float, step: float) -> float:
    """The evidence after one more step."""
    was_counter = is_counter(climb)
    if step > 0.0:
        climb = min(climb + 1.0, CLIMB_LIMIT)
    elif step < 0.0:
        climb = max(climb - CLIMB_PENALTY, CLIMB_FLOOR)
    # Between zero and the entry level a series stays what it was: the fraction remembers which.
    counter = climb >= CLIMB_ENTER or (was_counter and climb > 0.0)
    return math.floor(climb) + (0.5 if counter else 0.0)
