"""Slow twins of the areas and the alarm budget, threshold by threshold and row by row."""

import math

import numpy as np


def runs(label):
    """First and last row of each run, both inclusive."""
    found = []
    for i, labelled in enumerate(label):
        if labelled and (i == 0 or not label[i - 1]):
            found.append([i, i])
        elif labelled:
            found[-1][1] = i
    return found


def average_precision(label, score):
    area, recall = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        predicted = [i for i in range(len(score)) if score[i] >= threshold]
        found = sum(bool(label[i]) for i in predicted)
        area += (found / sum(label) - recall) * found / len(predicted)
        recall = found / sum(label)
    return area


def vus_pr(label, score, widening_max_rows, thresholds):
    n = len(score)
    falling = sorted(score, reverse=True)
    areas = []
    for widening in range(widening_max_rows + 1):
        reach = widening // 2
        soft = [1.0 if labelled else 0.0 for labelled in label]
        for first, last in runs(label):
            for d in range(1, reach + 1):
                for i in (first - d, last + d):
                    if 0 <= i < n:
                        soft[i] = min(1.0, soft[i] + math.sqrt(1 - d / widening))
        areas.append(_area(label, soft, _joined(label, reach, n), score, falling, thresholds))
    return sum(areas) / len(areas)


def _joined(label, reach, n):
    """Widened segments; those that share a row are one."""
    wide = []
    for first, last in runs(label):
        rows = set(range(max(0, first - reach), min(n, last + reach + 1)))
        if wide and wide[-1] & rows:
            wide[-1] |= rows
        else:
            wide.append(rows)
    return wide


def _area(label, soft, segments, score, falling, thresholds):
    n = len(score)
    area, recall = 0.0, 0.0
    for rank in np.linspace(0, n - 1, thresholds).astype(int):
        predicted = [i for i in range(n) if score[i] >= falling[rank]]
        found = sum(soft[i] for i in predicted)
        found_soft = sum(soft[i] for i in predicted if not label[i])
        there = (sum(label) + (sum(label) + found_soft)) / 2
        hit = sum(any(i in rows for i in predicted) for rows in segments) / len(segments)
        now = min(found / there, 1.0) * hit
        area += (now - recall) * found / len(predicted)
        recall = now
    return area


def false_alarms(label, score, threshold, hour_rows):
    """Hours with a row outside events at or above the threshold."""
    hours = {i // hour_rows for i in range(len(score)) if not label[i] and score[i] >= threshold}
    return len(hours)


def budget_threshold(labels, scores, allowed, hour_rows):
    """Try all positive scores; the lowest at which no more than so many alarms are false."""
    candidates = sorted({value for score in scores for value in score if value > 0.0})
    for threshold in candidates:
        pairs = zip(labels, scores, strict=True)
        if sum(false_alarms(*pair, threshold, hour_rows) for pair in pairs) <= allowed:
            return threshold
    return math.inf
