"""Selectors beside the series of a recording: why they select nothing."""

import pytest

from engine.promql.selector import parse_selector
from engine.rules.known_series import KnownSeries
from engine.series.identity import Series

KNOWN = KnownSeries(
    [Series.of("up", {"job": "a"}), Series.of("up", {"job": "b"}), Series.of("cpu", {})],
    ["job:up:sum"],
)


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ("up", ""),
        ('up{job="b"}', ""),
        ('up{job="c"}', 'no series matches up{job="c"}'),
        ('up{job=~"a|c",other=""}', ""),
        ("down", "no series is called down"),
        ('{__name__=~"u.*"}', ""),
        ('{__name__=~"u.*",job="c"}', 'no series matches {__name__=~"u.*",job="c"}'),
        ('{__name__=~"v.*"}', 'no series has a name for {__name__=~"v.*"}'),
        ('{job="a"}', ""),
        ('job:up:sum{any="label"}', ""),
        ('{__name__=~"job:.*",any="label"}', ""),
        ('ALERTS{alertname="A"}', ""),
        ("ALERTS_FOR_STATE", ""),
        ('anomaly_onset{metric="up"}', ""),
    ],
)
def test_why_a_selector_selects_nothing(selector, reason):
    assert KNOWN.why_nothing(parse_selector(selector)) == reason
