"""Runs of records can be cut and joined anywhere."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.sources.records import joined_records, records_of

ROW = st.tuples(st.none() | st.binary(max_size=5), st.none() | st.binary(max_size=5))


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
