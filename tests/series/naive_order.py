"""Order and repeats, written for the eye: the slow twin of `engine.series.order`."""

import math
import struct


def rank(value, flags):
    """Place of a value among others of one (series, timestamp); the highest wins."""
    if flags & 1:
        return (0, 0)
    if math.isnan(value):
        return (1, 0)
    bits = struct.unpack(">q", struct.pack(">d", value))[0]
    # As whole numbers the bits of negative floats run backwards.
    return (2, bits if bits >= 0 else -(2**63) - bits - 1)


def ordered(rows):
    """Order (slot, ts, value, flags) rows, one of each (slot, ts); gives repeats and conflicts."""
    kept = {}
    repeats = conflicts = 0
    for slot, ts, value, flags in rows:
        held = kept.get((slot, ts))
        if held is None:
            kept[slot, ts] = (value, flags)
        elif rank(*held) == rank(value, flags):
            repeats += 1
        else:
            conflicts += 1
            kept[slot, ts] = max(held, (value, flags), key=lambda item: rank(*item))
    rows = [(slot, ts, value, flags) for (slot, ts), (value, flags) in sorted(kept.items())]
    return rows, repeats, conflicts
