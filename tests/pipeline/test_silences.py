"""Late, absent and stale are told apart: in each situation the right verdict, live and replayed.

Beside it stands what an evaluation by wall clock would have said; docs/silences.md shows both.
"""

import random
from collections import Counter
from pathlib import Path

import pytest
from silence_situations import SITUATIONS, fleet, lagging
from silence_verdicts import (
    PLAIN,
    WITH_OPTIONS,
    faults,
    flow_spans,
    plans,
    right_spans,
    wall_clock_spans,
)
from silence_world import World, logs_of

PAGE = Path(__file__).parents[2] / "docs/silences.md"
AFTER_S = 240
HEAD = (
    "situation", "streamgauge", "said after, at most", "by wall clock: the same rules",
    "by wall clock: where only `rule_options` help",
)  # fmt: skip


class Ran:
    """A situation that was lived through, replayed, and judged."""

    def __init__(self, folder, rows, *, until_s, **live):
        logs = logs_of(rows)
        plan, bare = plans(folder, len(logs))
        self.world = World(plan, logs).live(until_s + AFTER_S, **live)
        self.world.close()
        self.replayed = World(plan, logs, batch_rows=7).replay(self.world.journals)
        self.replayed.close()
        self.right = right_spans(plan, rows, until_s)
        self.said = flow_spans(self.world, until_s)
        self.by_wall_clock = wall_clock_spans(bare, self.world.arrived, until_s)
        self.faults = faults(self.said, self.right, (*PLAIN, *WITH_OPTIONS))
        self.wall_clock_faults = faults(self.by_wall_clock, self.right, PLAIN)
        self.wall_clock_lacks = faults(self.by_wall_clock, self.right, WITH_OPTIONS)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Give a function that runs a situation once."""
    known = {}

    def run(situation):
        if situation.name not in known:
            folder = tmp_path_factory.mktemp("silence")
            known[situation.name] = Ran(
                folder, situation.rows, until_s=situation.until_s, **situation.live
            )
        return known[situation.name]

    return run


def times_of(spans):
    return {alert: [span.times for span in found] for alert, found in spans.items()}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_verdict_is_right(situation, ran):
    found = ran(situation)
    assert times_of(found.said) == times_of(found.right)
    shown = {alert: " ".join(map(str, found.said.get(alert, []))) for alert in situation.right}
    assert shown == situation.right
    assert found.faults.counts == (0, 0, 0, 0)
    letters = Counter(letter.reason.value for letter in found.world.letters)
    assert letters == +Counter(late=situation.late, bad_timestamp=situation.wild)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_a_replay_at_full_speed_says_the_same(situation, ran):
    found = ran(situation)
    assert found.replayed.said.keys() == found.world.said.keys()


def test_what_is_said_again_after_a_crash_is_the_same(ran):
    (situation,) = (item for item in SITUATIONS if "crash" in item.live)
    assert ran(situation).world.said_again > 0


@pytest.mark.parametrize("lag_s", [30, 45, 60, 75, 90, 105, 120])
def test_lag_makes_no_false_resolves_and_no_refires(lag_s, tmp_path):
    generator = random.Random(lag_s)
    rows = fleet(partitions=3)
    for _ in range(3):
        begin = generator.randrange(300, 900)
        partition = generator.choice((None, 0, 1))
        rows = lagging(rows, lag_s, begin=begin, end=begin + 120, partition=partition)
    found = Ran(tmp_path, rows, until_s=1200)
    assert times_of(found.said) == times_of(found.right)
    assert found.faults.counts == (0, 0, 0, 0)
    assert found.replayed.said.keys() == found.world.said.keys()


def test_lag_makes_the_wall_clock_resolve_and_fire_again(ran):
    lags = [ran(item).wall_clock_faults for item in SITUATIONS if "lag of" in item.name]
    assert sum(item.false_resolves for item in lags) > 0
    assert sum(item.refires for item in lags) > 0


def test_the_page_shows_what_was_computed(ran):
    lines = [HEAD, ("---",) * len(HEAD)]
    for situation in SITUATIONS:
        found = ran(situation)
        lines.append((
            situation.name, f"{found.faults}: {situation.says}", f"{found.faults.late_s} s",
            _worded(found.wall_clock_faults), _worded(found.wall_clock_lacks),
        ))  # fmt: skip
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    assert table in PAGE.read_text(), f"docs/silences.md should have\n{table}"


def _worded(found):
    return f"{found}, {found.late_s} s late" if found.late_s else str(found)
