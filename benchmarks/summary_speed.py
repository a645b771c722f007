"""Speed and size of summaries, and of exact statistics over a wide table.

- ingestion: numeric and categorical features in batches, counted on a grid, one core, as values by
  seconds of CPU, the best of some rounds; the numbers are of several distributions;
- size: grid, reference and window panes of one model version, numbers only;
- comparison: a window's summary with its reference's, with the default and with all methods;
- ``--wide``: many columns of many rows on each side through the exact library
  (`engine.drift.report.Reference`), drawn and compared one at a time; drawing isn't counted. With
  fewer columns than `WIDE_COLUMNS`, the time of all of them is extrapolated and says so.

Run: ``python -m benchmarks.summary_speed [--wide]``
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from engine.codecs.predictions import Column, Kind
from engine.drift.compare import DEFAULT_METHODS, METHODS, compare
from engine.drift.grid import Grid
from engine.drift.report import Reference
from engine.drift.summary import Summary

NUMBERS, CATEGORIES, BATCH_ROWS, PANES = 100, 10, 8_192, 4
WIDE_COLUMNS = 1_000

DRAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "lognormal": lambda rng, rows: rng.lognormal(size=rows),
    "Cauchy": lambda rng, rows: rng.standard_cauchy(rows),
    "50 integers": lambda rng, rows: rng.integers(0, 50, rows).astype(float),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference-rows", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--rows", type=int, default=3_000_000, help="of the wide table")
    parser.add_argument("--columns", type=int, default=20, help="of the wide table to measure")
    given = parser.parse_args()
    if given.wide:
        time_wide(given.rows, given.columns)
        return
    print(f"{NUMBERS} numeric + {CATEGORIES} categorical features, batches of {BATCH_ROWS:,} rows")
    for name in DRAWS:
        time_ingestion(name, given.reference_rows, given.batches, given.rounds)
    show_size(given.reference_rows)
    time_comparison(given.reference_rows)


def table(rng: np.random.Generator, rows: int, draw: str, categories: int) -> dict[str, Column]:
    numbers = {
        f"n{place}": Column(Kind.NUMERIC, DRAWS[draw](rng, rows)) for place in range(NUMBERS)
    }
    names = tuple("abcdefgh")
    return numbers | {
        f"c{place}": Column(Kind.CATEGORICAL, rng.integers(0, 8, rows, np.int32), names)
        for place in range(categories)
    }


def time_ingestion(draw: str, reference_rows: int, batches: int, rounds: int) -> None:
    rng = np.random.default_rng(1)
    grid = Grid.learn(table(rng, reference_rows, draw, CATEGORIES))
    fed = [table(rng, BATCH_ROWS, draw, CATEGORIES) for _ in range(4)]
    Summary(grid).add(fed[0])
    best = np.inf
    for _ in range(rounds):
        summary = Summary(grid)
        begin = time.process_time()
        for place in range(batches):
            summary.add(fed[place % len(fed)])
        best = min(best, time.process_time() - begin)
    values = batches * BATCH_ROWS * (NUMBERS + CATEGORIES)
    print(f"ingestion, {draw:12} {values / best / 1e6:7.1f} M feature values/s/core")


def show_size(reference_rows: int) -> None:
    rng = np.random.default_rng(2)
    grid = Grid.learn(table(rng, reference_rows, "normal", 0))
    summary = Summary(grid)
    size = grid.nbytes + (1 + PANES) * summary.nbytes
    print(
        f"{NUMBERS} numeric features: grid {grid.nbytes:,} bytes, a summary {summary.nbytes:,};"
        f" with a reference and {PANES} panes {size:,} bytes a model version"
    )


def time_comparison(reference_rows: int) -> None:
    rng = np.random.default_rng(3)
    columns = table(rng, reference_rows, "normal", 0)
    grid = Grid.learn(columns)
    reference, window = Summary(grid), Summary(grid)
    reference.add(columns)
    window.add(table(rng, BATCH_ROWS, "normal", 0))
    for name, methods in (("default", DEFAULT_METHODS), ("all", METHODS)):
        compare(reference, window, methods=methods)
        begin = time.process_time()
        compare(reference, window, methods=methods)
        took_s = time.process_time() - begin
        print(f"comparison of {NUMBERS} features, {name} methods: {took_s * 1e3:.1f} ms")


def time_wide(rows: int, columns: int) -> None:
    rng = np.random.default_rng(4)
    small = rng.normal(size=2_000)
    Reference({"x": small}).report({"x": small[:500]})
    took_s = 0.0
    for _ in range(columns):
        reference, window = rng.normal(size=rows), rng.normal(0.02, 1.0, rows)
        begin = time.process_time()
        Reference({"x": reference}).report({"x": window})
        took_s += time.process_time() - begin
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{rows:,} rows on each side, {columns:,} columns: {took_s:.1f} s of CPU,"
        f" {took_s / columns * 1e3:.0f} ms a column, peak {peak_gb:.2f} GiB"
    )
    if columns != WIDE_COLUMNS:
        print(f"extrapolated to {WIDE_COLUMNS:,} columns: {took_s / columns * WIDE_COLUMNS:.0f} s")


if __name__ == "__main__":
    main()
