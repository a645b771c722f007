"""Thresholds of evidence for an expected number of events between false alarms.

Found by simulation of independent events without a change
(`benchmarks/run_length_thresholds.py`): the log of the mean distance between false alarms is a
quadratic of the threshold, for each rate. Source: Ross, Tasoulis and Adams 2012, Sequential
Monitoring of a Bernoulli Sequence when the Pre-change Parameter is Unknown, for the method.
"""

import numpy as np
from numpy.typing import NDArray

# Rate, then the coefficients of ln(events between false alarms) in powers of the threshold.
TABLE = np.array(
    [
        (0.01, 8.3813, 0.8086, 0.00224),
        (0.02, 7.9752, 0.7421, 0.01363),
        (0.05, 7.5041, 0.7341, 0.01601),
        (0.1, 7.2099, 0.7724, 0.01034),
        (0.15, 7.3098, 0.6604, 0.02244),
        (0.2, 6.9975, 0.7789, 0.00847),
        (0.3, 7.0289, 0.7277, 0.01364),
        (0.4, 6.9123, 0.7133, 0.01229),
        (0.5, 6.7501, 0.7784, 0.00426),
        (0.6, 6.7007, 0.7306, 0.00846),
        (0.7, 6.5440, 0.7811, -0.00317),
        (0.8, 6.8275, 0.3886, 0.05699),
        (0.9, 6.3818, 0.9942, 0.00914),
        (0.95, 7.3507, 1.2668, -0.02263),
    ]
)
# The same for scores as skewed as ones at a rate; 0.5 is not skewed.
LEVEL_TABLE = np.array(
    [
        (0.02, 8.5063, 0.5156, 0.03530),
        (0.05, 7.3222, 0.8487, 0.00391),
        (0.1, 7.5542, 0.7095, 0.01069),
        (0.2, 7.6500, 0.5185, 0.03203),
        (0.5, 6.4862, 0.8766, -0.00661),
        (0.9, 5.6874, 1.3138, -0.02307),
        (0.95, 7.6403, 1.1363, -0.01064),
        (0.98, 9.5912, 1.0866, -0.00548),
    ]
)

RATES = np.ascontiguousarray(TABLE[:, 0])
LEVEL_RATES = np.ascontiguousarray(LEVEL_TABLE[:, 0])

_SIMULATED_MAX = 8.0
"""Thresholds above follow the line that the quadratic ends with."""

_GRID = np.linspace(0.0, _SIMULATED_MAX, 161)


def thresholds(
    coefficients: NDArray[np.float64], events: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve a quadratic for the thresholds of so many events between false alarms.

    Parameters
    ----------
    coefficients : float64[3]
    events : float64[n]

    Returns
    -------
    float64[n]
    """
    logs = np.log(events)
    line = np.polynomial.polynomial.polyval(_GRID, coefficients)
    slope = coefficients[1] + 2.0 * coefficients[2] * _SIMULATED_MAX
    beyond = _SIMULATED_MAX + (logs - line[-1]) / slope
    return np.where(logs > line[-1], beyond, np.interp(logs, line, _GRID))


def rate_thresholds(events: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds of `RateDetector` for each of so many events, at each of `RATES`.

    Parameters
    ----------
    events : float64[n]

    Returns
    -------
    float64[n, len(RATES)]
    """
    return np.stack([thresholds(row[1:], events) for row in TABLE], axis=1)


def level_thresholds(events: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds of `LevelDetector` for each of so many events, at each of `LEVEL_RATES`.

    Parameters
    ----------
    events : float64[n]

    Returns
    -------
    float64[n, len(LEVEL_RATES)]
    """
    return np.stack([thresholds(row[1:], events) for row in LEVEL_TABLE], axis=1)
