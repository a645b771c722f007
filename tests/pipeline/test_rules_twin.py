"""The flow says of any rules what a slow evaluation of each rule at each tick says.

Aim: alerts by labels, tick, transition and value, to the bit, whatever the order of arrival, the
cuts, the shards and restarts. Method: random rule files on random data; the twin keeps all samples.
"""

import json
import random
from collections import Counter

import pytest
from direct_flow import DirectFlow, Partition
from made_rule_files import rule_files, samples
from naive_rules import naive_run, said_by_flow

from engine.config.load import parse_config
from engine.pipeline.build import make_plan

SECOND_NS = 10**9
LATENESS_NS = 45 * SECOND_NS


class Example:
    """Random rules and data; what the twin says of them."""

    def __init__(self, seed, folder):
        generator = random.Random(seed)
        self.files, self.options = rule_files(generator)
        self.folder = folder / str(seed)
        self.folder.mkdir()
        for name, text in self.files.items():
            (self.folder / name).write_text(text)
        self.lookback_s = generator.choice((60, 300))
        self.rows = samples(generator)
        self.groups = [
            (file, group["name"])
            for file, text in self.files.items()
            for group in json.loads(text)["groups"]
        ]
        watermark = max(row[1] for row in self.rows)
        self.said, self.errors = naive_run(self.plan(), self.groups, self.rows, watermark)

    def plan(self, *, shards=1, partitions=1):
        config = {
            "rules": {"files": ["*.yaml"], "lookback": f"{self.lookback_s}s"},
            "detectors": [],
            "state": {"shards": shards},
            "rule_options": self.options,
        }
        names = [f"p{number}" for number in range(partitions)]
        parsed = parse_config(
            json.dumps(config), file="config.yaml", environment={}, folder=self.folder
        )
        return make_plan(parsed, names)


def flow_says(example, generator, *, restarts=0.03):
    """Run an example in a random order within the lateness, with random cuts and restarts."""
    plan = example.plan(shards=generator.choice((1, 2, 3)), partitions=generator.randrange(1, 4))
    count = len(plan.partitions)
    logs = [[] for _ in range(count)]
    for row in sorted(example.rows, key=lambda row: row[1] + generator.randrange(LATENESS_NS)):
        logs[row[0].fingerprint % count].append(row)
    parts = [(Partition(plan, number, lateness_ns=LATENESS_NS), log)
             for number, log in enumerate(logs)]  # fmt: skip
    sizes = generator.choice(((1, 5, 20), (50, 100), (10**6,)))
    flow, said, errors = DirectFlow(plan), [], {}
    while any(log for _, log in parts):
        partition, log = generator.choice([item for item in parts if item[1]])
        size = generator.choice(sizes)
        flow.feed(partition.batch(log[:size], caught_up=generator.random() < 0.5))
        del log[:size]
        if generator.random() < restarts:
            said += said_by_flow(flow)
            flow = DirectFlow(plan).restore(flow.state())
    flow.feed(*(partition.batch([], ended=True) for partition, _ in parts))
    flow.finish()
    for lane in flow.lanes:
        errors |= lane.errors()
    return said + said_by_flow(flow), errors


def differences(got, expected):
    """What is said too much and too little, by tick first."""
    got, expected = Counter(got), Counter(expected)
    return (
        sorted((got - expected).elements(), key=lambda item: item[1])[:5],
        sorted((expected - got).elements(), key=lambda item: item[1])[:5],
    )


@pytest.mark.parametrize("seed", range(30))
def test_the_flow_says_what_the_twin_says(seed, tmp_path):
    example = Example(seed, tmp_path)
    said, _ = flow_says(example, random.Random(seed))
    assert differences(said, example.said) == ([], [])
