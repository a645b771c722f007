"""Which format of documents a topic has, by what the readers say of its messages."""

import pytest

from engine.codecs.cloud_events import Record
from engine.codecs.recognise import (
    DOCUMENT_FORMATS_BY_SPECIFICITY,
    MESSAGES_MAX,
    DocumentsRead,
    recognise_documents,
)

FIRST, SECOND, *_, LAST = DOCUMENT_FORMATS_BY_SPECIFICITY


def records(*payloads):
    return [Record(payload) for payload in payloads]


def reader(marks=b"a", passed=b""):
    """Use messages that begin with one of `marks`, pass over others, refuse the rest."""

    def read(some):
        firsts = [record.payload[:1] for record in some]
        used = {place for place, first in enumerate(firsts) if first in marks}
        refused = {place for place, first in enumerate(firsts) if first not in marks + passed}
        return DocumentsRead(used, refused)

    return read


@pytest.mark.parametrize(
    ("payloads", "is_found"),
    [
        ((b"a",), True),
        ((b"a", b"a", b"x"), True),
        ((b"a", b"x"), False),
        ((b"x",), False),
        ((b"", b"", b"a"), True),
        ((b"",), False),
        ((), False),
    ],
)
def test_most_messages_decide(payloads, is_found):
    found = recognise_documents(records(*payloads), {FIRST: reader()})
    assert (found == FIRST) is is_found


def test_the_most_specific_format_wins():
    readers = {LAST: reader(b"ab"), SECOND: reader(b"b"), FIRST: reader(b"a")}
    assert recognise_documents(records(b"a"), readers) == FIRST
    assert recognise_documents(records(b"b"), readers) == SECOND
    assert recognise_documents(records(b"a", b"b", b"b", b"a"), readers) == LAST


def test_messages_that_are_passed_over_are_neither_for_nor_against():
    readers = {FIRST: reader(b"a", passed=b"-")}
    assert recognise_documents(records(b"-", b"-", b"-", b"a"), readers) == FIRST
    assert recognise_documents(records(b"-", b"-"), readers) is None


def test_a_message_that_is_used_in_part_is_used():
    def read(some):
        everything = set(range(len(some)))
        return DocumentsRead(everything, everything)

    assert recognise_documents(records(b"a"), {FIRST: read}) == FIRST


def test_only_the_first_messages_are_read():
    seen = []

    def read(some):
        seen.extend(some)
        return DocumentsRead({0}, set())

    assert recognise_documents(records(*[b"a"] * (3 * MESSAGES_MAX)), {FIRST: read}) == FIRST
    assert len(seen) == MESSAGES_MAX


def test_formats_without_a_reader_are_not_considered():
    assert recognise_documents(records(b"a"), {}) is None
