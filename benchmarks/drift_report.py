"""Speed of the drift report: a default table, and a wide one column by column.

- ``report``: 10 numerical and 5 categorical columns, a window against a prepared reference, in
  turns with Evidently's bare functions on the same columns and its preset, where it is installed;
- ``statistics``: single statistics on one pair of numerical columns;
- ``wide``: many columns of many rows, reference and window prepared and compared one by one as one
  would from a file; with fewer columns than asked for, the rest is extrapolated and says so.

Times are CPU times of one thread, medians.

Run: ``python benchmarks/drift_report.py --help``. Evidently: ``pip install evidently==0.7.23
'pandas<3.1'`` (the list `requirements/reports.txt`), in the same environment.
"""

import argparse
import importlib.util
import os
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from engine.drift.evidently_choice import TESTS, ColumnKind
from engine.drift.report import Column, DriftReport, Reference
from engine.drift.samples import Categories, NumericSample

NUMERICAL, CATEGORICAL, NAMES = 10, 5, tuple("abcdefgh")
WINDOWS, ROUNDS = 20, 3

Table = dict[str, Column]


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="of reference and window")
    parser.add_argument("--wide-rows", type=int, default=3_000_000)
    parser.add_argument("--wide-columns", type=int, default=1000, help="0: leave it out")
    parser.add_argument("--wide-measured", type=int, default=50, help="columns to measure")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    reference = table(rng, options.rows, 0.0)
    compare_reports(reference, [table(rng, options.rows, 0.05) for _ in range(WINDOWS)])
    time_statistics(rng, options.rows)
    if options.wide_columns:
        time_wide(rng, options.wide_rows, options.wide_columns, options.wide_measured)


def table(rng: np.random.Generator, rows: int, shift: float) -> Table:
    """Draw a default table."""
    numbers: Table = {f"number {place}": rng.normal(shift, 1.0, rows) for place in range(NUMERICAL)}
    colours: Table = {
        f"colour {place}": Categories(rng.integers(0, len(NAMES), rows, np.int32), NAMES)
        for place in range(CATEGORICAL)
    }
    return numbers | colours


def compare_reports(reference: Table, windows: list[Table]) -> None:
    """Time reports in turns with Evidently's."""
    prepared = Reference(reference)
    own_s = seconds_each(prepared.report, windows)
    print(f"report of {NUMERICAL} + {CATEGORICAL} columns: {own_s * 1e3:.2f} ms")
    once_s = seconds_each(Reference, [reference] * 3)
    print(f"  its reference, once: {once_s * 1e3:.2f} ms")
    if importlib.util.find_spec("evidently") is None:
        print("  Evidently isn't installed: pip install evidently==0.7.23 'pandas<3.1'")
        return
    os.environ["DO_NOT_TRACK"] = "1"
    bare, preset = evidently_calls(reference, windows[0], prepared.report(windows[0]))
    bare()
    preset()
    rounds = [
        (seconds_each(prepared.report, windows), seconds(bare), seconds(preset))
        for _ in range(ROUNDS)
    ]
    for place, name in ((1, "bare functions"), (2, "preset")):
        took_s = median(times[place] for times in rounds)
        ratio = median(times[place] / times[0] for times in rounds)
        print(f"  Evidently's {name}: {took_s * 1e3:,.0f} ms, {ratio:,.0f} x")


def evidently_calls(
    reference: Table, window: Table, report: DriftReport
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Give Evidently's functions and its preset on the same columns; they must say the same.

    The functions are those that it calls for a column: dropping nulls, choosing a test, the test.
    """
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.legacy.calculations.stattests.registry import get_stattest
    from evidently.legacy.core import ColumnType
    from evidently.presets import DataDriftPreset

    frames = [pd.DataFrame({k: decoded(v) for k, v in one.items()}) for one in (reference, window)]
    kinds = {column.column: column.kind for column in report.columns}
    expected = {column.column: column.score for column in report.columns}

    def bare() -> None:
        for name, kind in kinds.items():
            own, other = (
                frame[name].replace([-np.inf, np.inf], np.nan).dropna() for frame in frames
            )
            test = get_stattest(own, other, ColumnType(kind.value), None)
            score = test(own, other, ColumnType(kind.value), None).drift_score
            if abs(score - expected[name]) > 1e-12:
                raise SystemExit(f"{name}: {score}, not {expected[name]}")

    numerical, categorical = (
        [name for name, own in kinds.items() if own is kind]
        for kind in (ColumnKind.NUMERICAL, ColumnKind.CATEGORICAL)
    )
    definition = DataDefinition(numerical_columns=numerical, categorical_columns=categorical)

    def preset() -> None:
        before, now = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
        found = Report([DataDriftPreset()], include_tests=True).run(now, before).dict()
        count = int(found["metrics"][0]["value"]["count"])
        if count != report.drifted_columns:
            raise SystemExit(f"{count} columns drifted, not {report.drifted_columns}")

    return bare, preset


def decoded(column: Column) -> np.ndarray:
    """Names instead of codes."""
    if not isinstance(column, Categories):
        return column
    return np.array(column.names, object)[column.codes]


def time_statistics(rng: np.random.Generator, rows: int) -> None:
    """Time each statistic, and the sorting before it."""
    reference = NumericSample(rng.normal(size=rows), with_spread=True)
    columns = [rng.normal(0.05, 1.0, rows) for _ in range(WINDOWS)]
    sort_s = seconds_each(NumericSample, columns)
    print(f"numerical column of {rows:,} rows: sorted in {sort_s * 1e6:.0f} us, then")
    samples = [NumericSample(column) for column in columns]
    for name in ("wasserstein", "ks", "psi", "jensenshannon", "kl_div", "hellinger"):
        took_s = seconds_each(partial(TESTS[name].score, reference), samples)
        print(f"  {name}: {took_s * 1e6:.0f} us")


def time_wide(rng: np.random.Generator, rows: int, columns: int, measured: int) -> None:
    """Time columns one by one; drawing them isn't counted."""
    measured = min(measured, columns)
    pools = [rng.normal(shift, 1.0, rows) for shift in (0.0, 0.02)]
    took_s = 0.0
    for place in range(measured):
        reference, window = (np.roll(pool, place * 997) * (1.0 + place) for pool in pools)
        took_s += seconds(lambda: Reference({"x": reference}).report({"x": window}))  # noqa: B023
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    whole_s = took_s / measured * columns
    how = "all measured" if measured == columns else f"extrapolated from {measured}"
    print(
        f"{rows:,} rows x {columns:,} columns on each side: {whole_s:.0f} s ({how}),"
        f" {took_s / measured * 1e3:.0f} ms a column, peak {peak_mb:,.0f} MB"
    )


def seconds(call: Callable[[], object]) -> float:
    """CPU time of a call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def seconds_each(call: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    """Median CPU time of a call: each time with another argument, as one repeated is learned."""
    call(arguments[0])
    return median(seconds(partial(call, argument)) for argument in arguments)


if __name__ == "__main__":
    main()
