"""Scores, predictions and labels of the CBPE parity cases, the same with every version of NumPy."""

import numpy as np

ANALYSIS_ROWS = 2_600

CASES = {
    # name: (reference rows, chunk size or None, how)
    "overconfident": (5_000, 500, "overconfident"),
    "calibrated": (5_000, 500, "calibrated"),
    "separable": (2_000, 400, "separable"),
    "two_decimals": (5_000, 700, "two_decimals"),
    "one_class": (1_000, 250, "one_class"),
    "imbalanced": (6_000, 1_000, "imbalanced"),
    "small": (60, 10, "overconfident"),
    "default_chunks": (3_337, None, "calibrated"),
    "tail_chunk": (4_321, 1_234, "inverted"),
    "narrow_reference": (3_000, 300, "narrow"),
    "never_positive": (2_000, 500, "never_positive"),
    "tiny": (25, 5, "overconfident"),
    "calibrated_small": (400, 100, "calibrated"),
    "calibrated_large": (20_000, 2_000, "calibrated"),
}


def uniforms(seed, rows):
    """Splitmix64's numbers in [0, 1)."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.arange(
            1, rows + 1, dtype=np.uint64
        ) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / 2.0**53


def make(how, seed, rows, is_reference):
    """Give scores, predictions and labels, float64[rows] each."""
    score, chance = uniforms(seed, rows), uniforms(seed + 1_000_003, rows)
    truth = score
    cut = 0.5
    if how == "overconfident":
        truth = score * score
    elif how == "separable":
        truth = np.where(score > 0.5, 1.0, 0.0)
    elif how == "two_decimals":
        score = np.round(score, 2)
        truth = 0.2 + 0.5 * score
    elif how == "one_class":
        truth = np.zeros(rows)
    elif how == "imbalanced":
        truth = 0.06 * score * score
        cut = 0.9
    elif how == "inverted":
        truth = 1 - score
    elif how == "narrow":
        truth = score * score
        score = 0.3 + 0.4 * score if is_reference else score
    elif how == "never_positive":
        truth = 0.3 * score
        cut = 2.0
    prediction = (score >= cut).astype(np.float64)
    return score, prediction, (chance < truth).astype(np.float64)


def make_case(name):
    """Give reference and analysis of a case, and its chunk size."""
    rows, chunk_size, how = CASES[name]
    seed = 11 * (1 + list(CASES).index(name))
    later = min(ANALYSIS_ROWS, 5 * rows)
    return make(how, seed, rows, True), make(how, seed + 1, later, False), chunk_size
