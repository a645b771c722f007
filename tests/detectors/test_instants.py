"""Instants of groups: equal to a slow twin, whatever the cuts at whole seconds."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.detectors.instants import INSTANT_NS, NO_GROUP, Groups

GROUPS = [0, 0, 0, 1, 1, NO_GROUP]
FINGERPRINTS = [50, 7, 30, 9, 8, 1]
RECENT_NS = 3 * INSTANT_NS
STEP_NS = INSTANT_NS // 4
ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 60), st.integers(-9, 9)), max_size=40,
    unique_by=lambda row: row[:2],
)  # fmt: skip


def made(members_max):
    groups = Groups(1, RECENT_NS, members_max)
    groups.grow(np.array(GROUPS, np.int32), np.array(FINGERPRINTS, np.uint64), 2, 10)
    return groups


def found(groups, rows, cuts):
    """Feed rows in blocks that end at whole seconds; each instant as plain values."""
    out = []
    edges = [0, *sorted(cuts), 99]
    for begin, end in itertools.pairwise(edges):
        block = sorted(row for row in rows if begin < row[1] * STEP_NS / INSTANT_NS <= end)
        slot = np.array([row[0] for row in block], np.int32)
        ts = np.array([row[1] * STEP_NS for row in block], np.int64)
        value = np.array([[float(row[2])] for row in block]).reshape(-1, 1)
        chosen = np.array([i for i, s in enumerate(slot) if GROUPS[s] != NO_GROUP], np.int64)
        instants = groups.instants(chosen, slot, ts, value)
        for i in range(len(instants)):
            parts = range(instants.start[i], instants.start[i + 1])
            members = [
                (int(instants.slot[k]), float(instants.values[k, 0]), bool(instants.row[k] >= 0))
                for k in parts
            ]
            assert [int(instants.member[k]) for k in parts] == sorted(instants.member[parts])
            out.append((int(instants.group[i]), int(instants.ts[i]), members))
    return sorted(out)


def naive(rows, members_max):
    members, latest, left_out, out = {0: [], 1: []}, {}, set(), []
    in_time = sorted(rows, key=lambda row: row[1])
    for _, rows_of_second in itertools.groupby(
        in_time, key=lambda row: -(-row[1] * STEP_NS // INSTANT_NS)
    ):
        some = list(rows_of_second)
        for group in (0, 1):
            mine = [row for row in some if GROUPS[row[0]] == group]
            for row in sorted(mine, key=lambda row: FINGERPRINTS[row[0]]):
                if row[0] not in members[group] and row[0] not in left_out:
                    full = len(members[group]) == members_max
                    (left_out.add if full else members[group].append)(row[0])
            mine = [row for row in mine if row[0] in members[group]]
            if not mine:
                continue
            latest |= {row[0]: row for row in mine}
            newest = max(row[1] for row in mine) * STEP_NS
            fresh = {row[0] for row in mine}
            there = [
                (s, float(latest[s][2]), s in fresh)
                for s in members[group]
                if s in latest and newest - latest[s][1] * STEP_NS <= RECENT_NS
            ]
            out.append((group, newest, there))
    return sorted(out), len(left_out)


def snapshot(groups):
    tables = [table.arrays for table in groups.tables()]
    return {name: array.copy() for arrays in tables for name, array in arrays.items()}


@settings(deadline=None)
@given(ROWS, st.sets(st.integers(1, 15)), st.sampled_from([2, 64]))
def test_equals_its_slow_twin_whatever_the_cuts(rows, cuts, members_max):
    groups = made(members_max)
    expected, left_out = naive(rows, members_max)
    assert found(groups, rows, cuts) == expected
    assert groups.left_out == left_out


@given(ROWS, ROWS)
@settings(deadline=None)
def test_goes_on_from_a_snapshot(first, later):
    later = [(slot, step + 80, value) for slot, step, value in later]
    whole = made(64)
    found(whole, first, ())
    arrays = {
        name: array.copy() for table in whole.tables() for name, array in table.arrays.items()
    }
    again = made(64)
    assert again.restore(arrays)
    assert found(again, later, ()) == found(whole, later, ())


def test_a_snapshot_of_other_groups_is_not_taken():
    whole = made(64)
    arrays = {
        name: array.copy() for table in whole.tables() for name, array in table.arrays.items()
    }
    arrays["group"][0] = 1
    assert not made(64).restore(arrays)
