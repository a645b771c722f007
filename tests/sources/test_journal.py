"""The journal keeps the furthest promise of each place, through kills and within its bound."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sources import journal as journal_module
from engine.sources.journal import Journal

WRITES = st.lists(
    st.tuples(st.sampled_from(["a/0", "b/1"]), st.integers(0, 3), st.integers(0, 99)), max_size=30
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(WRITES)
def test_reads_the_furthest_of_each_place(tmp_path_factory, writes):
    journal = Journal(tmp_path_factory.mktemp("journal") / "idle.jsonl")
    twin = {}
    for partition, offset, ts in writes:
        journal.write(partition, offset, ts)
        places = twin.setdefault(partition, {})
        places[offset] = max(ts, places.get(offset, 0))
    assert journal.read() == twin


def test_no_path_keeps_nothing():
    journal = Journal(None)
    journal.write("a", 1, 2)
    assert journal.read() == {}


def test_a_line_that_a_killed_run_left_costs_itself_only(tmp_path):
    path = tmp_path / "idle.jsonl"
    Journal(path).write("a", 1, 10)
    with path.open("ab") as file:
        file.write(b'{"partition":"a","off')
    Journal(path).write("a", 2, 20)
    assert Journal(path).read() == {"a": {1: 10, 2: 20}}


def test_growth_is_bounded_and_the_newest_promises_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "_BYTES_MAX", 4000)
    path = tmp_path / "idle.jsonl"
    journal = Journal(path)
    for step in range(500):
        journal.write("ab"[step % 2], step, 1000 + step)
        assert path.stat().st_size <= 4100
    kept = journal.read()
    offsets = sorted(offset for places in kept.values() for offset in places)
    assert offsets == list(range(500 - len(offsets), 500))
    assert len(offsets) > 20
    assert set(kept) == {"a", "b"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_place_does_not_make_it_grow(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "_BYTES_MAX", 4000)
    journal = Journal(tmp_path / "idle.jsonl")
    for step in range(500):
        journal.write("a", 7, step)
    assert journal.read() == {"a": {7: 499}}
    lines = journal.path.read_bytes().split()
    assert all(msgspec.json.decode(line)["offset"] == 7 for line in lines)
