"""Verdicts of users on samples as rows: what they say fits into the value of a row.

A verdict's row has the judged series, and its timestamp is when the verdict takes effect, so that
order, shards, checkpoints and replay are those of samples. Its value is no number: the bits say
what the verdict is, which detector is meant, and how long before the judged sample was.
"""

import numpy as np
from numpy.typing import NDArray

FALSE_ALARM, MISS, RETRACT = range(3)
"""Verdicts by number: it was nothing; it was something; take back what was said of this sample."""

VERDICTS = ("false_alarm", "miss", "retract")
"""Their names, in this order."""

ALL_DETECTORS = 0
"""Stands for every detector; the others are numbered from 1."""

DETECTORS_MAX = 255

UNIT_NS = 1_000
"""Both times of a verdict are multiples of this."""

_VERDICT_BITS = np.uint64(2)
_DETECTOR_BITS = np.uint64(8)
# Less than 52 bits, so that the exponent of the float is never that of NaN or an infinity.
_AGE_MAX = 2**51 - 1


def whole_units(ts: int) -> int:
    """Round a time up: the sample at the moment itself stays at or before it."""
    return -(-ts // UNIT_NS) * UNIT_NS


def packed(
    verdict: NDArray[np.uint8],
    detector: NDArray[np.uint8],
    judged: NDArray[np.int64],
    ts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Put verdicts into the values of rows.

    Parameters
    ----------
    verdict, detector : uint8[n]
        Numbers, see `VERDICTS` and `ALL_DETECTORS`.
    judged, ts : int64[n]
        Time of the judged sample, and when the verdict takes effect, not earlier; nanoseconds,
        multiples of `UNIT_NS`.

    Returns
    -------
    float64[n]
        Finite whatever is said.
    """
    age = np.clip((ts - judged) // UNIT_NS, 0, _AGE_MAX).astype(np.uint64)
    bits = (age << _DETECTOR_BITS | detector.astype(np.uint64)) << _VERDICT_BITS
    return (bits | verdict.astype(np.uint64)).view(np.float64)


def unpacked(
    value: NDArray[np.float64], ts: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    """Give what `packed` was given: verdict, detector and time of the judged sample."""
    bits = np.ascontiguousarray(value).view(np.uint64)
    verdict = (bits & np.uint64(3)).astype(np.uint8)
    detector = (bits >> _VERDICT_BITS & np.uint64(255)).astype(np.uint8)
    age = (bits >> _VERDICT_BITS >> _DETECTOR_BITS).astype(np.int64)
    return verdict, detector, ts - age * UNIT_NS
