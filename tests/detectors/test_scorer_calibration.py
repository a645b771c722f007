"""Calibrated scorers raise as many alarms as asked on clean series, whatever these look like."""

import math

import numpy as np
import pytest

from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.change_point import ChangePointParams, ChangePointScorer
from engine.detectors.half_space_trees import HalfSpaceTreesParams, HalfSpaceTreesScorer
from engine.detectors.robust_z import RobustZParams, RobustZScorer

MINUTE_NS = 60_000_000_000
START_NS = 1_700_006_400 * 10**9
SERIES = 200
MINUTES_PER_DAY = 1440
DAYS = 5
ALARMS_PER_DAY = 25.0

SCORERS = {
    "robust_z": lambda: (RobustZScorer(RobustZParams()), RobustZParams().warm_up_rows),
    "change_point": lambda: (
        ChangePointScorer(ChangePointParams()),
        ChangePointParams().warm_up_rows,
    ),
    "half_space_trees": lambda: (
        HalfSpaceTreesScorer(HalfSpaceTreesParams()),
        2 * HalfSpaceTreesParams().window_rows,
    ),
}


def white(rng, rows):
    return rng.normal(size=(SERIES, rows))


def heavy(rng, rows):
    return rng.standard_t(3, size=(SERIES, rows))


def autoregressive(rng, rows):
    noise = rng.normal(size=(SERIES, rows))
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0] / math.sqrt(1.0 - 0.9**2)
    for row in range(1, rows):
        values[:, row] = 0.9 * values[:, row - 1] + noise[:, row]
    return values


def daily(rng, rows):
    """Each series with a phase of its own.

    None of these scorers knows rhythms: a fleet that swings in step looks like an incident to the
    calibration each time.
    """
    minutes = np.arange(rows) + rng.integers(0, MINUTES_PER_DAY, (SERIES, 1))
    return 5.0 * np.sin(minutes * 2 * np.pi / MINUTES_PER_DAY) + white(rng, rows)


def discrete(rng, rows):
    return rng.integers(0, 3, (SERIES, rows)).astype(float)


def counts(rng, rows):
    return rng.poisson(2.0, (SERIES, rows)).astype(float)


def onsets(scorer, values):
    """Number of onsets and part of rows with a high state, one sample a minute."""
    detector = CalibratedDetector(scorer, false_alarms_per_day=ALARMS_PER_DAY, slots=SERIES)
    count, high = 0, 0
    step = 240
    for begin in range(0, values.shape[1], step):
        block = values[:, begin : begin + step]
        slot = np.repeat(np.arange(SERIES, dtype=np.int32), block.shape[1])
        ts = START_NS + (begin + np.arange(block.shape[1])) * MINUTE_NS
        scores = detector.score(slot, np.tile(ts, SERIES), block.ravel(), 1.0)
        count += int((scores.onset > 1.0).sum())
        high += int((scores.state > 1.0).sum())
    return count, high / values.size


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize(
    ("make", "least"),
    [
        (white, 0.5),
        (heavy, 0.5),
        (autoregressive, 0.5),
        (daily, 0.5),
        (discrete, 0.0),  # with three values there may be nothing to tell
        (counts, 0.0),
    ],
)
def test_onsets_on_clean_series_are_as_many_as_asked(name, make, least):
    scorer, warm_up = SCORERS[name]()
    count, high = onsets(scorer, make(np.random.default_rng(11), DAYS * MINUTES_PER_DAY))
    expected = ALARMS_PER_DAY * (DAYS - warm_up / MINUTES_PER_DAY)
    assert expected >= 100
    assert least * expected <= count <= 1.5 * expected
    assert high < 0.02
