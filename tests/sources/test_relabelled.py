"""Relabelled columns against relabelling each row by itself.

Aim: the lookup over columns gives what `relabel` gives row by row, however the codec's caches and
the map roll over. Method: made batches over a few hundred series, of which rules rename, merge and
drop some, run through `Relabelling` and through a loop over rows.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.native_json import NativeJsonCodec
from engine.codecs.samples import Limits, PlainCodec, Sample, columns_of
from engine.config.connections import Source
from engine.config.relabel import RelabelConfig
from engine.series.columns import FLAG_DROPPED
from engine.series.identity import Series
from engine.series.relabel import relabel
from engine.sources.relabelled import Relabelling, compile_rule
from engine.sources.sieve import Sieve, SievedCodec

RULES = (
    RelabelConfig(action="drop", match='{__name__=~"go_.*"}'),
    RelabelConfig(action="keep", source_labels=("zone",), regex="|[abc]"),
    RelabelConfig(match='{zone="a"}', source_labels=("__name__",), target_label="__name__",
                  replacement="zone_a_$1"),
    RelabelConfig(action="labeldrop", regex="pod"),
)  # fmt: skip

all_series = st.builds(
    lambda name, zone, pod: Series.of(name, {"zone": zone, "pod": pod}),
    st.sampled_from(["cpu", "mem", "go_gc", "zone_a_cpu"]),
    st.sampled_from(["", "a", "b", "x"]),
    st.sampled_from(["", "p1", "p2"]),
)
batches = st.lists(st.lists(all_series, max_size=12), max_size=6)


class ListedCodec(PlainCodec):
    """Takes the series of a message from a list, by the message's number."""

    def __init__(self, messages, cache_entries):
        def read(payload, index):
            rows = messages[int(payload)]
            samples = [
                Sample(series, 10 + row, row / 2, row % 4) for row, series in enumerate(rows)
            ]
            return samples, []

        super().__init__(read, limits=Limits(), cache_entries=cache_entries)


def naive(codec, payloads):
    """Relabel row by row: (message, fingerprint, ts, value, flags), series, rows dropped."""
    rules = tuple(map(compile_rule, RULES))
    rows, series, dropped = [], set(), 0
    for index, payload in enumerate(payloads):
        for sample in codec.read(payload, index)[0]:
            new = relabel(sample.series, rules)
            if new is None:
                dropped += 1
            else:
                rows.append((index, new.fingerprint, sample.ts, sample.value, sample.flags))
                series.add(new)
    return rows, series, dropped


def rows_of(decoded):
    """Rows that go on."""
    kept = decoded.columns.flags & FLAG_DROPPED == 0
    columns = decoded.columns.take(kept)
    parts = (decoded.message[kept], columns.fingerprint, columns.ts, columns.value, columns.flags)
    return list(zip(*(part.tolist() for part in parts), strict=True))


def relabelled(make, *, entries_max=1 << 20):
    return SievedCodec(make, Sieve(Source(relabel=RULES), entries_max=entries_max))


@settings(deadline=None)
@given(batches, st.integers(1, 4), st.integers(1, 4), st.integers(1, 30))
def test_columns_are_what_each_row_by_itself_is(messages, per_call, cache_entries, entries_max):
    """Tiny caches: the codec announces again at will, the map begins anew at will."""
    codec = relabelled(lambda: ListedCodec(messages, cache_entries), entries_max=entries_max)
    plain = ListedCodec(messages, cache_entries)
    known = set()
    for begin in range(0, len(messages), per_call):
        payloads = [b"%d" % number for number in range(begin, min(begin + per_call, len(messages)))]
        decoded = codec.decode(payloads)
        rows, series, dropped = naive(plain, payloads)
        assert rows_of(decoded) == rows
        assert decoded.dropped == ({"relabel": dropped} if dropped else {})
        known |= set(decoded.new_series)
        assert series <= known


@settings(deadline=None)
@given(batches)
def test_a_series_is_announced_once_though_several_become_it(messages):
    codec = relabelled(lambda: ListedCodec(messages, 1 << 20))
    announced = []
    for number in range(len(messages)):
        announced += codec.decode([b"%d" % number]).new_series
    assert len(announced) == len(set(announced))
    _, series, _ = naive(codec._codec, [b"%d" % number for number in range(len(messages))])
    assert set(announced) == series


def test_read_relabels_too():
    rows = [Series.of("cpu", {"zone": "a", "pod": "p"}), Series.of("go_gc", {})]
    codec = relabelled(lambda: ListedCodec([rows], 4))
    assert codec.read(b"0", 0) == ([Sample(Series.of("zone_a_cpu", {"zone": "a"}), 10, 0.0, 0)], [])


def test_a_row_of_a_series_that_was_never_given_is_no_quiet_mistake():
    columns = columns_of([Sample(Series.of("m", {}), 1, 2.0)])
    with pytest.raises(LookupError):
        Relabelling(RULES).apply(columns, [])


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"action": "keep", "match": 'm{a="1"}'}, {"m1"}),
        ({"action": "drop", "match": 'm{a="1"}'}, {"m2", "n1"}),
        ({"action": "keep", "match": '{__name__=~"n|o"}'}, {"n1"}),
        ({"action": "drop", "match": "m"}, {"n1"}),
        ({"action": "keep", "match": "m", "source_labels": ("a",), "regex": "1"}, {"m1", "n1"}),
        ({"action": "drop", "match": "m", "source_labels": ("a",), "regex": "1"}, {"m2", "n1"}),
        ({"action": "drop", "source_labels": ("a",), "regex": "1"}, {"m2"}),
    ],
)
def test_match_decides_alone_or_limits_a_rule(fields, kept):
    rule = compile_rule(RelabelConfig(**fields))
    series = {name + a: Series.of(name, {"a": a}) for name, a in ("m1", "m2", "n1")}
    assert {key for key, one in series.items() if relabel(one, [rule])} == kept


def test_the_native_codec_with_small_caches():
    """Its table of spellings outlives what it remembers to have announced, and the reverse."""
    line = '{"ts":1760000000000,"name":"cpu","labels":{"zone":"%s","pod":"%d"},"value":%d}'
    payloads = [(line % ("abx"[n % 3], n * n % 50, n)).encode() for n in range(300)]
    codec = relabelled(lambda: NativeJsonCodec(cache_entries=8), entries_max=20)
    for begin in range(0, len(payloads), 7):
        part = payloads[begin : begin + 7]
        rows, _, dropped = naive(NativeJsonCodec(), part)
        decoded = codec.decode(part)
        assert rows_of(decoded) == rows
        assert decoded.dropped.get("relabel", 0) == dropped
