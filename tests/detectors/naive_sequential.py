"""Sequential detectors on series, as one would write them: a detector and a clock for each."""

import math

import numpy as np

from engine.drift.sequential_names import sequential_detector


def naive_sequential(name, params, rows):
    """Onset and state of (slot, value) rows, one by one, by the words of the documentation."""
    detectors, ages, out = {}, {}, []
    for slot, value in rows:
        if not math.isfinite(value):
            out.append((0.0, 0.0))
            continue
        detector = detectors.setdefault(slot, sequential_detector(name, **params))
        onset = one_by_one(detector, value)
        ages[slot] = 0 if onset == 2.0 else ages.get(slot, math.inf) + 1
        state = 1.5 * 0.5 ** (ages[slot] / 50)
        out.append((onset, state if state > 0.001 else 0.0))
    return out


def one_by_one(detector, value):
    """Onset at a value."""
    alarms = detector.update(np.array([value]))
    return 2.0 if len(alarms.rows) else 0.9 if len(alarms.warnings) else 0.0
