"""Metricbeat's events: trees, labels, the allow-list and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.metricbeat_json import read_metricbeat
from engine.codecs.samples import Limits, Sample
from engine.series.identity import Series

TS = 1_760_000_000 * 10**9
SAMPLE = (
    b'{"@timestamp":"2025-10-09T08:53:20.000Z","event":{"module":"system","dataset":"system.cpu"},'
    b'"metricset":{"name":"cpu","period":10000},"host":{"name":"web-1"},'
    b'"system":{"cpu":{"total":{"norm":{"pct":0.93}}}}}'
)
BASE = {"@timestamp": "2025-10-09T08:53:20.000Z", "event": {"dataset": "system.cpu"}}


def read(payload, fields=(), **limits):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_metricbeat(raw, 5, Limits(**limits), fields)


def texts(payload, fields=()):
    """Series and values of a message without rejects."""
    samples, rejects = read(payload, fields)
    assert rejects == []
    assert {sample.ts for sample in samples} <= {TS}
    return {sample.series.text: sample.value for sample in samples}


def event(dataset, **parts):
    return BASE | {"event": {"dataset": dataset}} | parts


def test_the_sample_of_the_contract():
    series = Series.of("system_cpu_total_norm_pct", {"host": "web-1"})
    assert read(SAMPLE) == ([Sample(series, TS, 0.93)], [])


def test_strings_and_ids_of_the_tree_are_labels():
    filesystem = {"mount_point": "/", "device": {"name": "sda"}, "used": {"pct": 0.5, "bytes": 7}}
    labels = '{device_name="sda",mount_point="/"}'
    assert texts(event("system.filesystem", system={"filesystem": filesystem})) == {
        f"system_filesystem_used_pct{labels}": 0.5,
        f"system_filesystem_used_bytes{labels}": 7.0,
    }
    core = {"id": 3, "user": {"pct": 0.25}, "online": True}
    assert texts(event("system.core", system={"core": core})) == {
        'system_core_user_pct{id="3"}': 0.25,
        'system_core_online{id="3"}': 1.0,
    }


def test_strings_below_three_levels_are_no_labels():
    tree = {"a": {"b": {"c": "kept", "d": {"e": "dropped"}}}, "n": 1}
    assert texts(event("system.cpu", system={"cpu": tree})) == {'system_cpu_n{a_b_c="kept"}': 1.0}


def test_labels_from_beside_the_tree():
    parts = {
        "host": {"name": "web-1", "os": {"family": "debian"}},
        "agent": {"name": "beat"},
        "cloud": {"region": "eu"},
        "service": {"type": "system", "address": "db:1"},
        "process": {"name": "sshd", "pid": 17, "memory": {"pct": 1}},
    }
    labels = (
        'host="web-1",process_name="sshd",process_pid="17",'
        'service_address="db:1",service_type="system"'
    )
    assert texts(event("system.process", system={"process": {"fd": {"open": 9}}}, **parts)) == {
        f"system_process_fd_open{{{labels}}}": 9.0
    }


def test_without_a_tree_of_the_dataset_the_module_counts():
    parts = {"process": {"summary": {"total": 5}}}
    assert texts(event("system.process_summary", system=parts)) == {
        "system_process_summary_total": 5.0
    }


def test_beats_6_names_the_module_in_the_metricset():
    old = {"metricset": {"module": "redis", "name": "info"}, "redis": {"info": {"clients-n": 2}}}
    payload = {"@timestamp": BASE["@timestamp"]} | old
    assert texts(payload) == {"redis_info_clients_n": 2.0}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (("system.cpu.user",), ["system_cpu_user_pct", "system_cpu_user_ticks"]),
        (("system.cpu.user.pct",), ["system_cpu_user_pct"]),
        (("system.cpu.us",), []),
        (("*.pct",), ["system_cpu_user_pct", "system_cpu_idle_pct"]),
        (("system.*.ticks", "metricset.period"), ["metricset_period", "system_cpu_user_ticks"]),
        (("system.*",), ["system_cpu_user_pct", "system_cpu_user_ticks", "system_cpu_idle_pct"]),
        (("system.cpu.(user|idle)",), []),
    ],
)
def test_the_allow_list_replaces_the_tree(fields, names):
    cpu = {"user": {"pct": 0.5, "ticks": 6}, "idle": {"pct": 0.25}, "mode": "all"}
    payload = event("system.cpu", metricset={"period": 10}, system={"cpu": cpu})
    samples, rejects = read(payload, fields)
    assert [sample.series.name for sample in samples] == names
    assert rejects == []
    assert {sample.series.labels for sample in samples} <= {(("mode", "all"),)}


@pytest.mark.parametrize(
    "parts", [{}, {"system": {"cpu": {}}}, {"system": {"cpu": {"a": "b", "c": None, "d": [1]}}}]
)
def test_an_event_without_numbers_is_no_fault(parts):
    assert read(BASE | {"error": {"message": "refused"}} | parts) == ([], [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"@timestamp": None}, "bad_timestamp"),
        ({"@timestamp": 1760000000}, "bad_timestamp"),
        ({"@timestamp": "2025-10-09"}, "bad_timestamp"),
        ({"event": None}, "schema_error"),
        ({"event": {"dataset": 1.5}}, "schema_error"),
        ({"host": {"name": "x" * 1025}}, "limit"),
        ({"system": {"cpu": {f"t{i}": "x" for i in range(65)} | {"n": 1}}}, "limit"),
    ],
)
def test_a_bad_event_is_rejected(change, reason):
    payload = BASE | {"system": {"cpu": {"pct": 1}}} | change
    samples, [reject] = read(payload)
    assert (samples, reject.reason) == ([], reason)
    assert reject.row is not None
    assert json.loads(reject.row) == payload


@pytest.mark.parametrize("number", [b"1e999", b"9" * 400, b"9" * 9000])
def test_a_number_beyond_float64_is_a_bad_value_of_its_row_only(number):
    payload = SAMPLE.replace(b"0.93", number + b',"other":1')
    [sample], [reject] = read(payload)
    assert sample.series.name == "system_cpu_total_norm_other"
    assert reject.reason == "bad_value"


def test_an_id_stays_a_label_beside_a_long_number():
    core = b'"core":{"id":3,"n":%s,"ok":1}' % (b"9" * 9000)
    payload = SAMPLE.replace(b"system.cpu", b"system.core").replace(
        b'"cpu":{"total"', core[:-1] + b',"total"'
    )
    samples, [reject] = read(payload)
    assert [sample.series.labels for sample in samples] == [(("host", "web-1"), ("id", "3"))] * 2
    assert reject.reason == "bad_value"


def test_a_message_may_hold_several_events():
    for message in (b"[%s,%s]" % (SAMPLE, SAMPLE), SAMPLE + b"\n" + SAMPLE):
        samples, rejects = read(message)
        assert (len(samples), rejects) == (2, [])


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.binary(max_size=60))
def test_no_bytes_raise(payload):
    samples, rejects = read(payload)
    assert samples == []
    assert rejects or b"".join(payload.split()) == b"[]"


@given(
    st.dictionaries(
        st.sampled_from(["@timestamp", "event", "host", "metricset", "process", "system"]),
        documents,
    ),
    documents,
    st.lists(st.text("ab.*[", max_size=5), max_size=2).map(tuple),
)
def test_no_document_raises(parts, tree, fields):
    samples, rejects = read(BASE | {"system": {"cpu": tree}} | parts, fields)
    assert all(type(sample.value) is float for sample in samples)
    assert all(reject.message == 5 for reject in rejects)
