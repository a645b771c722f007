"""Speed of the sequential detectors beside River's, in the same run.

Values come in batches; a rate is values by seconds of CPU, the best of some rounds. River's
detectors see the same values one by one, in a plain loop, and fewer of them.

Run: ``python -m benchmarks.sequential_speed``
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from river.base import DriftDetector
from river.drift import ADWIN, KSWIN
from river.drift import PageHinkley as RiverPageHinkley
from river.drift.binary import HDDMA, HDDMW

from engine.drift.cusum import PageHinkley
from engine.drift.hddm import HddmA, HddmW
from engine.drift.kswin import KsWindow
from engine.drift.run_length import LevelDetector, RateDetector
from engine.drift.sequential import SequentialDetector

BATCH_ROWS = 1 << 16
PEER_SECONDS = 0.5
PEER_ROWS = 500


def own_rate(make: Callable[[], SequentialDetector], values: np.ndarray, rounds: int) -> float:
    """Values per second of CPU, the best of some rounds."""
    batches = np.array_split(values, max(len(values) // BATCH_ROWS, 1))
    make().update(values[:1_000])
    best = np.inf
    for _ in range(rounds):
        detector = make()
        begin = time.thread_time()
        for batch in batches:
            detector.update(batch)
        best = min(best, time.thread_time() - begin)
    return len(values) / best


def peer_rate(make: Callable[[], DriftDetector], values: np.ndarray) -> float:
    """Values per second of CPU of a detector that takes one at a time."""
    detector, listed = make(), values.tolist()
    taken = 0
    begin = time.thread_time()
    while time.thread_time() - begin < PEER_SECONDS:
        first = taken % (len(listed) - PEER_ROWS)
        for value in listed[first : first + PEER_ROWS]:
            detector.update(value)
        taken += PEER_ROWS
    return taken / (time.thread_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--values", type=int, default=1 << 21)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    bits = (rng.random(given.values) < 0.2).astype(float)
    normal = rng.normal(size=given.values)
    contenders = {
        "HDDM_A": (HddmA, HDDMA, bits),
        "HDDM_A, two-sided": (
            lambda: HddmA(two_sided_test=True),
            lambda: HDDMA(two_sided_test=True),
            bits,
        ),
        "HDDM_W": (HddmW, HDDMW, bits),
        "HDDM_W, two-sided": (
            lambda: HddmW(two_sided_test=True),
            lambda: HDDMW(two_sided_test=True),
            bits,
        ),
        "Page-Hinkley": (PageHinkley, RiverPageHinkley, normal),
        "KS window 100/30": (lambda: KsWindow(1e-4), lambda: KSWIN(1e-4, seed=1), normal),
        "KS window 1000/100": (
            lambda: KsWindow(1e-4, 1_000, 100),
            lambda: KSWIN(1e-4, 1_000, 100, seed=1),
            normal,
        ),
        "run length, rate": (RateDetector, ADWIN, bits),
        "run length, level": (LevelDetector, ADWIN, normal),
    }
    print(f"{given.values:,} values, one core, M values/s; run length beside ADWIN")
    print(f"{'':22}{'ours':>9}{'River':>9}{'ratio':>9}")
    for name, (own, peer, values) in contenders.items():
        ours = own_rate(own, values, given.rounds) / 1e6
        rivers = peer_rate(peer, values) / 1e6
        print(f"{name:22}{ours:9.2f}{rivers:9.4f}{ours / rivers:9.0f}", flush=True)


if __name__ == "__main__":
    main()
