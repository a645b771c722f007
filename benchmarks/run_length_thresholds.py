"""Simulate how far apart false alarms are; print `engine/drift/run_length_thresholds.py`'s table.

Independent events without any change go through the kernels until there are enough alarms, for a
grid of rates and thresholds; the log of the mean distance is then nearly a line in the threshold,
and its coefficients, by weighted least squares, are the tables of rates and of levels.

Run: ``python -m benchmarks.run_length_thresholds`` (some twenty minutes)
"""

import argparse
from collections.abc import Callable

import numpy as np

from engine.drift.run_length_hull import VERTICES_MAX
from engine.drift.run_length_kernels import HEAD_WIDTH, RISE, watch_level, watch_rate

RATES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
THRESHOLDS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
LEVEL_RATES = (0.02, 0.05, 0.1, 0.2, 0.5, 0.9, 0.95, 0.98)
LEVEL_THRESHOLDS = (1.0, 3.0, 5.0, 7.0, 8.5)
BATCH = 1 << 20

Draw = Callable[[int], np.ndarray]


def mean_distance(
    draw: Draw, threshold: float, level_rate: float | None, alarms: int, events_max: int
) -> tuple[float, int]:
    """Mean events between false alarms without a settling time, and how many there were."""
    rates, thresholds = np.array([0.0, 1.0]), np.full((2, 2), threshold)
    warnings, skew = np.zeros(BATCH, np.int64), np.full(BATCH, level_rate or 0.0)
    head, hull = np.zeros(HEAD_WIDTH), np.zeros((VERTICES_MAX, 2))
    events = found = 0
    while found < alarms and events < events_max:
        values, begin = draw(BATCH), 0
        while begin < BATCH:
            rest = (RISE, 0.0, rates, thresholds, head, hull, warnings)
            if level_rate:
                rows, _, news = watch_level(values[begin:], skew[begin:], *rest)
            else:
                rows, _, news = watch_rate(values[begin:], *rest)
            begin += rows
            if news:
                found += 1
                head[:] = 0.0
        events += BATCH
    return events / max(found, 1), found


def fit(
    draw: Draw, thresholds: tuple[float, ...], level_rate: float | None, alarms: int, most: int
) -> str:
    """Coefficients of ln(distance) in powers of the threshold, lowest first, as text."""
    measured = [mean_distance(draw, at, level_rate, alarms, most) for at in thresholds]
    logs = np.log([distance for distance, _ in measured])
    weights = np.sqrt([found for _, found in measured])
    line = np.polynomial.polynomial.polyfit(thresholds, logs, 2, w=weights)
    return f"{line[0]:.4f}, {line[1]:.4f}, {line[2]:.5f}"


def bits(rng: np.random.Generator, rate: float) -> Draw:
    """Draws of ones at a rate."""
    return lambda n: (rng.random(n) < rate).astype(float)


def scores(rng: np.random.Generator, rate: float) -> Draw:
    """Draws of scores of mean 0 and variance 1: uniform if not skewed, otherwise of two values."""
    if rate == 0.5:
        return lambda n: (rng.random(n) - 0.5) * 12**0.5
    return lambda n: (bits(rng, rate)(n) - rate) / (rate * (1.0 - rate)) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--alarms", type=int, default=250, help="for each cell")
    parser.add_argument("--events-max", type=int, default=300_000_000, help="for each cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("rates", "levels"))
    given = parser.parse_args()
    rng, most = np.random.default_rng(given.seed), (given.alarms, given.events_max)
    for rate in RATES if given.only != "levels" else ():
        line = fit(bits(rng, rate), THRESHOLDS, None, *most)
        print(f"rate ({rate}, {line}),", flush=True)
    for rate in LEVEL_RATES if given.only != "rates" else ():
        line = fit(scores(rng, rate), LEVEL_THRESHOLDS, rate, *most)
        print(f"level ({rate}, {line}),", flush=True)


if __name__ == "__main__":
    main()
