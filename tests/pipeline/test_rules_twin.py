"""The flow says of any rules what a slow evaluation of each rule at each tick says.

Aim: alerts by labels, tick, transition and value, to the bit, whatever the order of arrival, the
cuts, the shards and restarts. Method: random rule files on random data; the twin keeps all samples.
"""

import json
import random
from collections import Counter
from functools import cache

import msgspec
import pytest
from direct_flow import DirectFlow, Partition
from made_rule_files import PLAIN_RULES, rule_files, samples
from naive_rules import naive_run, said_in

from engine.config.load import parse_config
from engine.config.positions import load_yaml
from engine.pipeline.build import make_plan

SECOND_NS = 10**9
LATENESS_NS = 45 * SECOND_NS


EXAMPLES = 42
SHUFFLES = 1008  # of all examples together, where there is time


def groups_in(text):
    return load_yaml(text, "rules.yaml")[0]["groups"]


def random_example(seed, folder):
    generator = random.Random(seed)
    files, options = rule_files(generator)
    lookback_s = generator.choice((60, 300))
    rows = samples(generator)
    return Example(folder, files, options=options, rows=rows, lookback_s=lookback_s)


class Example:
    """Rules and data; what the twin says of them."""

    def __init__(self, folder, files, *, options=(), rows, lookback_s=300):
        self.files, self.options, self.folder = files, list(options), folder
        for name, text in files.items():
            (folder / name).write_text(text)
        self.lookback_s = lookback_s
        self.rows = rows
        self.groups = [
            (file, group["name"]) for file, text in files.items() for group in groups_in(text)
        ]
        watermark = max(row[1] for row in rows)
        self.said, self.rules = naive_run(self.plan(), self.groups, rows, watermark)

    def plan(self, *, shards=1, partitions=1):
        """Plan the flow."""
        config = {
            "rules": {"files": ["*.yaml"], "lookback": f"{self.lookback_s}s"},
            "detectors": [],
            "state": {"shards": shards},
            "rule_options": self.options,
        }
        parsed = parse_config(
            json.dumps(config), file="config.yaml", environment={}, folder=self.folder
        )
        return make_plan(parsed, [f"p{number}" for number in range(partitions)])


@pytest.fixture(scope="module")
def example_of(tmp_path_factory):
    """Give examples by number, each made once."""
    return cache(lambda seed: random_example(seed, tmp_path_factory.mktemp("rules")))


class Run:
    """One run of an example: in a random order within the lateness, at random cuts."""

    def __init__(self, example, generator, *, restarts=0.0, sizes=None):
        count = generator.randrange(1, 4)
        self.plan = example.plan(shards=generator.choice((1, 2, 3)), partitions=count)
        self.flow = DirectFlow(self.plan)
        self.alerts = []
        logs = [[] for _ in range(count)]
        for row in sorted(example.rows, key=lambda row: row[1] + generator.randrange(LATENESS_NS)):
            logs[row[0].fingerprint % count].append(row)
        parts = [Partition(self.plan, number, lateness_ns=LATENESS_NS) for number in range(count)]
        sizes = sizes or generator.choice(((1, 5, 20), (50, 100), (10**6,)))
        self._feed(list(zip(parts, logs, strict=True)), generator, restarts, sizes)
        self.flow.feed(*(part.batch([], ended=True) for part in parts))
        self.flow.finish()
        self._collect()

    def _feed(self, parts, generator, restarts, sizes):
        while any(log for _, log in parts):
            partition, log = generator.choice([item for item in parts if item[1]])
            size = generator.choice(sizes)
            self.flow.feed(partition.batch(log[:size], caught_up=generator.random() < 0.5))
            del log[:size]
            if generator.random() < restarts:
                self._collect()
                self.flow = DirectFlow(self.plan).restore(self.flow.state())

    def _collect(self):
        for alerts in self.flow.alerts.values():
            self.alerts += alerts

    def failures(self):
        """Ticks that failed, by rule, and what is wrong at the last tick."""
        failures, errors = {}, {}
        for lane in self.flow.lanes:
            failures |= lane.failures()
            errors |= lane.errors()
        return failures, errors

    def records(self):
        """All that is said, to the bit, ids included."""
        return sorted(
            (alert.tick, alert.fingerprint, msgspec.json.encode(alert.event))
            for alert in self.alerts
        )


def differences(got, expected):
    """What is said too much and too little, by tick first."""
    got, expected = Counter(got), Counter(expected)
    return (
        sorted((got - expected).elements(), key=lambda item: item[1])[:5],
        sorted((expected - got).elements(), key=lambda item: item[1])[:5],
    )


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_the_flow_says_what_the_twin_says(example_of, seed):
    example = example_of(seed)
    run = Run(example, random.Random(seed))
    assert differences(said_in(run.alerts), example.said) == ([], [])
    failures, errors = run.failures()
    twins = example.rules.items()
    assert failures == {key: len(rule.errors) for key, rule in twins if rule.errors}
    assert errors == {key: rule.last_error for key, rule in twins if rule.last_error}


@pytest.mark.parametrize("name", sorted(PLAIN_RULES))
@pytest.mark.parametrize("seed", range(3))
def test_plain_rules_at_many_cuts_and_restarts(name, seed, tmp_path):
    generator = random.Random(seed)
    example = Example(tmp_path, {"a.yaml": PLAIN_RULES[name]}, rows=samples(generator))
    assert len(example.said) > 3
    run = Run(example, generator, restarts=0.2, sizes=(1, 5, 40))
    assert differences(said_in(run.alerts), example.said) == ([], [])


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_restarts_do_not_matter(example_of, seed):
    example = example_of(seed)
    run = Run(example, random.Random(seed + 1000), restarts=0.04)
    assert differences(said_in(run.alerts), example.said) == ([], [])


def test_the_examples_say_enough(example_of):
    said = [record for seed in range(EXAMPLES) for record in example_of(seed).said]
    statuses = Counter(record[2][1] if record[2] else "over" for record in said)
    assert min(statuses[name] for name in ("pending", "firing", "resolved", "over")) > 20
    text = " ".join(text for seed in range(EXAMPLES) for text in example_of(seed).files.values())
    for construct in (
        "sum", "topk", "quantile ", "count_values", " and ", " or ", " unless ", "group_left",
        "absent(", "absent_over_time(", ":]", ":45s]", "histogram_quantile", "label_replace",
        "predict_linear", "ALERTS{", "ALERTS_FOR_STATE", "rec:", "limit", "query_offset",
        "keep_firing_for", "$value", "offset",
    ):  # fmt: skip
        assert text.count(construct) >= 2, construct
    plans = [example_of(seed).plan().rules for seed in range(EXAMPLES)]
    clusters = [cluster for plan in plans for cluster in plan.clusters]
    assert sum(cluster.by_ticks for cluster in clusters) > 5
    assert sum(len(cluster.groups) > 1 and not cluster.by_ticks for cluster in clusters) > 1
    messages = {
        text.split()[0]
        for seed in range(EXAMPLES)
        for rule in example_of(seed).rules.values()
        for text in rule.errors
    }
    assert len(messages) > 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_order_cuts_and_partitions_do_not_matter(example_of, seed):
    """All 1,008 runs say the same, ids included."""
    example = example_of(seed)
    expected = Run(example, random.Random(seed)).records()
    for number in range(SHUFFLES // EXAMPLES):
        generator = random.Random(seed * SHUFFLES + number)
        assert Run(example, generator, restarts=0.01).records() == expected
