"""Evidently's scores of two samples with p-values that count both sides as samples."""

import math

import numpy as np

from engine.drift.compare_counts import counts_distance
from engine.drift.compare_shares import share_statistic
from engine.drift.evidently_choice import TESTS
from engine.drift.findings import Statistic
from engine.drift.samples import CategoricalSample, NoBinsError, NumericSample, PairedCounts
from engine.drift.significance import counts_p_value, wasserstein_p_value
from engine.drift.statistics import LEAST_SPREAD, Sample, ks_p_value, ks_statistic

_OWN_SCORES = frozenset({"ks", "chi_square", "z"})  # Evidently's are p-values
_NAMES = {"chisquare": "chi_square", "jensenshannon": "jensen_shannon", "kl_div": "kl"}

METHODS_BY_DISPLAY = {test.display_name: _NAMES.get(name, name) for name, test in TESTS.items()}
"""Our names of tests by those of Evidently's reports."""

_TESTS = {_NAMES.get(name, name): test for name, test in TESTS.items()}


def asked_statistic(method: str, reference: Sample, window: Sample) -> Statistic | None:
    """Give a statistic that is asked for by our name; None if it says nothing of such samples.

    Distances have Evidently's numbers. Neither sample is empty.
    """
    if method == "z" and len(_counts(method, reference, window).reference) > 2:
        return None
    try:
        score = math.nan if method in _OWN_SCORES else _TESTS[method].score(reference, window)
        return exact_statistic(method, score, reference, window)
    except NoBinsError:
        return None


def exact_statistic(method: str, score: float, reference: Sample, window: Sample) -> Statistic:
    """Give the distance behind Evidently's score, and how often it comes by chance.

    Parameters
    ----------
    method : str
        One of `METHODS_BY_DISPLAY`.
    score : float
        Evidently's. Where that is a p-value, the distance is that of sketches: the KS statistic,
        `counts_distance` for ``chi_square``, and for ``z`` the difference of the shares of all that
        is not the first value.
    reference, window : NumericSample or CategoricalSample
        Neither is empty.
    """
    if isinstance(reference, NumericSample) and isinstance(window, NumericSample):
        if method == "ks":
            gap = ks_statistic(reference, window)
            return Statistic(method, gap, ks_p_value(reference, window))
        if method == "wasserstein":
            return _wasserstein(score, reference, window)
    counts = _counts(method, reference, window)
    if method == "z":
        hits = counts.others - int(counts.window[0]), counts.rows - int(counts.reference[0])
        return share_statistic(method, hits[0], counts.others, hits[1], counts.rows)
    if method == "chi_square":
        score = counts_distance(method, counts.reference, counts.window)
    chance = counts_p_value(method, score, counts.reference, counts.window)
    return Statistic(method, score, chance)


def _wasserstein(score: float, reference: NumericSample, window: NumericSample) -> Statistic:
    counts = reference.counts_with(window)
    values = np.union1d(reference.values, window.values)
    chance = wasserstein_p_value(
        *(score, counts.reference, counts.window, values),
        max(reference.spread, LEAST_SPREAD),
    )
    return Statistic("wasserstein", score, chance)


def _counts(method: str, reference: Sample, window: Sample) -> PairedCounts:
    """Counts that a distance is of: by value, or in Evidently's bins; none is empty twice."""
    if isinstance(reference, CategoricalSample) and isinstance(window, CategoricalSample):
        return reference.counts_with(window)
    if not (isinstance(reference, NumericSample) and isinstance(window, NumericSample)):
        raise TypeError("reference and window are of different types")
    counts = reference.counts_with(window)
    if method == "z" or (method != "hellinger" and reference.is_discrete):
        return counts
    size = len(counts.reference) if method == "hellinger" else reference.rows + window.rows
    binned = reference.bins_with(window, size, integers=False).counts
    held = (binned.reference + binned.window) > 0
    return PairedCounts(binned.reference[held], binned.window[held], binned.rows, binned.others)
