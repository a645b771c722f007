"""Shards, leaves and life cycle together do what Prometheus' promtool does, tick by tick.

Debian's promtool has windows closed on the left (see the oracle's README): ranges begin 1 ms
beside the grid of samples, and the interval is no divisor of the lookback.
"""

import json
import math
import random
import subprocess
from datetime import datetime

import pytest
from direct_flow import DirectFlow, Partition, plan_of

from engine.series.identity import Series

INTERVAL_S = 45
TICKS = 48
SERIES_PER_CALL = 12
FUNCTIONS = ("avg", "count", "last", "max", "min", "present", "stddev", "stdvar", "sum")
COMPARISONS = (">", "<", ">=", "<=", "==", "!=")
GAPS = (1, 2, 3, 6, 9)  # the lookback reaches over six


def random_expression(generator):
    offset = ""
    if generator.random() < 0.25:
        offset = f" offset {generator.choice((1, 3, 7)) * INTERVAL_S}s"
    function = generator.choice((None, *FUNCTIONS))
    leaf = f"m{offset}"
    if function:
        window_ms = generator.choice((1, 2, 4, 8)) * INTERVAL_S * 1000 + 1
        leaf = f"{function}_over_time(m[{window_ms}ms]{offset})"
    if generator.random() < 0.1:
        return leaf
    level = generator.choice((0.37, 1.37, 2.61, 2, 4.81, 9.13))
    if function in ("avg", "stddev", "stdvar"):
        level += 0.0137  # which no mean of a few small whole numbers reaches
    return f"{leaf} {generator.choice(COMPARISONS)} {level}"


def random_rules(generator, group, count=10):
    rules = []
    for number in range(count):
        rule = {"alert": f"{group}{number}", "expr": random_expression(generator)}
        if generator.random() < 0.7:
            rule["for"] = generator.choice(("45s", "1m", "90s", "5m"))
        if generator.random() < 0.5:
            rule["keep_firing_for"] = generator.choice(("45s", "1m", "3m", "4m"))
        if generator.random() < 0.3:
            rule["labels"] = {"severity": "page", "of": "{{ $labels.i }}", "empty": ""}
        rules.append(rule)
    return {"name": group, "interval": f"{INTERVAL_S}s", "rules": rules}


def random_samples(generator):
    """Values of a series by tick: numbers, None for a gap, "stale"."""
    samples = []
    while len(samples) <= TICKS:
        kind = generator.random()
        if kind < 0.15:
            samples += [None] * generator.choice(GAPS) + [generator.randrange(5)]
        elif kind < 0.22:
            samples.append("stale")
        elif kind < 0.25:
            samples.append(generator.choice((math.nan, math.inf, -math.inf)))
        elif kind < 0.6:
            samples += [generator.randrange(5)] * generator.randrange(1, 6)
        else:
            samples.append(generator.randrange(-2, 6))
    return samples[: TICKS + 1]


def promtool_notation(value):
    if value is None:
        return "_"
    if value == "stale":
        return value
    return str(value).replace("inf", "Inf").replace("nan", "NaN")


def promtool_says(oracle, rules, samples, folder):
    (folder / "rules.yaml").write_text(rules)
    series = [
        {"series": f'm{{i="{i}"}}', "values": " ".join(map(promtool_notation, values))}
        for i, values in enumerate(samples)
    ]
    (folder / "series.json").write_text(json.dumps(series))
    command = [
        str(oracle), "timeline", "--rules", "rules.yaml", "--series-json", "series.json",
        "--ticks", str(TICKS), "--interval", f"{INTERVAL_S}s",
    ]  # fmt: skip
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode == 2:
        pytest.skip(f"the oracle can't run: {run.stderr or run.stdout}")
    assert run.returncode == 0, run.stderr
    return [
        {
            (frozenset(alert["labels"].items()), alert["state"], alert["active_at_s"])
            for alert in tick["alerts"]
        }
        for tick in json.loads(run.stdout)["ticks"]
    ]


def engine_says(plan, samples, generator):
    """Which alerts are pending or firing at each tick, from the records of the transitions."""
    rows = [
        (Series.of("m", {"i": str(i)}), tick * INTERVAL_S * 10**9,
         math.nan if value == "stale" else value, int(value == "stale"))
        for i, values in enumerate(samples)
        for tick, value in enumerate(values)
        if value is not None
    ]  # fmt: skip
    rows.sort(key=lambda row: row[1])
    flow, partition = DirectFlow(plan), Partition(plan, 0, lateness_ns=1)
    while rows:
        size = generator.choice((1, 7, 40, 200))
        flow.feed(partition.batch(rows[:size]))
        rows = rows[size:]
    flow.feed(partition.batch([], ended=True))
    flow.finish()
    changes = [alert for alerts in flow.alerts.values() for alert in alerts]
    active, timeline = {}, []
    for tick in range(TICKS + 1):
        for alert in (item for item in changes if item.tick == tick * INTERVAL_S * 10**9):
            event = alert.event
            if event is None or event.status == "resolved":
                active.pop(alert.fingerprint, None)
            else:
                since = datetime.fromisoformat(event.activeAt).timestamp()
                labels = frozenset(event.labels.items())
                active[alert.fingerprint] = (labels, event.status, since)
        timeline.append(set(active.values()))
    return timeline


@pytest.mark.parametrize("seed", range(8))
def test_alerts_equal_promtool_at_every_tick(seed, tmp_path, shared):
    generator = random.Random(seed)
    groups = [random_rules(generator, group) for group in "ABC"]
    rules = json.dumps({"groups": groups})
    samples = [random_samples(generator) for _ in range(SERIES_PER_CALL)]
    # One series from the first tick to the last, so that both sides see all of them.
    samples[0] = [generator.randrange(5) for _ in range(TICKS + 1)]
    oracle = shared / "tools/prometheus-oracle/oracle"
    expected = promtool_says(oracle, rules, samples, tmp_path)
    plan = plan_of(tmp_path, rules, config="detectors: []\nstate: {shards: 3}\n")
    got = engine_says(plan, samples, generator)
    assert sum(map(len, expected)) > 500
    differences = {
        tick: (sorted(map(str, mine - theirs)), sorted(map(str, theirs - mine)))
        for tick, (mine, theirs) in enumerate(zip(got, expected, strict=True))
        if mine != theirs
    }
    assert differences == {}
