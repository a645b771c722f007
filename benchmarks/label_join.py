"""The label join: joins per second of one core, bytes per open prediction, and what spilling costs.

Predictions come in order of time, each label some time after its prediction (uniform up to the
delay; 5 % never, 0.5 % corrected), both in batches, at a steady state: as many predictions are
open as come within the label delay. Once with all of them in memory, once with a bound.

Run: ``python benchmarks/label_join.py --help``
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.drift.label_join import LabelJoin, LabelJoinParams
from engine.drift.label_rows import PAIR, Labels, Predictions

DAY_NS = 86_400_000_000_000
DELAY_NS = 7 * DAY_NS


@dataclass
class Result:
    """What a run measured."""

    joins: int
    prediction_seconds: float
    label_seconds: float
    advance_seconds: float
    longest_seconds: float
    bytes_per_row: float
    index_bytes_per_spilled_row: float
    open_rows: int
    spilled_rows: int
    rows_written: int


def feed(rows, open_rows, seed):
    """Make predictions and labels, each in order of time."""
    rng = np.random.default_rng(seed)
    key = rng.integers(0, 2**64, rows, dtype=np.uint64)
    ts = 10 * DAY_NS + np.arange(rows) * (DELAY_NS // open_rows)
    segment = rng.integers(0, 20, rows).astype(np.int32)
    score = rng.random(rows)
    predictions = Predictions(key, ts, score, (score > 0.5).astype(float), segment)
    labelled = np.flatnonzero(rng.random(rows) > 0.05)
    corrected = rng.choice(labelled, len(labelled) // 200, replace=False)
    which = np.concatenate([labelled, corrected])
    label_ts = ts[which] + rng.integers(1, DELAY_NS, len(which))
    order = np.argsort(label_ts)
    which = which[order]
    labels = Labels(key[which], label_ts[order], rng.integers(0, 2, len(which)).astype(float))
    return predictions, labels


def between(batch, begin_ns, end_ns):
    """Rows of a stretch of time."""
    begin, end = np.searchsorted(batch.ts, [begin_ns, end_ns])
    return type(batch)(*(column[begin:end] for column in batch))


def run(rows, open_rows, batch_rows, rows_max, folder):
    predictions, labels = feed(rows, open_rows, 3)
    join = LabelJoin(LabelJoinParams(DELAY_NS, rows_max), folder)
    seconds = np.zeros(3)
    joins, bytes_per_row, longest, most_spilled, index_bytes = 0, 0.0, 0.0, 0, 0.0
    step = batch_rows * (DELAY_NS // open_rows)
    for begin in range(int(predictions.ts[0]), int(predictions.ts[-1]) + 1, step):
        some = between(predictions, begin, begin + step)
        known = between(labels, begin, begin + step)
        times = [time.perf_counter()]
        join.add_predictions(some)
        times.append(time.perf_counter())
        changes, _ = join.add_labels(known)
        times.append(time.perf_counter())
        join.advance(begin + step - 1)
        times.append(time.perf_counter())
        join.spill.remove_unused(())
        seconds += np.diff(times)
        joins += int((changes.kind == PAIR).sum())
        waiting = join.rows_in_memory + len(join.spill)
        if waiting > open_rows // 8:
            bytes_per_row = max(bytes_per_row, join.memory_bytes / waiting)
        longest = max(longest, *np.diff(times))
        if len(join.spill) > most_spilled:
            most_spilled = len(join.spill)
            index_bytes = join.spill.memory_bytes / most_spilled
    return Result(
        joins,
        *(float(part) for part in seconds),
        longest,
        bytes_per_row,
        index_bytes,
        join.rows_in_memory + len(join.spill),
        most_spilled,
        join.spill.rows_written,
    )


def show(name, result, rows):
    total = result.prediction_seconds + result.label_seconds + result.advance_seconds
    print(
        f"{name:12} {result.joins / total:10,.0f} joins/s   "
        f"predictions {rows / result.prediction_seconds:10,.0f}/s   "
        f"labels {result.joins / result.label_seconds:10,.0f}/s   "
        f"{result.bytes_per_row:5.1f} bytes of memory per open row   "
        f"longest call {1000 * result.longest_seconds:.0f} ms   "
        f"{result.open_rows:,} open, at most {result.spilled_rows:,} on disk "
        f"({result.index_bytes_per_spilled_row:.2f} bytes of memory each, "
        f"{result.rows_written / rows:.2f} writes per prediction)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_000_000, help="predictions")
    parser.add_argument("--open-rows", type=int, default=1_000_000, help="within the label delay")
    parser.add_argument("--batch-rows", type=int, default=4096)
    parser.add_argument("--rows-max", type=int, default=250_000, help="in memory, when bounded")
    options = parser.parse_args()
    sizes = options.rows, options.open_rows, options.batch_rows
    with tempfile.TemporaryDirectory() as folder:
        for name, rows_max in (("in memory", 1 << 40), ("spilling", options.rows_max)):
            run(20_000, 20_000, 1000, rows_max // 64, Path(folder) / f"{name} warm-up")
            show(name, run(*sizes, rows_max, Path(folder) / name), options.rows)


if __name__ == "__main__":
    main()
