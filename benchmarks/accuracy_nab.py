"""Accuracy of the default detector on the Numenta Anomaly Benchmark.

Each file is fed as one opaque series, row by row in file order, through the detector that the
engine runs, in chunks, with one configuration and no knowledge of the file. `frozen` is the
engine's own alarm boundary (onset >= 1.0), the oracle's threshold is chosen by the labels, and
`leave one out` chooses it on the other categories.

    python benchmarks/accuracy_nab.py [folder of NAB]
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nab_score import Recording, load_corpus, score_corpus
from numpy.typing import NDArray

from engine.detectors.default import DefaultDetector

FALSE_ALARMS_PER_DAY = 0.1
"""Frozen before the run: one false alarm in ten days of a series."""

CHUNK_ROWS = 500
FROZEN = 0.5
"""The boundary 1.0 on the benchmark's scale, see `squash`."""


def squash(onset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring scores of [0, inf) into [0, 1) in the same order, as the benchmark wants them."""
    return onset / (1.0 + onset)


def distinct(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move rows that repeat the timestamp before them on by a nanosecond, in file order."""
    moved = ts.copy()
    for i in np.flatnonzero(ts[1:] == ts[:-1]) + 1:
        moved[i] = moved[i - 1] + 1
    return moved


def onsets(recording: Recording) -> NDArray[np.float64]:
    """The detector's onset for each row of a file."""
    detector = DefaultDetector(false_alarms_per_day=FALSE_ALARMS_PER_DAY, slots=1)
    ts = distinct(recording.ts)
    parts = []
    for begin in range(0, len(ts), CHUNK_ROWS):
        rows = slice(begin, begin + CHUNK_ROWS)
        slot = np.zeros(len(ts[rows]), np.int32)
        parts.append(detector.score(slot, ts[rows], recording.value[rows], 1.0).onset)
    return np.concatenate(parts)


def report(corpus: Sequence[Recording]) -> None:
    """Score the corpus and print the table."""
    begin = time.perf_counter()
    scores = {recording.name: squash(onsets(recording)) for recording in corpus}
    seconds = time.perf_counter() - begin
    rows = sum(len(recording.ts) for recording in corpus)
    print(f"{len(corpus)} files, {rows} rows, {seconds:.1f} s with compilation")
    print(f"{'profile':10}{'oracle':>10}{'leave one out':>16}{'frozen':>10}{'threshold':>12}")
    for result in score_corpus(corpus, scores, FROZEN):
        threshold = result.threshold / (1.0 - result.threshold)
        print(
            f"{result.profile:10}{result.oracle:10.2f}{result.leave_one_out:16.2f}"
            f"{result.frozen:10.2f}{threshold:12.3f}"
        )


if __name__ == "__main__":
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "nab"
    report(load_corpus(Path(sys.argv[1]) if len(sys.argv) > 1 else folder))
