"""Rules that look back on very many series: evaluations per second and core, bytes per sample.

A hundred leaves, half ``rate(x[5m])``, half ``avg_over_time(x[5m])``, with thresholds that next to
nothing passes, all on the same series or each on a hundredth of them. A series has a sample every
15 s; one evaluation is one leaf on one series at one tick. Time is CPU time of one core.

Run: ``python benchmarks/rules_windows.py --help``
"""

import argparse
import gc
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.promql.parse import parse_expression
from engine.promql.prepare import leaf_of
from engine.rules.leaves import RAW, Leaves
from engine.rules.queries import Query
from engine.series.identity import Series
from engine.series.order import Rows

BEGIN_NS = 1_760_000_400_000_000_000
INTERVAL_NS = 15_000_000_000
LOOKBACK_NS = 300_000_000_000
SAMPLES_MAX = 11_000
LEAVES = 100


def queries(window: str, *, shared: bool) -> list[Query]:
    """Give the leaves; `shared`: each on all series, else each on those of its own metric."""
    texts = (
        f"{function}(metric_{0 if shared else number}_total[{window}]) > {1e9 + number}"
        for number in range(LEAVES)
        for function in (("rate", "avg_over_time")[number % 2],)
    )
    leaves = (leaf_of(parse_expression(text)) for text in texts)
    return [Query(leaf, INTERVAL_NS) for leaf in leaves if leaf is not None]


class Shards:
    """Leaves of some shards, all of whose series have a sample at every step."""

    def __init__(self, asked: list[Query], *, series: int, shards: int, shared: bool) -> None:
        self.leaves = []
        self.rows_of = np.diff(np.arange(shards + 1) * series // shards).tolist()
        self.steps = 0
        self.generator = np.random.default_rng(1)
        begun = 0
        for size in self.rows_of:
            leaves = Leaves(asked, [(0,)] * len(asked), samples_max=SAMPLES_MAX)
            leaves.grow(np.full(size, LOOKBACK_NS))
            names = (0 if shared else number % LEAVES for number in range(begun, begun + size))
            made = [
                Series(f"metric_{name}_total", (("instance", str(begun + place)),))
                for place, name in enumerate(names)
            ]
            leaves.add(RAW, np.arange(size, dtype=np.int32), made)
            self.leaves.append(leaves)
            begun += size

    def step(self) -> float:
        """Feed one sample of each series and evaluate its tick; CPU seconds."""
        tick = BEGIN_NS + self.steps * INTERVAL_NS
        self.steps += 1
        spent = 0.0
        for size, leaves in zip(self.rows_of, self.leaves, strict=True):
            slot = np.arange(size, dtype=np.int32)
            value = self.steps * 10.0 + self.generator.integers(0, 9, size)
            flags = np.zeros(size, np.uint8)
            start = np.arange(size + 1, dtype=np.int64)
            rows = Rows(start, slot, np.full(size, tick), value, flags, 0, 0)
            began = time.process_time()
            leaves.evaluate(rows, {RAW: value}, tick)
            spent += time.process_time() - began
        return spent

    def bytes_per_sample(self) -> float:
        """Bytes of all that is kept, the newest samples included, per sample in the windows."""
        held = 0
        size = 0
        for leaves in self.leaves:
            arrays = leaves.arrays()
            held += int(arrays[f"{RAW}|pool|count"].sum())
            size += sum(array.nbytes for array in arrays.values())
        return size / held


def speed(series: int, shards: int, *, shared: bool) -> None:
    """Print evaluations per second and core once the windows are full."""
    run = Shards(queries("5m", shared=shared), series=series, shards=shards, shared=shared)
    evaluations = series * (LEAVES if shared else 1)
    warm_up, measured = 21, (3 if shared else 9)
    spent = [run.step() for _ in range(warm_up + measured)][warm_up:]
    median = float(np.median(spent))
    print(
        f"{'all on all' if shared else 'each on its own':<16} {shards:>3} shards: "
        f"{median * 1e3:8.1f} ms a tick, {evaluations / median / 1e6:6.2f} M evaluations/s/core",
        flush=True,
    )


def memory(series: int, window: str, steps: int) -> None:
    """Print the bytes of each sample kept for a window that is full."""
    run = Shards(queries(window, shared=False), series=series, shards=8, shared=False)
    for _ in range(steps):
        run.step()
    print(f"{window:<16} {run.bytes_per_sample():.1f} bytes per sample kept", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    arguments = parser.parse_args()
    gc.disable()
    for shards in (64, 1):
        for shared in (False, True):
            speed(arguments.series, shards, shared=shared)
    for window, steps in (("5m", 40), ("1h", 260)):
        memory(arguments.series // 10, window, steps)


if __name__ == "__main__":
    main()
