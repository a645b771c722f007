"""streamgauge on the peers' rows: with just the job, and with its default detector and 20 rules."""

import math
from typing import Any

from alerts import Alerts, alert_of_score, values_since
from job import BOUND_SQUARED, FIRST_VARIANCE, WEIGHT
from load import INTERVAL_MS, PARTITIONS, delete_topics, rules_yaml
from program import Look, running

PREFIX = "streamgauge-peers-own"
LATENESS_MS = 5_000
THRESHOLD = math.sqrt(BOUND_SQUARED)

JOB: dict[str, Any] = {
    "rules": {"bundled": False},
    "detectors": [
        {
            "use": "ewma",
            "params": {
                "weight": WEIGHT,
                "threshold": THRESHOLD,
                "initial_deviation": math.sqrt(FIRST_VARIANCE),
            },
        }
    ],
}
WHOLE: dict[str, Any] = {"rules": {"files": ["rules.yaml"]}}


def reachable_rows(rows: int, series: int) -> int:
    """Rows that the watermark passes while no partition is idle."""
    return rows - LATENESS_MS * series // INTERVAL_MS - PARTITIONS


def run_own(
    brokers: str, topic: str, rows: int, series: int, extra: dict[str, Any]
) -> tuple[Look, Look, Alerts]:
    """Run the program until its watermark can go no further.

    Returns
    -------
    tuple of Look, Look, dict
        The first look at which rows were read, the last one, and all scores beyond the threshold
        as alerts.
    """
    settings = {
        "sources": [{"kafka": {"brokers": brokers, "topic": topic, "start": "earliest"}}],
        "time": {"lateness": f"{LATENESS_MS}ms"},
        "sinks": [{"kafka": {"brokers": brokers, "prefix": PREFIX}}],
        "state": {"checkpoint": "5s"},
        **extra,
    }
    scores = f"{PREFIX}.scores"
    delete_topics(brokers, f"{PREFIX}.")
    try:
        with running(settings, files={"rules.yaml": rules_yaml()}) as program:
            looks = list(program.looks_until(reachable_rows(rows, series)))
        alerts = dict(
            alert_of_score(text, threshold=THRESHOLD) for text in values_since(brokers, scores, {})
        )
    finally:
        delete_topics(brokers, f"{PREFIX}.")
    return looks[0], looks[-1], alerts
