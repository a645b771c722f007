"""Recordings of every format and form read as the same samples, in file order, rejects beside."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.series.columns import FLAG_STALE, STALE_NAN_BITS
from engine.series.identity import Series
from engine.sources import recording_files
from engine.sources.recording_files import open_recording

S = 1_000_000_000
T0 = 1_760_000_000
NAB = Path(__file__).parents[2].parent / "shared" / "data" / "nab" / "data"


def read(path, *, rows=1000, start_row=0, **options):
    """All blocks of a recording of one partition."""
    (partition,) = open_recording(path, **options).partitions
    return list(partition.blocks(rows, start_row))


def samples(blocks):
    """(series text, ts, value) of each sample, in order."""
    known, found = {}, []
    for block in blocks:
        known.update((one.fingerprint, one.text) for one in block.new_series)
        columns = block.columns
        found += zip(
            [known[one] for one in columns.fingerprint.tolist()],
            columns.ts.tolist(),
            columns.value.tolist(),
            strict=True,
        )
    return found


def rejects(blocks):
    return [(one.message, one.reason) for block in blocks for one in block.rejects]


LONG = [
    (T0, "cpu", {"host": "b"}, 0.5),
    (T0, "cpu", {"zone": 'x"\\', "host": "ä"}, -0.0),
    (T0 - 60, "up", None, 1e300),
    (T0 + 1, "cpu", {"host": "b"}, 0.30000000000000004),
]
LONG_SAMPLES = [
    (Series.of(name, labels or {}).text, ts * S, value) for ts, name, labels, value in LONG
]


def long_parquet(path, labels):
    pl.DataFrame(
        {
            "ts": [ts * 1000 for ts, *_ in LONG],
            "name": [name for _, name, *_ in LONG],
            "labels": labels([labels for _, _, labels, _ in LONG]),
            "value": [value for *_, value in LONG],
        }
    ).with_columns(pl.col("ts").cast(pl.Datetime("ms"))).write_parquet(path)


def as_text(labels):
    return [None if one is None else json.dumps(one) for one in labels]


def as_struct(labels):
    return pl.Series(labels, dtype=pl.Struct({"host": pl.String, "zone": pl.String}))


def as_map(labels):
    pairs = [one and [{"key": k, "value": v} for k, v in one.items()] for one in labels]
    return pl.Series(pairs, dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.String})))


@pytest.mark.parametrize("labels", [as_text, as_struct, as_map], ids=["text", "struct", "map"])
def test_long_parquet_takes_labels_in_every_form(tmp_path, labels):
    long_parquet(tmp_path / "r.parquet", labels)
    blocks = read(tmp_path / "r.parquet")
    assert samples(blocks) == LONG_SAMPLES
    assert rejects(blocks) == []
    assert np.signbit(blocks[0].columns.value[1])


def test_long_csv(tmp_path):
    pl.DataFrame(
        {
            "ts": [ts for ts, *_ in LONG],
            "name": [name for _, name, *_ in LONG],
            "labels": as_text([labels for _, _, labels, _ in LONG]),
            "value": [value for *_, value in LONG],
            "remark": "ignored",
        }
    ).write_csv(tmp_path / "r.csv")
    assert samples(read(tmp_path / "r.csv")) == LONG_SAMPLES


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson"])
def test_long_json_lines_are_native_messages(tmp_path, suffix):
    lines = [
        {"name": name, "ts": ts * 1000, "value": value} | ({"labels": labels} if labels else {})
        for ts, name, labels, value in LONG
    ]
    lines[1]["ts"] = datetime.fromtimestamp(T0, UTC).isoformat()
    path = tmp_path / f"r.{suffix}"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    assert samples(read(path)) == LONG_SAMPLES


def test_json_lines_may_mix_the_types_of_a_field(tmp_path):
    lines = [
        f'{{"ts":{T0}000,"name":"a","value":"+Inf","labels":null}}',
        f'{{"ts":"{T0}000","name":"a","value":1e2,"labels":"{{\\"k\\":\\"1\\"}}"}}',
        f'{{"ts":{T0}000.5,"name":"a","value":-3,"labels":{{"k":"2"}}}}',
        f'{{"ts":{T0}000,"name":"a","value":[1],"labels":{{"k":{{"x":"y"}}}}}}',
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    blocks = read(tmp_path / "r.jsonl")
    assert samples(blocks) == [
        ("a", T0 * S, np.inf),
        ('a{k="1"}', T0 * S, 100.0),
        ('a{k="2"}', T0 * S + 500_000, -3.0),
    ]
    assert rejects(blocks) == [(3, "bad_value")]


def test_json_lines_reject_what_is_no_object_and_skip_blanks(tmp_path):
    good = '{"ts": 1760000000000, "name": "a", "value": 1}'
    lines = [good, "", "no json", good, "[1]", '{"ts": 1', "  ", '{"ts":1760000000000}', "7"]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    blocks = read(tmp_path / "r.jsonl", rows=4)
    assert [block.row.tolist() for block in blocks] == [[0, 3], [], []]
    assert rejects(blocks) == [
        (2, "decode_error"),
        (4, "decode_error"),
        (5, "decode_error"),
        (8, "decode_error"),
    ]
    assert blocks[0].rejects[0].row == b"no json"
    assert [block.advances for block in blocks] == [[], [(0, T0 * S)], []]


WIDE = "timestamp,cpu,mem\n2025-10-09 08:53:20,1,\n2025-10-09 08:53:21.5,NaN,-inf\n"


def test_wide_csv_has_one_series_per_column_and_a_gap_is_no_sample(tmp_path):
    (tmp_path / "r.csv").write_text(WIDE)
    blocks = read(tmp_path / "r.csv", labels={"host": "a"})
    found = samples(blocks)
    assert found[:1] == [('cpu{host="a"}', T0 * S, 1.0)]
    assert found[1][:2] == ('cpu{host="a"}', T0 * S + 3 * S // 2)
    assert np.isnan(found[1][2])
    assert found[2:] == [('mem{host="a"}', T0 * S + 3 * S // 2, -np.inf)]
    assert blocks[0].row.tolist() == [0, 1, 1]


def test_wide_json_lines_and_parquet_read_as_csv_does(tmp_path):
    (tmp_path / "r.csv").write_text(WIDE)
    rows = [
        {"timestamp": "2025-10-09T08:53:20Z", "cpu": 1, "mem": None},
        {"timestamp": "2025-10-09T08:53:21.500Z", "cpu": 2.5, "mem": 3},
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pl.DataFrame(rows).with_columns(pl.col("timestamp").str.to_datetime("%+")).write_parquet(
        tmp_path / "r.parquet"
    )
    expected = [
        ("cpu", T0 * S, 1),
        ("cpu", T0 * S + 3 * S // 2, 2.5),
        ("mem", T0 * S + 3 * S // 2, 3),
    ]
    assert samples(read(tmp_path / "r.jsonl")) == expected
    assert samples(read(tmp_path / "r.parquet")) == expected


def test_names_of_files_are_no_patterns_and_a_byte_order_mark_is_no_column(tmp_path):
    for name in ("a[1].csv", "a1.csv", "a*.jsonl"):
        (tmp_path / name).write_text(
            f'{{"ts":{T0},"up":1}}' if "json" in name else f"ts,up\n{T0},1"
        )
    (tmp_path / "a[1].csv").write_text(f"\ufeffts,up\r\n{T0},2\r\n")
    assert samples(read(tmp_path / "a[1].csv")) == [("up", T0 * S, 2.0)]
    assert samples(read(tmp_path / "a*.jsonl")) == [("up", T0 * S, 1.0)]


def test_exclude_and_name(tmp_path):
    (tmp_path / "r.csv").write_text(f"ts,value,note\n{T0},1,x\n")
    blocks = read(tmp_path / "r.csv", exclude=["note"], name="cpu")
    assert samples(blocks) == [("cpu", T0 * S, 1.0)]
    assert samples(read(tmp_path / "r.csv", exclude=["note"]))[0][0] == "value"


def test_a_folder_labels_wide_series_by_their_file(tmp_path):
    (tmp_path / "sub.d").mkdir()
    for name in ("b.csv", "sub.d/a.x.csv", ".hidden.csv"):
        (tmp_path / name).write_text(f"ts,value\n{T0},1\n")
    (tmp_path / "c.jsonl").write_text(f'{{"ts":{T0},"name":"up","value":1}}')
    (tmp_path / "README.md").write_text("# not a recording")
    recording = open_recording(tmp_path, labels={"set": "x"})
    assert [one.key for one in recording.partitions] == ["b.csv", "c.jsonl", "sub.d/a.x.csv"]
    found = [samples(one.blocks(10))[0][0] for one in recording.partitions]
    assert found == [
        'value{file="b",set="x"}',
        'up{set="x"}',
        'value{file="sub.d/a.x",set="x"}',
    ]


def test_labels_of_a_row_go_before_added_ones(tmp_path):
    (tmp_path / "r.jsonl").write_text(f'{{"ts":{T0},"name":"up","value":1,"labels":{{"a":"row"}}}}')
    assert samples(read(tmp_path / "r.jsonl", labels={"a": "x", "b": "y"}))[0][0] == (
        'up{a="row",b="y"}'
    )


def test_rows_that_can_not_be_used_are_rejected_with_their_content(tmp_path):
    rows = [
        f"{T0},cpu,{{}},1",
        "soon,cpu,{},1",
        f"{T0},cpu,{{}},much",
        f"{T0},cpu,{{}},",
        f"{T0},,{{}},1",
        f"{T0},cpu,nonsense,1",
        f'{T0},cpu,"{{""a"":1}}",1',
        ",,,",
        f"{T0},cpu,,2",
    ]
    (tmp_path / "r.csv").write_text("\n".join(["ts,name,labels,value", *rows]))
    blocks = read(tmp_path / "r.csv")
    assert rejects(blocks) == [
        (1, "bad_timestamp"),
        (2, "bad_value"),
        (3, "bad_value"),
        (4, "schema_error"),
        (5, "schema_error"),
        (6, "schema_error"),
    ]
    assert samples(blocks) == [("cpu", T0 * S, 1.0), ("cpu", T0 * S, 2.0)]
    assert json.loads(blocks[0].rejects[1].row) == {
        "ts": str(T0),
        "name": "cpu",
        "labels": "{}",
        "value": "much",
    }


def test_wide_rows_are_rejected_by_the_cell_or_whole(tmp_path):
    lines = ["ts,a,b", f"{T0},1,x", "when,2,3", f"{T0},,4", ",5,6"]
    (tmp_path / "r.csv").write_text("\n".join([*lines[:1], f"{T0},0,0", *lines[1:]]))
    blocks = read(tmp_path / "r.csv", labels={"host": "h"})
    assert rejects(blocks) == [(1, "bad_value"), (2, "bad_timestamp"), (4, "bad_timestamp")]
    assert json.loads(blocks[0].rejects[0].row) == {
        "ts": str(T0),
        "name": "b",
        "labels": {"host": "h"},
        "value": "x",
    }
    assert [value for *_, value in samples(blocks)] == [0, 0, 1, 4]


def test_stale_markers_are_known_by_their_bits(tmp_path):
    bits = np.array([STALE_NAN_BITS, 0x7FF8000000000001], np.uint64)
    ts = pl.Series([T0, T0 + 1])
    pl.DataFrame({"ts": ts, "up": bits.view(np.float64)}).write_parquet(tmp_path / "w.parquet")
    pl.DataFrame({"ts": ts, "name": "up", "value": bits.view(np.float64)}).write_parquet(
        tmp_path / "l.parquet"
    )
    for partition in open_recording(tmp_path).partitions:
        (block,) = partition.blocks(10)
        assert block.columns.flags.tolist() == [FLAG_STALE, 0]
        assert block.columns.value.view(np.uint64).tolist() == bits.tolist()


def test_no_row_of_a_recording_is_a_verdict(tmp_path):
    frame = pl.DataFrame({"ts": [T0, T0 + 1], "name": "up", "value": 1.0, "flags": [16, 17]})
    frame.write_parquet(tmp_path / "l.parquet")
    (partition,) = open_recording(tmp_path).partitions
    (block,) = partition.blocks(10)
    assert block.columns.flags.tolist() == [0, FLAG_STALE]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_blocks_join_to_the_same_samples_however_cut(tmp_path, monkeypatch, data):
    count = data.draw(st.integers(1, 60))
    wide = data.draw(st.booleans())
    rng = np.random.default_rng(count)
    ts = pl.Series(T0 + rng.integers(0, 9, count))
    value = [None if draw < 0.2 else draw for draw in rng.random(count)]
    if wide:
        frame = pl.DataFrame({"ts": ts, "a": value, "b": value[::-1], "c": value})
    else:
        name = pl.Series([None if one is None else f"m{count % 3}" for one in value])
        frame = pl.DataFrame({"ts": ts, "name": name, "value": value})
    path = tmp_path / f"{wide}.parquet"
    frame.write_parquet(path)
    monkeypatch.setattr(recording_files, "CHUNK_SAMPLES", data.draw(st.integers(1, 100)))
    (partition,) = open_recording(path).partitions
    whole = list(partition.blocks(10**6))
    blocks = list(partition.blocks(data.draw(st.integers(1, 30))))
    assert samples(blocks) == samples(whole)
    resume = data.draw(st.sampled_from([0, *[block.next_row for block in blocks]]))
    rest = list(partition.blocks(7, resume))
    row = np.concatenate([block.row for block in whole])
    assert samples(rest) == samples(whole)[np.searchsorted(row, resume) :]
    assert blocks[-1].next_row == count
    advanced = [(np.arange(count)[[v is None for v in value]]).tolist(), []][wide]
    assert [ts for block in blocks for _, ts in block.advances] == [ts[i] * S for i in advanced]


def test_a_series_is_new_once_in_a_reading(tmp_path):
    labels = ['{"a":"1","b":"2"}', '{"b":"2","a":"1"}', '{"a":"1","b":"2","c":""}']
    pl.DataFrame({"ts": [T0] * 6, "name": "up", "labels": labels * 2, "value": 1.0}).write_parquet(
        tmp_path / "r.parquet"
    )
    (partition,) = open_recording(tmp_path / "r.parquet").partitions
    for _ in range(2):
        new = [one.text for block in partition.blocks(2) for one in block.new_series]
        assert new == ['up{a="1",b="2"}']


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([date(2025, 10, 9)], 1_759_968_000 * S),
        ([datetime.fromtimestamp(T0, UTC).replace(tzinfo=None)], T0 * S),
        ([datetime(2025, 10, 9, 10, 53, 20, tzinfo=timezone(timedelta(hours=2)))], T0 * S),
        ([T0], T0 * S),
        ([T0 + 0.123457], T0 * S + 123_457_000),
        ([T0 * 1000], T0 * S),
        ([T0 * 10**6], T0 * S),
        ([T0 * 10**9 + 1], T0 * S + 1),
    ],
)
def test_timestamp_columns(tmp_path, column, expected):
    pl.DataFrame({"ts": column, "up": [1.0]}).write_parquet(tmp_path / "r.parquet")
    assert samples(read(tmp_path / "r.parquet")) == [("up", expected, 1.0)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_given_unit_holds_where_the_magnitude_says_nothing(tmp_path, unit):
    (tmp_path / "r.csv").write_text("ts,up\n5,1\n")
    with pytest.raises(UsageError, match="--timestamp-unit"):
        open_recording(tmp_path / "r.csv")
    factor = {"s": S, "ms": 10**6, "us": 1000, "ns": 1}[unit]
    assert samples(read(tmp_path / "r.csv", timestamp_unit=unit)) == [("up", 5 * factor, 1.0)]


@pytest.mark.skipif(not NAB.exists(), reason="needs ../shared/data/nab")
def test_nab_reads_whole_and_in_file_order():
    recording = open_recording(NAB)
    assert len(recording.partitions) == 58
    total, steps_back = 0, 0
    for partition in recording.partitions:
        found = list(partition.blocks(4096))
        ts = np.concatenate([block.columns.ts for block in found])
        assert not any(block.rejects for block in found)
        total += len(ts)
        steps_back += int((np.diff(ts) < 0).sum())
    assert total == 365_558
    assert steps_back >= 1
