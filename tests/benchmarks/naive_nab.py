"""NAB's score as the specification words it: row by row, every threshold tried."""

import math


def position_value(y):
    return -1.0 if y > 3.0 else 2.0 / (1.0 + math.exp(5.0 * y)) - 1.0


def raw_score(recording, scores, profile, threshold):
    """Best detected row of each window or a miss, and all detected rows outside."""
    n = len(scores)
    first = min(int(0.15 * n), 750)
    detected = [i for i in range(first, n) if scores[i] >= threshold]
    raw = 0.0
    for left, right in recording.windows:
        if right < first:
            continue
        width = right - left + 1
        rewards = [
            profile.hit * position_value(-(right - i + 1) / width) / position_value(-1.0)
            for i in detected
            if left <= i <= right
        ]
        raw += max(rewards, default=-profile.miss)
    for i in detected:
        if any(left <= i <= right for left, right in recording.windows):
            continue
        behind = [window for window in recording.windows if window[1] < i]
        if not behind:
            raw -= profile.false_alarm
            continue
        left, right = behind[-1]
        raw += profile.false_alarm * position_value((i - right) / (right - left))
    return raw


def sweep(corpus, scores, profile):
    """The threshold of the largest raw score over the files, and it; the higher one on a tie."""
    candidates = {1.1}
    for recording in corpus:
        n = len(recording.ts)
        candidates |= set(scores[recording.name][min(int(0.15 * n), 750) :].tolist())
    best = (1.1, -math.inf)
    for threshold in sorted(candidates, reverse=True):
        raw = math.fsum(raw_score(r, scores[r.name], profile, threshold) for r in corpus)
        if raw > best[1]:
            best = (threshold, raw)
    return best
