"""Raw scores without a model: of many laws, and a scorer that only hands them on."""

import math
from typing import Final

import numpy as np

from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.protocol import NOT_JUDGED
from engine.detectors.slot_state import SlotState

START_NS = 1_700_006_400 * 10**9
DAY_S = 86_400


class PassedOn(SlotState):
    """A scorer whose raw onset is the sample (NaN: not judged), and its state a tenth of that."""

    name: Final = "passed on"
    version: Final = 1
    signals: Final = ()

    def __init__(self, default_boundary=(math.inf, math.inf)):
        super().__init__({"nothing": np.zeros((), np.uint8)})
        self.default_boundary = default_boundary

    def score(self, slot, ts, value, scores, signals):
        scores[0] = np.where(np.isnan(value), NOT_JUDGED, value)
        scores[1] = np.where(np.isnan(value), 0.0, value / 10.0)
        return ()


def passed_on(*, false_alarms_per_day, slots):
    """Calibrate scores of an unknown scale."""
    return CalibratedDetector(PassedOn(), false_alarms_per_day=false_alarms_per_day, slots=slots)


def exponential(rng, shape):
    return rng.exponential(size=shape)


def tiny(rng, shape):
    return 1e-3 * rng.exponential(size=shape)


def normal(rng, shape):
    return np.abs(rng.normal(size=shape))


def student(rng, shape):
    return np.abs(rng.standard_t(3, size=shape))


def pareto(rng, shape):
    return rng.random(shape) ** -0.3


def bounded(rng, shape):
    return rng.random(shape)


def autocorrelated(rng, shape):
    values = rng.normal(size=shape)
    for row in range(1, shape[1]):
        values[:, row] = 0.9 * values[:, row - 1] + math.sqrt(1 - 0.9**2) * values[:, row]
    return np.abs(values)


def mostly_zero(rng, shape):
    return np.where(rng.random(shape) < 0.01, rng.exponential(size=shape), 0.0)


def of_many_scales(rng, shape):
    return rng.exponential(size=shape) * np.exp(0.7 * rng.normal(size=(shape[0], 1)))


def halves(rng, shape):
    return np.floor(-np.log2(rng.random(shape)))


def three_values(rng, shape):
    return rng.choice([0.0, 1.0, 2.0], p=[0.9, 0.09, 0.01], size=shape)


def saturating(rng, shape):
    return np.minimum(rng.exponential(size=shape) / 8.0, 1.0)


def mixed(rng, shape):
    laws = (exponential, bounded, pareto, halves, three_values, normal, student)
    values = np.empty(shape)
    for number, law in enumerate(laws):
        rows = values[number :: len(laws)]
        rows[:] = law(rng, rows.shape)
    return values


def onsets(make, values, alarms_per_day, *, interval_s=60, shards=1, seed=1):
    """Onsets above the boundary, bool[series, rows]; and the part of rows with a high state.

    Series are spread over shards at random. NaNs before a series' first value are not fed.
    """
    found = np.zeros(values.shape, np.bool_)
    high = 0
    where = np.random.default_rng(seed).integers(0, shards, len(values))
    rows_per_block = DAY_S // interval_s // 4
    for shard in range(shards):
        mine = np.flatnonzero(where == shard)
        detector = make(false_alarms_per_day=alarms_per_day, slots=len(mine))
        for begin in range(0, values.shape[1], rows_per_block):
            block = values[mine, begin : begin + rows_per_block]
            slot, row = np.nonzero(~np.isnan(block))
            ts = START_NS + (begin + row) * interval_s * 10**9
            scores = detector.score(
                slot.astype(np.int32), ts, block[slot, row], len(mine) / len(values)
            )
            found[mine[slot], begin + row] = scores.onset > 1.0
            high += int((scores.state > 1.0).sum())
    return found, high / values.size
