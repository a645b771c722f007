"""Speed and memory of the detectors: samples per second of one core, and bytes per series.

Every detector scores one sample of each series at a time, in the order of slots, after all have
warmed up; rates are of CPU time, the best of some rounds that alternate with a peer's. Peers are
what does the same in Python, a model for each of some series:

- ``ewma``: a hand-written loop over a dictionary;
- ``robust_z``: River's `StandardAbsoluteDeviation`;
- ``change_point``: River's `PageHinkley`;
- ``half_space_trees``: River's `HalfSpaceTrees` with its defaults, on the same two lags; ours runs
  with its own defaults and with River's number and height of trees.

Run: ``python benchmarks/detectors_speed.py --help``
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from river.anomaly import HalfSpaceTrees, StandardAbsoluteDeviation
from river.drift import PageHinkley

from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.change_point import ChangePointParams, ChangePointScorer
from engine.detectors.default import DefaultScorer
from engine.detectors.ewma import EwmaDetector, EwmaParams
from engine.detectors.half_space_trees import HalfSpaceTreesParams, HalfSpaceTreesScorer
from engine.detectors.protocol import SCORE_ROWS, Detector, Scorer
from engine.detectors.robust_z import RobustZParams, RobustZScorer

MINUTE_NS = 60_000_000_000
WARM_UP_ROWS = 560
WARM_UP_BLOCK_ROWS = 20
PEER_SERIES = 50
PEER_ROWS = 300  # of each of its series; longer than a window of trees


@dataclass(frozen=True)
class Contender:
    """A detector, and what does the same in Python.

    Attributes
    ----------
    make : callable
        Gives the detector.
    peer : callable or None
        Gives a function that scores a sample of one series, then learns it.
    """

    make: Callable[[], Detector]
    peer: Callable[[], Callable[[float], float]] | None = None


def ewma_loop() -> Callable[[float], float]:
    """Give what one would write by hand."""
    state = {"mean": 0.0, "variance": 1.0}

    def score(value: float) -> float:
        off = value - state["mean"]
        onset = abs(off) / math.sqrt(state["variance"])
        state["mean"] += 0.01 * off
        state["variance"] = 0.99 * (state["variance"] + 0.01 * off * off)
        return onset

    return score


def absolute_deviation() -> Callable[[float], float]:
    """Give a model of River's for one series."""
    model = StandardAbsoluteDeviation()

    def score(value: float) -> float:
        onset = model.score_one(None, value)
        model.learn_one(None, value)
        return onset

    return score


def page_hinkley() -> Callable[[float], float]:
    """Give a model of River's for one series."""
    model = PageHinkley(mode="both")

    def score(value: float) -> float:
        model.update(value)
        return float(model.drift_detected)

    return score


def half_space_trees() -> Callable[[float], float]:
    """Give a model of River's for one series, on its last two values."""
    model = HalfSpaceTrees(seed=1)
    before = 0.5

    def score(value: float) -> float:
        nonlocal before
        scaled = 0.5 + value / 4
        point = {0: scaled, 1: before}
        before = scaled
        onset = model.score_one(point)
        model.learn_one(point)
        return onset

    return score


def calibrated(scorer: Scorer) -> Detector:
    """Give the detector of a scorer."""
    return CalibratedDetector(scorer, false_alarms_per_day=1.0)


RIVER_TREES = HalfSpaceTreesParams(trees=10, height=8)
CONTENDERS = {
    "default": Contender(lambda: calibrated(DefaultScorer())),
    "ewma": Contender(lambda: EwmaDetector(EwmaParams()), ewma_loop),
    "robust_z": Contender(lambda: calibrated(RobustZScorer(RobustZParams())), absolute_deviation),
    "change_point": Contender(
        lambda: calibrated(ChangePointScorer(ChangePointParams())), page_hinkley
    ),
    "half_space_trees": Contender(
        lambda: calibrated(HalfSpaceTreesScorer(HalfSpaceTreesParams())),
        half_space_trees,
    ),
    "half_space_trees, 10 of height 8": Contender(
        lambda: calibrated(HalfSpaceTreesScorer(RIVER_TREES)),
        half_space_trees,
    ),
}


class Stream:
    """Samples of all series, block after block.

    Parameters
    ----------
    series : int
    seed : int
    """

    def __init__(self, series: int, seed: int) -> None:
        self._series = series
        self._rng = np.random.default_rng(seed)
        self._minute = 0

    def block(self, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Slots, times and values of the next rows of every series."""
        minutes = np.arange(self._minute, self._minute + rows, dtype=np.int64)
        self._minute += rows
        slot = np.repeat(np.arange(self._series, dtype=np.int32), rows)
        return slot, np.tile(minutes * MINUTE_NS, self._series), self._rng.normal(size=len(slot))


def peer_rate(peer: Callable[[], Callable[[float], float]]) -> Callable[[], float]:
    """Give what measures a peer's next samples, in samples per second of CPU."""
    models = [peer() for _ in range(PEER_SERIES)]
    rng = np.random.default_rng(2)

    def measure() -> float:
        values = rng.normal(size=(PEER_ROWS, PEER_SERIES)).tolist()
        begin = time.thread_time()
        for row in values:
            for model, value in zip(models, row, strict=True):
                model(value)
        return PEER_ROWS * PEER_SERIES / (time.thread_time() - begin)

    measure()
    return measure


def compare(contender: Contender, series: int, rounds: int) -> tuple[float, float, float]:
    """Rates of the detector, of its scorer alone and of its peer, in samples per second of CPU."""
    detector, stream = contender.make(), Stream(series, 1)
    detector.grow(series, series)
    for _ in range(0, WARM_UP_ROWS, WARM_UP_BLOCK_ROWS):
        detector.score(*stream.block(WARM_UP_BLOCK_ROWS), 1.0)
    measure_peer = peer_rate(contender.peer) if contender.peer else lambda: math.nan
    scorer = getattr(detector, "scorer", None)
    scores = np.full((SCORE_ROWS, series), np.nan)
    signals = np.zeros((len(detector.signals), series), np.float32)
    best = [0.0, 0.0, math.nan]
    for _ in range(rounds):
        block = stream.block(1)
        begin = time.thread_time()
        detector.score(*block, 1.0)
        best[0] = max(best[0], series / (time.thread_time() - begin))
        block = stream.block(1)
        begin = time.thread_time()
        if scorer is not None:
            scorer.score(*block, scores, signals)
        else:
            detector.score(*block, 1.0)
        best[1] = max(best[1], series / (time.thread_time() - begin))
        best[2] = max(measure_peer(), best[2])
    return best[0], best[1], best[2]


def bytes_per_series(make: Callable[[], Detector]) -> float:
    """State of one slot, in bytes."""
    detector = make()
    detector.grow(1)
    arrays = [array for table in detector.tables() for array in table.arrays.values()]
    return sum(array[:1].nbytes for array in arrays)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{options.series:,} series, one core, M samples/s")
    print(f"{'':34}{'detector':>9}{'scorer':>9}{'peer':>9}{'ratio':>8}{'bytes':>8}")
    for name, contender in CONTENDERS.items():
        rates = compare(contender, options.series, options.rounds)
        whole, scorer, peer = (rate / 1e6 for rate in rates)
        size = bytes_per_series(contender.make)
        print(
            f"{name:34}{whole:9.2f}{scorer:9.2f}{peer:9.3f}{whole / peer:8.0f}{size:8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
