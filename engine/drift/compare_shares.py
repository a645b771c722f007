"""Shares of rows that are missing, unseen or out of range, and other gauges of a window."""

import math

import numpy as np

from engine.codecs.predictions import Kind
from engine.drift.findings import Statistic
from engine.drift.significance import share_p_value
from engine.drift.summary import FeatureCounts


def share_statistic(
    method: str, hits: int, rows: int, reference_hits: int, reference_rows: int
) -> Statistic:
    """Compare the shares of hits on both sides, neither of which is without rows.

    The score is the window's share less the reference's.
    """
    score = hits / rows - reference_hits / reference_rows
    return Statistic(method, score, share_p_value(hits, rows, reference_hits, reference_rows))


def unseen_rows(reference: FeatureCounts, window: FeatureCounts) -> int:
    """Values of the window in categories that the reference has no value in."""
    return int(window.counts[reference.counts == 0].sum(dtype=np.int64))


def rows_out_of_range(counts: FeatureCounts) -> int:
    """Values outside the edges of a grid of numbers."""
    if not len(counts.grid.edges):
        return 0
    return int(counts.counts[0]) + int(counts.counts[-1])


def gauges_of(reference: FeatureCounts, window: FeatureCounts) -> dict[str, float]:
    """Give the shares and sizes that are no tests, those that apply.

    ``changed_ratio`` is the share of the rows whose value is of another kind than the reference's.
    """
    gauges: dict[str, float] = {}
    if window.offered:
        gauges["missing_ratio"] = window.missing / window.offered
        gauges["changed_ratio"] = window.changed / window.offered
    if not window.rows:
        return gauges
    gauges["distinct_values"] = window.distinct
    if window.grid.kind is Kind.CATEGORICAL and reference.rows:
        gauges["unseen_ratio"] = unseen_rows(reference, window) / window.rows
    elif window.grid.kind is Kind.BOOLEAN:
        gauges["mean"] = int(window.counts[1]) / window.rows
    elif window.grid.is_numeric and math.isfinite(window.mean):
        gauges["mean"] = window.mean
        if len(window.grid.edges):
            gauges["out_of_range_ratio"] = rows_out_of_range(window) / window.rows
    return gauges
