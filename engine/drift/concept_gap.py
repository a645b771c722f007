"""The gap between estimated and realised quality: what labels say that scores did not foresee."""

import math

from scipy import special  # type: ignore[import-untyped]

from engine.drift.budget import Budget
from engine.drift.episode_findings import Finding
from engine.drift.model_quality import ModelQuality
from engine.drift.model_segments import ALL

GAP_MIN = 0.02
"""The least gap of accuracy that opens an episode."""

ROWS_MIN = 50


def concept_gap(
    quality: ModelQuality, reference_rows: int, tick_ns: int, budget: Budget
) -> dict[str, list[Finding]]:
    """Compare realised accuracy with the estimated one of the same predictions, by version.

    The estimate assumes that labels depend on features as in the reference. If they do, right
    predictions are as many as the sum of their probabilities, with a variance that is at most that
    of equal ones. The estimate has the error of the reference, as large as that of so many rows.

    Parameters
    ----------
    quality : ModelQuality
    reference_rows : int
        Rows with labels that the estimator was learned from.
    tick_ns : int
    budget : Budget
    """
    if not quality.has_estimates or not reference_rows:
        return {}
    found: dict[str, list[Finding]] = {}
    slide_ns = quality.config.quality.slide_ns
    versions = {place: summary for place, summary in quality.known.items() if place[1] == ALL}
    for (version, _), summary in versions.items():
        realised = summary.metrics().get("accuracy")
        expected = summary.estimated_metrics(of_labelled=True).get("accuracy")
        count = summary.usable
        if realised is None or expected is None or count < ROWS_MIN:
            continue
        variance = max(expected * (1.0 - expected), 1e-12)
        spread = math.sqrt(variance / count + variance / reference_rows)
        chance = float(2.0 * special.ndtr(-abs(realised - expected) / spread))
        alpha = budget.alpha(max(1, len(versions)), slide_ns)
        gap = realised - expected
        found[version] = [
            Finding(
                kind="concept",
                segment=ALL,
                feature="accuracy",
                method="concept_gap",
                score=gap,
                p_value=chance,
                alpha=alpha,
                significant=chance <= alpha and abs(gap) >= GAP_MIN,
                score_min=GAP_MIN,
                window_begin_ns=tick_ns - quality.config.quality.window_ns,
                window_end_ns=tick_ns,
                rows=count,
                reference_rows=reference_rows,
                direction=f"accuracy {realised:.3g} where {expected:.3g} was expected",
            )
        ]
    return found
