"""Bytewax puts every key where its name says, so that shards spread evenly."""

import threading

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink, TestingSource, cluster_main
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pipeline.shard_names import BASE, balanced_names, key_hash

MASK = 2**64 - 1


def rotated(x, by):
    return (x << by | x >> (64 - by)) & MASK


def naive_siphash13(data):
    """SipHash-1-3 with a zero key, after the paper's reference code."""
    v0, v1, v2, v3 = (
        int.from_bytes(text, "big") for text in (b"somepseu", b"dorandom", b"lygenera", b"tedbytes")
    )

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = (v0 + v1) & MASK
            v1 = rotated(v1, 13) ^ v0
            v0 = rotated(v0, 32)
            v2 = (v2 + v3) & MASK
            v3 = rotated(v3, 16) ^ v2
            v0 = (v0 + v3) & MASK
            v3 = rotated(v3, 21) ^ v0
            v2 = (v2 + v1) & MASK
            v1 = rotated(v1, 17) ^ v2
            v2 = rotated(v2, 32)

    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for place in range(0, len(padded), 8):
        word = int.from_bytes(padded[place : place + 8], "little")
        v3 ^= word
        rounds(1)
        v0 ^= word
    v2 ^= 0xFF
    rounds(3)
    return v0 ^ v1 ^ v2 ^ v3


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_the_hash_equals_the_papers_code(key):
    assert key_hash(key) == naive_siphash13(key.encode() + b"\xff")


def test_hashes_are_those_that_bytewax_was_seen_to_use():
    assert key_hash("s0") == 0x23EA539721B8F1F9
    assert [key_hash(f"s{i}") % 8 for i in range(8)] == [1, 3, 2, 1, 4, 0, 5, 7]


@pytest.mark.parametrize(("kind", "count"), [("s", 64), ("r", 8)])
def test_names_are_spread_evenly_over_usual_numbers_of_workers(kind, count):
    names = balanced_names(kind, count)
    assert len(set(names)) == count
    assert all(name.startswith(f"{kind}{i}.") for i, name in enumerate(names))
    for workers in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16):
        assert BASE % workers == 0
        assert [key_hash(name) % workers for name in names] == [i % workers for i in range(count)]


def test_names_are_the_same_ever_after():
    # They are on disk: another choice would lose the state.
    assert balanced_names("s", 64)[:3] == balanced_names("s", 3)
    assert balanced_names("r", 2) == ("r0.14023", "r1.10274")


class Here(StatefulBatchLogic):
    """Says which thread, that is which worker, has the key."""

    def on_batch(self, values):
        return [threading.get_ident()], StatefulBatchLogic.RETAIN

    def snapshot(self):
        return None


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_bytewax_puts_names_where_they_say(workers):
    names = balanced_names("s", 16)
    said = []
    flow = Dataflow("placement")
    items = op.input("in", flow, TestingSource([(name, 0) for name in names]))
    placed = op.stateful_batch("where", items, lambda _state: Here())
    op.output("out", placed, TestingSink(said))
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    thread_of = dict(said)
    assert set(thread_of) == set(names)
    assert len(set(thread_of.values())) == workers
    for i, name in enumerate(names):
        assert thread_of[name] == thread_of[names[i % workers]]
