"""Detection of concept drift on labelled streams, one setting for all.

Protocol: Gaussian naive Bayes predicts each row, then learns it; a detector sees its errors, 0 or
1; on an alarm model and detector start anew with the next row. The first alarm within the tolerance
after a change point is a hit, every other alarm is false. Beside our detectors stand River's with
their defaults, an alarm every 500 rows, and none. The last column does not count a second alarm at
the end of transitions that run backwards (see the data's README).

    python -m benchmarks.accuracy.drift [--data DIR] [--out FILE] [--detectors NAME,...]
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from engine.drift.hddm import HddmA, HddmW
from engine.drift.run_length import RateDetector
from engine.drift.sequential import SequentialDetector
from engine.drift.sequential_river import RiverDetector

from .drift_streams import Stream, load_streams, score_streams
from .naive_bayes import NaiveBayes

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "drift"
EVERY_ROWS = 500
BLOCK_ROWS = 1_000

DETECTORS: dict[str, Callable[[], SequentialDetector]] = {
    "streamgauge": RateDetector,
    "streamgauge HDDM_A": HddmA,
    "streamgauge HDDM_W": HddmW,
    **{
        f"River {name}": lambda name=name: RiverDetector(name)
        for name in ("HDDMA", "ADWIN", "DDM", "HDDMW", "PageHinkley", "FHDDM", "EDDM")
    },
}

Alarms = dict[str, list[int]]


def alarms_on(stream: Stream, make: Callable[[], SequentialDetector]) -> tuple[list[int], int]:
    """Rows of alarms on a stream, and how many rows were predicted wrongly."""
    alarms: list[int] = []
    begin = wrong = 0
    while begin < len(stream.y):
        model, detector = NaiveBayes(stream.x.shape[1], stream.classes), make()
        row = begin
        while row < len(stream.y):
            end = min(row + BLOCK_ROWS, len(stream.y))
            errors = model.errors(stream.x[row:end], stream.y[row:end])
            found = detector.update(errors).rows
            taken = int(found[0]) + 1 - (row - begin) if len(found) else end - row
            wrong += int(errors[:taken].sum())
            row += taken
            if len(found):
                alarms.append(row - 1)
                break
        begin = row
    return alarms, wrong


def blind(streams: Sequence[Stream]) -> dict[str, Alarms]:
    """Alarms that do not look at the data."""
    every = {
        stream.name: list(range(EVERY_ROWS - 1, len(stream.y), EVERY_ROWS)) for stream in streams
    }
    return {f"every {EVERY_ROWS} rows": every, "never": {stream.name: [] for stream in streams}}


def print_table(streams: Sequence[Stream], found: Mapping[str, Alarms]) -> None:
    """Scores of all detectors, then F1 by family and kind."""
    print(
        f"{'':20}{'TP':>5}{'FN':>5}{'FP':>6}{'precision':>11}{'recall':>8}{'F1':>7}{'delay':>7}"
        f"{'F1, both jumps':>16}"
    )
    for name, alarms in found.items():
        score = score_streams(streams, alarms)
        lenient = score_streams(streams, alarms, both_jumps=True)
        print(
            f"{name:20}{score.hits:5}{score.misses:5}{score.false:6}{score.precision:11.3f}"
            f"{score.recall:8.3f}{score.f1:7.3f}{score.delay:7.0f}{lenient.f1:16.3f}"
        )
    groups = sorted({(stream.family, stream.kind.partition(",")[0]) for stream in streams})
    print(f"\n{'F1':20}" + "".join(f"{' '.join(group):>18}" for group in groups))
    for name, alarms in found.items():
        cells = (
            score_streams(
                [s for s in streams if (s.family, s.kind.partition(",")[0]) == group], alarms
            )
            for group in groups
        )
        print(f"{name:20}" + "".join(f"{cell.f1:18.3f}" for cell in cells))


def write_alarms(out: Path, streams: Sequence[Stream], found: Mapping[str, Alarms]) -> None:
    """Write a JSON line for each stream and detector."""
    with out.open("wb") as lines:
        for stream in streams:
            for name, alarms in found.items():
                line = {"stream": stream.name, "detector": name, "alarms": alarms[stream.name]}
                lines.write(msgspec.json.encode(line) + b"\n")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder with drift_points.json")
    parser.add_argument("--out", type=Path, help="file for the alarms, one JSON line each")
    parser.add_argument("--detectors", help="some of: " + ", ".join(DETECTORS))
    return parser.parse_args()


def main() -> None:
    given = options()
    streams, others = load_streams(given.data)
    if others:
        print(f"without change points, left out: {', '.join(others)}")
    chosen = given.detectors.split(",") if given.detectors else list(DETECTORS)
    found: dict[str, Alarms] = {}
    for name in chosen:
        begin = time.perf_counter()
        results = {stream.name: alarms_on(stream, DETECTORS[name]) for stream in streams}
        found[name] = {stream: alarms for stream, (alarms, _) in results.items()}
        shares = [results[stream.name][1] / len(stream.y) for stream in streams]
        seconds = time.perf_counter() - begin
        print(f"{name}: accuracy {1.0 - np.mean(shares):.4f}, {seconds:.1f} s", flush=True)
    found |= blind(streams)
    if given.out:
        write_alarms(given.out, streams, found)
    print(f"\n{len(streams)} streams, {sum(len(stream.points) for stream in streams)} drifts")
    print_table(streams, found)


if __name__ == "__main__":
    main()
