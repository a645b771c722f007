"""Accuracy on the Numenta Anomaly Benchmark, through the whole pipeline.

Each file is a replay of its own, in file order, under an opaque key: the pipeline is told keys,
timestamps and values, and has one configuration for all files. Three scores for each profile:

oracle
    The benchmark's own: the labels choose the threshold.
left out
    For each category the other six choose the threshold.
frozen
    The engine's alarm boundary, onset 1, which is 0.5 in the files.

Beside it stand baselines that do not look at the data. `--random-windows N` scores the detector
against windows moved to random places, where it should do no better than those.

    python -m benchmarks.accuracy.nab [--data DIR] [--out DIR] [--detector NAME] [--json]
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.config.schema import Config

from .nab_corpus import Recording, load_corpus, moved_windows
from .nab_score import Result, score_corpus
from .pipeline import FALSE_ALARMS_PER_DAY, configuration, play

Scores = Mapping[str, NDArray[np.float64]]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "nab"
BOUNDARY = 0.5
"""The engine's alarm boundary, onset 1, on the benchmark's scale; see `squash`."""
SEEDS = 10
BLIND_ROWS = 500


def squash(onset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring scores of [0, inf] into [0, 1] in the same order, as the benchmark wants them."""
    finite = np.minimum(onset, np.finfo(np.float64).max)
    return finite / (1.0 + finite)


def anomaly_scores(
    recording: Recording, key: int, config: Config, folder: Path
) -> NDArray[np.float64]:
    """A score for each row of a file, float64[n].

    The pipeline keeps one value for a timestamp, so rows that share one share its score. Rows that
    came too late have none and get 0.
    """
    rows = pl.DataFrame({"ts": recording.ts, "value": recording.value}).select(
        pl.col("ts").cast(pl.Datetime("ns", "UTC")),
        name=pl.lit(f"series_{key}"),
        labels=pl.lit("{}"),
        value="value",
    )
    played = play(rows, config, folder)
    ts = played.scores["ts"].cast(pl.Int64).to_numpy()
    at = np.minimum(np.searchsorted(ts, recording.ts), len(ts) - 1)
    in_time = np.ones(len(recording.ts), bool)
    in_time[played.late] = False
    if not np.array_equal(np.unique(recording.ts[in_time]), ts):
        raise SystemExit(f"{recording.name}: rows and scores are not of the same timestamps")
    return np.where(in_time, squash(played.scores["onset"].to_numpy()[at]), 0.0)


def write_results(
    recording: Recording, scores: NDArray[np.float64], detector: str, out: Path
) -> None:
    """Write a file's scores as the benchmark lays results out, in round-trip precision."""
    category, _, name = recording.name.partition("/")
    path = out / category / f"{detector.replace('_', '-')}_{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = recording.inside.astype(int).tolist()
    rows = zip(
        recording.timestamps(), recording.value.tolist(), scores.tolist(), labels, strict=True
    )
    with path.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("timestamp", "value", "anomaly_score", "label"))
        table.writerows(rows)


def blind_baselines() -> dict[str, list[Callable[[int], NDArray[np.float64]]]]:
    """Scores from the number of rows alone; where chance is in them, one for each seed."""
    return {
        f"alarm every {BLIND_ROWS} rows": [
            lambda n: (np.arange(n) % BLIND_ROWS == 0).astype(float)
        ],
        "constant 1": [np.ones],
        f"random, mean of {SEEDS}": [np.random.default_rng(s).random for s in range(SEEDS)],
    }


def mean_results(runs: Sequence[Sequence[Result]]) -> list[Result]:
    """The mean of several runs' numbers, profile by profile."""
    means = []
    for results in zip(*runs, strict=True):
        numbers = [{k: v for k, v in asdict(one).items() if k != "profile"} for one in results]
        mean = {key: float(np.mean([one[key] for one in numbers])) for key in numbers[0]}
        means.append(Result(profile=results[0].profile, **mean))
    return means


def compare(corpus: Sequence[Recording], own: Scores, name: str) -> dict[str, list[Result]]:
    """Score the detector and the baselines."""
    found = {name: score_corpus(corpus, own, BOUNDARY)}
    for blind, makers in blind_baselines().items():
        runs = [
            score_corpus(corpus, {r.name: make(len(r.ts)) for r in corpus}, BOUNDARY)
            for make in makers
        ]
        found[blind] = mean_results(runs)
    return found


def random_windows(
    corpus: Sequence[Recording], own: Scores, name: str, times: int
) -> dict[str, list[Result]]:
    """Score the detector and a blind schedule against windows moved to random places."""
    blind, (make, *_) = next(iter(blind_baselines().items()))
    scheduled = {recording.name: make(len(recording.ts)) for recording in corpus}
    runs: dict[str, list[list[Result]]] = {name: [], blind: []}
    for seed in range(times):
        random = np.random.default_rng(seed)
        moved = [moved_windows(recording, random) for recording in corpus]
        for who, scores in ((name, own), (blind, scheduled)):
            runs[who].append(score_corpus(moved, scores, BOUNDARY))
    return {who: mean_results(results) for who, results in runs.items()}


def print_table(title: str, found: Mapping[str, Sequence[Result]]) -> None:
    """Three scores for each profile, one detector to a line."""
    profiles = [result.profile for result in next(iter(found.values()))]
    print(f"\n{title:26}" + "".join(f"{profile:^33}" for profile in profiles))
    print(" " * 26 + f"{'oracle':>11}{'left out':>10}{'frozen':>11} " * len(profiles))
    for name, results in found.items():
        numbers = (f"{r.oracle:11.2f}{r.leave_one_out:10.2f}{r.frozen:11.2f} " for r in results)
        print(f"{name:26}" + "".join(numbers))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of NAB's data and labels")
    parser.add_argument("--out", type=Path, help="folder for a CSV file for each data file")
    parser.add_argument("--detector", default="default", help="its name in the configuration")
    parser.add_argument("--false-alarms-per-day", type=float, default=FALSE_ALARMS_PER_DAY)
    parser.add_argument("--random-windows", type=int, default=0, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON document, no tables")
    return parser.parse_args()


def main() -> None:
    given = options()
    corpus = load_corpus(given.data)
    config = configuration(given.detector, given.false_alarms_per_day)
    begin = time.perf_counter()
    own = {}
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for key, recording in enumerate(corpus):
            own[recording.name] = anomaly_scores(recording, key, config, work / str(key))
    seconds = time.perf_counter() - begin
    if given.out:
        for recording in corpus:
            write_results(recording, own[recording.name], given.detector, given.out)
    report: dict[str, Any] = {
        "files": len(corpus),
        "rows": sum(len(recording.ts) for recording in corpus),
        "windows": sum(len(recording.windows) for recording in corpus),
        "replay_s": seconds,
        "detector": given.detector,
        "false_alarms_per_day": given.false_alarms_per_day,
        "boundary": BOUNDARY,
        "results": compare(corpus, own, given.detector),
    }
    if given.random_windows:
        report["random_windows"] = random_windows(corpus, own, given.detector, given.random_windows)
    if given.json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
        return
    print(f"{report['files']} files, {report['rows']} rows, replayed in {seconds:.1f} s")
    print_table("", report["results"])
    if given.random_windows:
        print_table(f"{given.random_windows} x moved windows", report["random_windows"])


if __name__ == "__main__":
    main()
