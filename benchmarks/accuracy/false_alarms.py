"""How often unchanged columns are called drifted: a table by method, window and reference.

Reference and window are drawn from one distribution, anew for each trial, go through the monitor's
own path (bins learned from the reference, summaries, comparison) and are tested. Last comes the
share of windows of 100 features in which any test of a method is rejected, by Holm's procedure.
"""

import argparse
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.drift.budget import adjusted
from engine.drift.compare import compare
from engine.drift.grid import Grid
from engine.drift.summary import Summary

WINDOWS = (50, 200, 1_000, 5_000, 20_000, 100_000)
REFERENCES = (1_000, 10_000, 100_000)
ALPHAS = (0.05, 1e-3, 1e-4)
FAMILY = 100
"""Features of a model that are tested together."""

COUNTED = ("psi", "jensen_shannon", "kl", "hellinger", "chi_square")
METHODS = {
    Kind.NUMERIC: ("ks", "wasserstein", *COUNTED),
    Kind.CATEGORICAL: COUNTED,
    Kind.BOOLEAN: ("psi", "z", "missing"),
}
CATEGORY_SHARES = (0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.02, 0.01)
TRUE_SHARE, MISSING_SHARE = 0.1, 0.02

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Column]


def normal(random: np.random.Generator, rows: int) -> Column:
    """Draw normal numbers."""
    return Column(Kind.NUMERIC, random.standard_normal(rows))


def lognormal(random: np.random.Generator, rows: int) -> Column:
    """Draw numbers with a heavy tail."""
    return Column(Kind.NUMERIC, np.exp(random.standard_normal(rows)))


def categories(random: np.random.Generator, rows: int) -> Column:
    """Draw one of eight categories, the rarest of 1 %."""
    codes = np.searchsorted(np.cumsum(CATEGORY_SHARES)[:-1], random.random(rows), "right")
    names = tuple(f"category {code}" for code in range(len(CATEGORY_SHARES)))
    return Column(Kind.CATEGORICAL, codes.astype(np.int32), names)


def truths(random: np.random.Generator, rows: int) -> Column:
    """Draw truths, of which some are missing."""
    values = (random.random(rows) < TRUE_SHARE).astype(np.int8)
    values[random.random(rows) < MISSING_SHARE] = -1
    return Column(Kind.BOOLEAN, values)


COLUMNS: dict[str, Draw] = {
    "normal": normal,
    "lognormal": lognormal,
    "8 categories": categories,
    "boolean": truths,
}


def p_values(draw: Draw, rows: int, reference_rows: int, seed: Sequence[int]) -> dict[str, float]:
    """Test a window against a reference, both drawn from one distribution."""
    random = np.random.default_rng(seed)
    reference = {"column": draw(random, reference_rows)}
    grid = Grid.learn(reference)
    sides = Summary(grid), Summary(grid)
    sides[0].add(reference)
    sides[1].add({"column": draw(random, rows)})
    (drift,) = compare(*sides, methods=METHODS, rows_min=1)
    return {one.method: one.p_value for one in drift.statistics}


def measured(
    draw: Draw, rows: int, reference_rows: int, trials: int, seed: int
) -> dict[str, Floats]:
    """p-values of all trials by method."""
    seeds = [(seed, rows, reference_rows, trial) for trial in range(trials)]
    found = [p_values(draw, rows, reference_rows, one) for one in seeds]
    return {method: np.array([one[method] for one in found]) for method in found[0]}


def family_rate(values: Floats, alpha: float) -> float:
    """Share of windows of `FAMILY` features with any rejection; NaN without a whole one."""
    families = values[: len(values) // FAMILY * FAMILY].reshape(-1, FAMILY)
    if not len(families):
        return math.nan
    return float(np.mean([adjusted(one, alpha).any() for one in families]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=2_000, help="per cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--windows", type=int, nargs="+", default=WINDOWS, help="rows")
    parser.add_argument("--references", type=int, nargs="+", default=REFERENCES, help="rows")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=tuple(COLUMNS))
    options = parser.parse_args(arguments)
    error = math.sqrt(0.05 * 0.95 / options.trials)
    print(f"{options.trials} trials per cell; standard error of 5 %: {error:.2%}")
    levels = "  ".join(f"{alpha:>8g}" for alpha in ALPHAS)
    print(f"{'column':14}{'method':16}{'reference':>10}{'window':>8}  {levels}  {'any of 100':>10}")
    for name in options.columns:
        for reference_rows in options.references:
            for rows in options.windows:
                found = measured(COLUMNS[name], rows, reference_rows, options.trials, options.seed)
                for method, values in found.items():
                    rates = "  ".join(f"{np.mean(values <= alpha):8.3%}" for alpha in ALPHAS)
                    any_rate = family_rate(values, ALPHAS[0])
                    print(
                        f"{name:14}{method:16}{reference_rows:10d}{rows:8d}  {rates}"
                        f"  {any_rate:10.2%}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
