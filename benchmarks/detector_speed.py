"""Speed and memory of the default detector: nanoseconds per sample and bytes per series.

python benchmarks/detector_speed.py
"""

import time

import numpy as np

from engine.detectors.default import BYTES_PER_SERIES, default_detector

MINUTE_NS = 60_000_000_000
ROWS = 1_000_000
REPEATS = 5


def measure(series: int) -> float:
    """Nanoseconds per row, the best of some blocks of ROWS samples after warm-up."""
    rows = ROWS // series
    detector = default_detector(false_alarms_per_day=1.0, slots=series)
    slot = np.repeat(np.arange(series, dtype=np.int32), rows)
    value = np.random.default_rng(1).normal(size=series * rows)
    minutes = np.tile(np.arange(rows, dtype=np.int64), series)
    best = np.inf
    warm_up = 128 // rows + 1
    for block in range(warm_up + REPEATS):
        ts = (minutes + block * rows) * MINUTE_NS
        begin = time.perf_counter_ns()
        detector.score(slot, ts, value, 1.0)
        if block >= warm_up:
            best = min(best, time.perf_counter_ns() - begin)
    return best / len(slot)


if __name__ == "__main__":
    print(f"{BYTES_PER_SERIES} bytes per series")
    for count in (1, 100, 10_000, 100_000):
        print(f"{count:>8} series: {measure(count):6.0f} ns per sample")
