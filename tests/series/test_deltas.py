"""Increments become totals in event order, whatever the cuts."""

import math
import random

import numpy as np

from engine.series.columns import FLAG_DELTA, FLAG_STALE
from engine.series.deltas import Deltas
from engine.series.order import ordered

DELTA, STALE = int(FLAG_DELTA), int(FLAG_STALE)
SLOTS = 5


def made_rows(seed=1):
    generator = random.Random(seed)
    rows = [(generator.randrange(SLOTS), ts, float(generator.randrange(9))) for ts in range(200)]
    return [
        (slot, ts, math.nan if ts % 17 == 0 else value, generator.choice((0, DELTA, DELTA | STALE)))
        for slot, ts, value in rows
    ]


def naive(rows):
    total = [0.0] * SLOTS
    out = []
    for slot, ts, value, flags in rows:
        adds = flags == DELTA and math.isfinite(value)
        total[slot] += value if adds else 0.0
        out.append((slot, ts, total[slot] if adds else value, flags & ~DELTA))
    return sorted(out, key=lambda row: row[:2])


def resolved(deltas, rows):
    slot, ts, value, flags = zip(*rows, strict=True)
    block = ordered(
        np.array(slot, np.int32), np.array(ts), np.array(value), np.array(flags, np.uint8), SLOTS
    )
    block = deltas.resolve(block, SLOTS)
    columns = (block.slot.tolist(), block.ts.tolist(), block.value.tolist(), block.flags.tolist())
    return list(zip(*columns, strict=True))


def test_totals_are_those_of_the_plain_loop_whatever_the_cuts_and_restarts():
    rows = made_rows()
    generator = random.Random(2)
    deltas, found, begin = Deltas(), [], 0
    while begin < len(rows):
        end = begin + generator.randrange(1, 40)
        part = rows[begin:end]
        generator.shuffle(part)
        found += resolved(deltas, part)
        again = Deltas()
        again.restore({key: array.copy() for key, array in deltas.arrays().items()})
        deltas, begin = again, end
    assert str(sorted(found, key=lambda row: row[:2])) == str(naive(rows))


def test_rows_without_increments_pass_untouched_and_cost_no_memory():
    deltas = Deltas()
    assert resolved(deltas, [(0, 1, 2.0, 0)]) == [(0, 1, 2.0, 0)]
    assert len(deltas.total) == 0
