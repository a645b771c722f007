"""Runs of records can be cut and joined anywhere."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.sources.records import joined_records, records_of

ROW = st.tuples(st.none() | st.binary(max_size=5), st.none() | st.binary(max_size=5))


HEADERS = st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.binary(max_size=3)), max_size=2)


def plain(records):
    return [
        (records.values[row], records.key(row), records.offset[row], records.timestamp_ms[row])
        for row in range(len(records))
    ]


@given(st.lists(ROW, min_size=1), st.lists(st.integers(0, 10), max_size=4))
def test_cuts_and_joins_change_nothing(rows, cuts):
    values, keys = zip(*rows, strict=True)
    offsets = range(100, 100 + len(rows))
    records = records_of(values, keys, offsets, range(len(rows)))
    expected = [(v or b"", k, 100 + i, i) for i, (v, k) in enumerate(rows)]
    assert plain(records) == expected
    at = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [records.take(slice(a, b)) for a, b in pairwise(at)]
    assert plain(joined_records(parts)) == expected
    assert plain(joined_records(parts).take(slice(1, None))) == expected[1:]


@given(st.lists(HEADERS, min_size=2), st.data())
def test_headers_stay_with_their_records(headers, data):
    values = [b"%d" % number for number in range(len(headers))]
    stamps = [-1, *range(1, len(headers))]
    records = records_of(values, values, range(len(values)), stamps, headers)
    cut = data.draw(st.integers(1, len(headers) - 1))
    again = joined_records([records.take(slice(0, cut)), records.take(slice(cut, None))])
    found = again.with_headers()
    assert [(record.payload, record.headers) for record in found] == list(
        zip(values, headers, strict=True)
    )
    assert [record.ts for record in found] == [None, *(n * 10**6 for n in stamps[1:])]


def test_records_without_headers_have_none():
    records = records_of([b"a"], [None], [0], [1])
    assert records.with_headers() == [(b"a", (), 10**6)]
    assert joined_records([records, records]).headers is None
