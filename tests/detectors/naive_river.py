"""River's own loop, and the adapter's scale in a few obvious lines."""

import math

import numpy as np


def river_loop(model, samples):
    """Scores of (features, target or None) as River's examples make them: score, then learn."""
    scores = []
    for features, target in samples:
        if target is None:
            scores.append(model.score_one(dict(features)))
            model.learn_one(dict(features))
        else:
            scores.append(model.score_one(dict(features), target))
            model.learn_one(dict(features), target)
    return scores


def onsets_and_states(scores, warm_up):
    """Raw onsets and states of one model's scores: float64[2, n]."""
    floor = min([0.0, *scores[:warm_up]])
    out = np.zeros((2, len(scores)))
    out[0, :warm_up] = -1.0
    mean = 0.0
    for row in range(warm_up, len(scores)):
        out[0, row] = max(scores[row] - floor, 0.0)
        mean += 0.1 * (out[0, row] - mean)
        out[1, row] = mean
    return out


def lagged(values, lags, *, supervised):
    """(features, target) of each finite value with enough before it, and their places."""
    known, samples, places = [], [], []
    for place, value in enumerate(values):
        if not math.isfinite(value):
            continue
        if len(known) >= lags:
            features = {f"lag_{lag}": known[-lag] for lag in range(1, lags + 1)}
            samples.append(
                (features, value) if supervised else ({"value": value, **features}, None)
            )
            places.append(place)
        known.append(value)
    return samples, places
