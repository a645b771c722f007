"""The table of identities against a dictionary, also where hashes collide and room runs out."""

import random

import numpy as np
import pytest

from engine.codecs import interning
from engine.codecs.interning import (
    FULL_HASH,
    WORD_PADDING,
    IdentityTable,
    equal_bytes,
    hash_bytes,
    load_word,
)


def laid_out(identities):
    """Put (name, labels) pairs into a buffer, with their spans."""
    text, spans = bytearray(b"?"), []
    for name, labels in identities:
        name_start = len(text)
        text += name + b"---"
        labels_start = len(text)
        text += labels + b"-"
        spans.append((name_start, len(name), labels_start, len(labels)))
    buffer = np.frombuffer(bytes(text) + bytes(WORD_PADDING), np.uint8)
    return buffer, np.array(spans, np.int64).reshape(-1, 4)


def some_identities(count, seed=1):
    rng = random.Random(seed)
    found = {
        (rng.randbytes(rng.randint(1, 20)), rng.randbytes(rng.randint(0, 40))) for _ in range(count)
    }
    return sorted(found)


def look_up_and_learn(table, identities, fingerprint_of):
    """Find all, add what was missed; gives the found fingerprints by identity."""
    buffer, spans = laid_out(identities)
    fingerprint = np.zeros(len(spans), np.uint64)
    missed = table.find(buffer, spans, fingerprint).tolist()
    for row in missed:
        table.add(buffer, spans[row], fingerprint_of[identities[row]])
    rows = set(range(len(spans))) - set(missed)
    return {identities[row]: int(fingerprint[row]) for row in rows}


@pytest.mark.parametrize("hash_mask", [FULL_HASH, 0xFF, 0xFFFF << 40, 0])
def test_what_is_found_is_right_however_many_hashes_collide(hash_mask):
    identities = some_identities(3000)
    fingerprint_of = {identity: 2**63 + index for index, identity in enumerate(identities)}
    table = IdentityTable(entries_max=10_000, hash_mask=hash_mask)
    assert look_up_and_learn(table, identities, fingerprint_of) == {}
    found = look_up_and_learn(table, identities[::-1], fingerprint_of)
    assert found.items() <= fingerprint_of.items()
    assert 1 <= len(found) == len(table)
    if hash_mask == FULL_HASH:
        assert found == fingerprint_of
    if hash_mask == 0:
        assert len(found) == 1


def test_where_name_and_labels_part_matters():
    table = IdentityTable(entries_max=100)
    fingerprint_of = {
        (b"ab", b"c"): 1,
        (b"a", b"bc"): 2,
        (b"abc", b""): 3,
        (b"abc", b"\0"): 4,
        (b"", b""): 5,
    }
    identities = list(fingerprint_of)
    assert look_up_and_learn(table, identities, fingerprint_of) == {}
    assert look_up_and_learn(table, identities, fingerprint_of) == fingerprint_of


def test_adding_twice_changes_nothing():
    table = IdentityTable(entries_max=100)
    buffer, spans = laid_out([(b"name", b"labels")])
    table.add(buffer, spans[0], 1)
    table.add(buffer, spans[0], 1)
    assert len(table) == 1


def test_a_full_table_starts_anew():
    identities = some_identities(1000)
    fingerprint_of = {identity: index for index, identity in enumerate(identities)}
    table = IdentityTable(entries_max=64)
    for identity in identities:
        look_up_and_learn(table, [identity], fingerprint_of)
        assert len(table) <= 64
        assert look_up_and_learn(table, [identity], fingerprint_of) == {
            identity: fingerprint_of[identity]
        }


def test_bytes_are_bounded_too():
    """16 entries may have 64 KiB: long identities make the table start anew before it is full."""
    table = IdentityTable(entries_max=16)
    identities = [(b"n%d" % index, b"x" * 20_000) for index in range(12)]
    fingerprint_of = {identity: index for index, identity in enumerate(identities)}
    for identity in identities:
        look_up_and_learn(table, [identity], fingerprint_of)
        assert len(table) <= 3
    assert look_up_and_learn(table, identities[-1:], fingerprint_of) == {identities[-1]: 11}


def test_an_identity_larger_than_all_room_is_left_out():
    table = IdentityTable(entries_max=16)
    fingerprint_of = {(b"small", b""): 1, (b"large", b"x" * 70_000): 2}
    for _ in range(2):
        found = look_up_and_learn(table, list(fingerprint_of), fingerprint_of)
    assert found == {(b"small", b""): 1}


def test_spans_as_bytes():
    rng = random.Random(2)
    text = rng.randbytes(64)
    buffer = np.frombuffer(text + bytes(WORD_PADDING), np.uint8)
    for start in range(40):
        assert load_word(buffer, start) == int.from_bytes(text[start : start + 8], "little")
        for length in range(24):
            span = text[start : start + length]
            changed = np.frombuffer(b"??" + span + b"other bytes", np.uint8).copy()
            assert equal_bytes(buffer, start, changed, 2, length)
            assert hash_bytes(buffer, start, length, 7) == hash_bytes(changed, 2, length, 7)
            if length:
                changed[2 + rng.randrange(length)] ^= 1 << rng.randrange(8)
                assert not equal_bytes(buffer, start, changed, 2, length)
                assert hash_bytes(buffer, start, length, 7) != hash_bytes(changed, 2, length, 7)


@pytest.mark.parametrize("hash_mask", [FULL_HASH, 0xFFF])
def test_a_table_that_grows_bit_by_bit_forgets_nothing(hash_mask, monkeypatch):
    """As many slots move at a call that two tables are there most of the time."""
    monkeypatch.setattr(interning, "_MOVED_MIN", 0)
    monkeypatch.setattr(interning, "_MOVED_PER_ROW", 2)
    identities = some_identities(20_000)
    random.Random(3).shuffle(identities)
    fingerprint_of = {identity: index for index, identity in enumerate(identities)}
    table, with_two = IdentityTable(entries_max=10**6, hash_mask=hash_mask), 0
    for begin in range(0, len(identities), 500):
        some = identities[begin : begin + 500]
        assert look_up_and_learn(table, some, fingerprint_of) == {}
        with_two += len(table._old) > 0
        found = look_up_and_learn(table, identities[: begin + 500 : 7], fingerprint_of)
        assert found.items() <= fingerprint_of.items()
        if hash_mask == FULL_HASH:
            assert len(found) == len(identities[: begin + 500 : 7])
    assert with_two > 4
    found = look_up_and_learn(table, identities, fingerprint_of)
    assert len(found) == len(table) if hash_mask == FULL_HASH else len(found) > 3000


def test_where_room_is_refused_there_is_less(monkeypatch):
    refused = []

    def strict(shape, dtype):
        if shape[0] > 200_000:
            refused.append(shape)
            raise OSError
        return np.zeros(shape, dtype)

    monkeypatch.setattr(interning, "zeros_on_demand", strict)
    identities = some_identities(4000)
    fingerprint_of = {identity: index for index, identity in enumerate(identities)}
    table = IdentityTable(entries_max=10_000)
    look_up_and_learn(table, identities, fingerprint_of)
    assert look_up_and_learn(table, identities, fingerprint_of) == fingerprint_of
    assert refused
