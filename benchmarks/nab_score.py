"""The Numenta Anomaly Benchmark's score, by its specification.

Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms: the Numenta Anomaly
Benchmark", ICMLA 2015 (arXiv 1510.03336). Written from the description; no code of NAB is used.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NOTHING = 1.1
"""The threshold at which no row is a detection: scores lie in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a hit, a false alarm and a miss are worth."""

    name: str
    hit: float
    false_alarm: float
    miss: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("low FP", 1.0, 0.22, 1.0),
    Profile("low FN", 1.0, 0.11, 2.0),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: ts int64[n] ns, value float64[n], windows (first row, last row) inclusive."""

    name: str
    ts: NDArray[np.int64]
    value: NDArray[np.float64]
    windows: tuple[tuple[int, int], ...]

    @property
    def category(self) -> str:
        return self.name.split("/", maxsplit=1)[0]


def load_corpus(root: Path) -> list[Recording]:
    """All files under ``root/data`` with the windows of ``root/labels``."""
    windows = json.loads((root / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    return [_load(root / "data" / name, name, spans) for name, spans in sorted(windows.items())]


def _load(path: Path, name: str, spans: list[list[str]]) -> Recording:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    ts = np.array([_nanoseconds(row["timestamp"]) for row in rows], np.int64)
    value = np.array([float(row["value"]) for row in rows])
    edges = [[int(np.flatnonzero(ts == _nanoseconds(edge))[0]) for edge in span] for span in spans]
    return Recording(name, ts, value, tuple((left, right) for left, right in edges))


def _nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def probation(rows: int) -> int:
    """The number of leading rows that are not scored."""
    return min(int(0.15 * rows), 750)


def position_value(y: float) -> float:
    """The sigmoid of a row's position relative to a window's right edge."""
    return -1.0 if y > 3.0 else 2.0 / (1.0 + math.exp(5.0 * y)) - 1.0


def row_values(recording: Recording, profile: Profile) -> NDArray[np.float64]:
    """What each row is worth if it is a detection, float64[n].

    Raises
    ------
    ValueError
        If a window has one row only: its width would divide by zero.
    """
    n = len(recording.ts)
    values = np.full(n, -profile.false_alarm)
    edges = [*(left for left, _ in recording.windows[1:]), n]
    for (left, right), stop in zip(recording.windows, edges, strict=False):
        width = right - left + 1
        if width == 1:
            raise ValueError(f"{recording.name}: a window of one row has no position")
        for i in range(left, right + 1):
            inside = position_value(-(right - i + 1) / width) / position_value(-1.0)
            values[i] = profile.hit * inside
        for i in range(right + 1, stop):
            values[i] = profile.false_alarm * position_value((i - right) / (width - 1))
    return values


@dataclass(frozen=True, slots=True)
class Steps:
    """The raw score as a function of the threshold: each step adds `gain` from `score` on down."""

    score: NDArray[np.float64]
    gain: NDArray[np.float64]
    base: float

    def at(self, threshold: float) -> float:
        """Raw score with every row of score >= threshold a detection."""
        return self.base + math.fsum(self.gain[self.score >= threshold])


def file_steps(recording: Recording, scores: NDArray[np.float64], profile: Profile) -> Steps:
    """How one file's raw score rises and falls while the threshold comes down.

    Raises
    ------
    ValueError
        If a score is NaN.
    """
    if np.isnan(scores).any():
        raise ValueError(f"{recording.name}: a score is NaN")
    values = row_values(recording, profile)
    first = probation(len(scores))
    outside = np.ones(len(scores), bool)
    step_scores: list[float] = []
    gains: list[float] = []
    base = 0.0
    for left, right in recording.windows:
        outside[left : right + 1] = False
        begin = max(left, first)
        if begin > right:
            continue
        base -= profile.miss
        # A window counts its earliest detected row: falling thresholds can only move it left.
        best = -profile.miss
        inside = range(begin, right + 1)
        order = sorted(inside, key=lambda i: (-scores[i], i))
        for i in order:
            if values[i] > best:
                step_scores.append(float(scores[i]))
                gains.append(float(values[i] - best))
                best = float(values[i])
    outside[:first] = False
    return Steps(
        np.concatenate([np.array(step_scores), scores[outside]]),
        np.concatenate([np.array(gains), values[outside]]),
        base,
    )


def join_steps(parts: Sequence[Steps]) -> Steps:
    """The steps of several files together."""
    return Steps(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.gain for part in parts]),
        math.fsum(part.base for part in parts),
    )


def best_threshold(steps: Steps) -> tuple[float, float]:
    """The oracle: the threshold of the largest raw score (the higher one on a tie), and it."""
    order = np.argsort(-steps.score, kind="stable")
    score = steps.score[order]
    raw = steps.base + np.cumsum(steps.gain[order])
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    if len(last) == 0 or raw[last].max() <= steps.base:
        return NOTHING, steps.base
    threshold = float(score[last[int(np.argmax(raw[last]))]])
    return threshold, steps.at(threshold)


def normalise(raw: float, windows: int, profile: Profile) -> float:
    """100 for a perfect detector, 0 for one that never fires."""
    null = -profile.miss * windows
    perfect = profile.hit * windows
    return 100.0 * (raw - null) / (perfect - null)


@dataclass(frozen=True, slots=True)
class Result:
    """Scores of one detector under one profile, normalised; `threshold` is the oracle's."""

    profile: str
    oracle: float
    leave_one_out: float
    frozen: float
    threshold: float
    raw: float


def score_corpus(
    corpus: Sequence[Recording], scores: Mapping[str, NDArray[np.float64]], frozen: float
) -> list[Result]:
    """Score a detector with the oracle's threshold, leave-one-category-out, and a fixed one.

    Parameters
    ----------
    corpus : sequence of Recording
        All files.
    scores : mapping of str to float64[n]
        Scores in [0, 1] by file name.
    frozen : float
        The threshold that was fixed before the run.

    Raises
    ------
    ValueError
        If a score is NaN or a window has one row only.
    """
    windows = sum(len(recording.windows) for recording in corpus)
    results = []
    for profile in PROFILES:
        parts = {r.name: file_steps(r, scores[r.name], profile) for r in corpus}
        whole = join_steps(list(parts.values()))
        threshold, raw = best_threshold(whole)
        held_out = []
        for category in sorted({recording.category for recording in corpus}):
            own = [parts[r.name] for r in corpus if r.category == category]
            others = [parts[r.name] for r in corpus if r.category != category]
            held_out.append(join_steps(own).at(best_threshold(join_steps(others))[0]))
        results.append(
            Result(
                profile=profile.name,
                oracle=normalise(raw, windows, profile),
                leave_one_out=normalise(math.fsum(held_out), windows, profile),
                frozen=normalise(whole.at(frozen), windows, profile),
                threshold=threshold,
                raw=raw,
            )
        )
    return results
