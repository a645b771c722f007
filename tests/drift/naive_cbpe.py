"""Isotonic regression, slow and obvious: by its min-max formula over weighted means."""

import numpy as np


def naive_isotonic(scores, labels):
    """Give distinct scores and fitted values: the largest, over beginnings up to a point, of the
    smallest mean, over ends from it on."""
    places = np.unique(scores)
    means = np.array([labels[scores == place].mean() for place in places])
    weights = np.array([(scores == place).sum() for place in places])
    fitted = [
        max(
            min(
                np.average(means[begin : end + 1], weights=weights[begin : end + 1])
                for end in range(point, len(places))
            )
            for begin in range(point + 1)
        )
        for point in range(len(places))
    ]
    return places, np.array(fitted)
