"""How far apart false alarms are, beside what was asked for: a table by detector, input and run.

``python -m benchmarks.accuracy.run_lengths [--alarms 100] [--runs 10000 100000 1000000]``: each
cell watches unchanged data for so many times the run as alarms are wanted. Independent inputs are
to be within 0.8 and 1.5 of what was asked for; AR(1) ones, with correlation 0.5, not below 0.5.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter  # type: ignore[import-untyped]

from engine.drift.run_length import LevelDetector, RateDetector, SpreadDetector
from engine.drift.sequential import SequentialDetector

RUNS = (10_000, 100_000, 1_000_000)
PIECE = 1 << 20
CORRELATION = 0.5

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
Make = Callable[[float], SequentialDetector]


def bits(rate: float) -> Draw:
    """Draw ones at a rate."""
    return lambda random, rows: (random.random(rows) < rate).astype(np.float64)


def autoregressive(random: np.random.Generator, rows: int) -> Floats:
    """Draw an AR(1) of standard normal noise."""
    noise: Floats = lfilter([1.0], [1.0, -CORRELATION], random.standard_normal(rows))
    return noise


def dependent_bits(random: np.random.Generator, rows: int) -> Floats:
    """Draw ones where an AR(1) is high: some 24 %."""
    return (autoregressive(random, rows) > 0.8).astype(np.float64)


CASES: tuple[tuple[str, str, Make, Draw], ...] = (
    *(("rate", f"ones at {rate:g}", RateDetector, bits(rate)) for rate in (0.02, 0.1, 0.3, 0.5)),
    ("rate", "ones of AR(1) .5", RateDetector, dependent_bits),
    *(
        (name, text, make, draw)
        for name, make in (("level", LevelDetector), ("spread", SpreadDetector))
        for text, draw in (
            ("normal", lambda random, rows: random.standard_normal(rows)),
            ("lognormal", lambda random, rows: random.lognormal(size=rows)),
            ("Cauchy", lambda random, rows: random.standard_cauchy(rows)),
            ("AR(1) .5", autoregressive),
        )
    ),
)


def measured(make: Make, draw: Draw, run: int, alarms: int, seed: int) -> tuple[float, int]:
    """Give the mean distance of false alarms over what was asked for, and how many there were."""
    random = np.random.default_rng(seed)
    detector = make(float(run))
    found, left = 0, run * alarms
    while left:
        rows = min(left, PIECE)
        found += len(detector.update(draw(random, rows)).rows)
        left -= rows
    return (alarms / found if found else float("inf")), found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=100)
    parser.add_argument("--runs", type=int, nargs="+", default=RUNS)
    options = parser.parse_args()
    print("detector  input              " + "".join(f"{run:>14,}" for run in options.runs))
    for number, (name, text, make, draw) in enumerate(CASES):
        row = f"{name:9} {text:19}"
        for run in options.runs:
            ratio, found = measured(make, draw, run, options.alarms, number)
            row += f"{ratio:8.2f} ({found:3})"
        print(row, flush=True)


if __name__ == "__main__":
    main()
