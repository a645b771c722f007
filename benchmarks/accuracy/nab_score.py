"""The Numenta Anomaly Benchmark's score, by its specification.

Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms: the Numenta Anomaly
Benchmark", ICMLA 2015 (arXiv 1510.03336). Written from the description; no code of NAB is used.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .nab_corpus import Recording, probation

NOTHING = 1.1
"""The threshold at which no row is a detection: scores lie in [0, 1]."""

_FADED_WIDTHS = 3.0
"""So many widths behind a window a detection has nothing to do with it any more."""


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


def position_values(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sigmoid of rows' positions relative to a window's right edge, in widths."""
    values = 2.0 / (1.0 + np.exp(5.0 * np.minimum(y, _FADED_WIDTHS))) - 1.0
    return np.where(y > _FADED_WIDTHS, -1.0, values)


_AT_LEFT_EDGE = float(position_values(np.array(-1.0)))


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
        inside = position_values(np.arange(-width, 0) / width) / _AT_LEFT_EDGE
        values[left : right + 1] = profile.hit * inside
        behind = position_values(np.arange(1, stop - right) / (width - 1))
        values[right + 1 : stop] = profile.false_alarm * behind
    return values


@dataclass(frozen=True, slots=True)
class Steps:
    """The raw score as a function of the threshold: each step adds `gain` from `score` on down."""

    score: NDArray[np.float64]
    gain: NDArray[np.float64]
    base: float

    def at(self, threshold: float) -> float:
        """Raw score with every row of score >= threshold a detection."""
        return self.base + math.fsum(self.gain[self.score >= threshold].tolist())


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
    outside = ~recording.inside
    outside[:first] = False
    step_scores = [scores[outside]]
    gains = [values[outside]]
    base = 0.0
    for left, right in recording.windows:
        inside = slice(max(left, first), right + 1)
        if inside.start >= inside.stop:
            continue
        base -= profile.miss
        # A window counts its best detected row, which falling thresholds can only improve.
        order = np.argsort(-scores[inside], kind="stable")
        best = np.maximum.accumulate(np.append(-profile.miss, values[inside][order]))
        rises = np.diff(best)
        step_scores.append(scores[inside][order][rises > 0.0])
        gains.append(rises[rises > 0.0])
    return Steps(np.concatenate(step_scores), np.concatenate(gains), base)


def join_steps(parts: Sequence[Steps]) -> Steps:
    """The steps of several files together."""
    return Steps(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.gain for part in parts]),
        math.fsum(part.base for part in parts),
    )


def falling(steps: Steps) -> NDArray[np.int64]:
    """Order of the steps in which the threshold comes to them."""
    return np.argsort(-steps.score, kind="stable")


def best_threshold(steps: Steps) -> tuple[float, float]:
    """The oracle: the threshold of the largest raw score (the higher one on a tie), and it."""
    order = falling(steps)
    threshold = _highest(steps.score[order], steps.gain[order])
    return threshold, steps.at(threshold)


def _highest(score: NDArray[np.float64], gain: NDArray[np.float64]) -> float:
    """The threshold at which the sum of gains is largest; scores are falling."""
    # Rows of equal score switch on together, so sums count only at the last of them.
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: len(score)])
    raised = np.cumsum(gain)[last]
    if len(last) == 0 or raised.max() <= 0.0:
        return NOTHING
    return float(score[last[int(np.argmax(raised))]])


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
    return [_score_profile(corpus, scores, frozen, profile) for profile in PROFILES]


def _score_profile(
    corpus: Sequence[Recording],
    scores: Mapping[str, NDArray[np.float64]],
    frozen: float,
    profile: Profile,
) -> Result:
    parts = [file_steps(recording, scores[recording.name], profile) for recording in corpus]
    whole = join_steps(parts)
    order = falling(whole)
    score, gain = whole.score[order], whole.gain[order]
    threshold = _highest(score, gain)
    names, category = np.unique([recording.category for recording in corpus], return_inverse=True)
    of_step = np.repeat(category, [len(part.score) for part in parts])[order]
    held_out = []
    for left_out in range(len(names)):
        others = of_step != left_out
        own = join_steps([parts[i] for i in np.flatnonzero(category == left_out)])
        held_out.append(own.at(_highest(score[others], gain[others])))
    windows = sum(len(recording.windows) for recording in corpus)
    raw = whole.at(threshold)
    return Result(
        profile=profile.name,
        oracle=normalise(raw, windows, profile),
        leave_one_out=normalise(math.fsum(held_out), windows, profile),
        frozen=normalise(whole.at(frozen), windows, profile),
        threshold=threshold,
        raw=raw,
    )
