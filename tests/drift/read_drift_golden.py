"""The golden scores: what Evidently 0.7.23 said of the cases in `drift_cases.py`."""

import math
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "golden"
CASES = 12_635
METHODS = ("ks", "wasserstein", "chisquare", "z", "jensenshannon", "kl_div", "psi", "hellinger")
NOT_ASKED, STEADY, DRIFTED, NO_DATA, NO_BINS = -1, 0, 1, 2, 3
"""States of a method on a case: isn't for such columns; scored; refused: no data or no bins."""

P_VALUES = {"ks", "chisquare", "z"}
DISTANCE_TOLERANCE = 1e-12  # of max(1, score): where a score is in the millions, bits are coarser
P_VALUE_TOLERANCE = 1e-9
RADICAND_TOLERANCE = 1e-15


def same_score(method, score, expected):
    """Whether a score is Evidently's, within rounding.

    A Hellinger distance is the root of a difference that rounding blurs by some 1e-16, so of nearly
    equal columns by 1e-8: there the order of a sum decides, which Evidently takes from a Python
    set, and what is under the root is compared.
    """
    if math.isnan(expected):
        return math.isnan(score)
    if method in P_VALUES:
        return abs(score - expected) <= P_VALUE_TOLERANCE
    if abs(score - expected) <= DISTANCE_TOLERANCE * max(1.0, abs(expected)):
        return True
    return method == "hellinger" and abs(score**2 - expected**2) <= RADICAND_TOLERANCE
