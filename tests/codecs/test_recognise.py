"""Each format's messages are recognised as that format, by the real readers."""

import json
from functools import partial

import pytest
from made_messages import SHAPED, WRITERS, made_rows, remote_write_2

from engine.codecs.fluent_bit_json import read_fluent_bit
from engine.codecs.influx import InfluxCodec
from engine.codecs.json_strict import read_message
from engine.codecs.metricbeat_json import read_metricbeat
from engine.codecs.otlp_json import read_json
from engine.codecs.otlp_points import read_proto
from engine.codecs.prometheus_adapter import read_adapter
from engine.codecs.recognise import FORMATS_BY_SPECIFICITY, MESSAGES_MAX, recognise
from engine.codecs.remote_write_points import read_message as read_remote_write
from engine.codecs.samples import Limits
from engine.codecs.telegraf_json import read_telegraf
from engine.codecs.vector_json import read_vector

LIMITS = Limits()
READERS = {
    "json": partial(read_message, limits=LIMITS),
    "otlp_proto": partial(read_proto, limits=LIMITS, names="underscore"),
    "otlp_json": partial(read_json, limits=LIMITS, names="underscore"),
    "influx": InfluxCodec(limits=LIMITS).read,
    "telegraf_json": partial(read_telegraf, limits=LIMITS, timestamp_unit="s"),
    "prometheus_adapter": partial(read_adapter, limits=LIMITS),
    "remote_write": partial(read_remote_write, limits=LIMITS),
    "metricbeat": partial(read_metricbeat, limits=LIMITS),
    "vector": partial(read_vector, limits=LIMITS),
    "fluent_bit": partial(read_fluent_bit, limits=LIMITS),
}
MESSAGES = {name: [write(row) for row in made_rows()] for name, write in WRITERS.items()}
MESSAGES |= {name: [message] for name, message in SHAPED.items()}

SAMPLES = {
    "influx": b"cpu,cpu=cpu0,host=web-1 usage_idle=6.9,usage_user=91.2 1760000000000000000",
    "telegraf_json": b'{"fields":{"usage_idle":6.9,"usage_user":91.2},"name":"cpu","tags":{"cpu":'
    b'"cpu0","host":"web-1"},"timestamp":1760000000}',
    "prometheus_adapter": b'{"timestamp":"2025-10-09T08:53:20Z","value":"93","name":'
    b'"cpu_usage_percent","labels":{"__name__":"cpu_usage_percent","instance":"a"}}',
    "vector": b'{"name":"cpu_seconds_total","namespace":"host","tags":{"cpu":"0","mode":"idle"},'
    b'"timestamp":"2025-10-09T08:53:20Z","kind":"absolute","counter":{"value":123456.0}}',
    "metricbeat": b'{"@timestamp":"2025-10-09T08:53:20.000Z","event":{"module":"system","dataset":'
    b'"system.cpu"},"metricset":{"name":"cpu","period":10000},"host":{"name":"web-1"},"system":'
    b'{"cpu":{"total":{"norm":{"pct":0.93}}}}}',
    "fluent_bit": b'{"@timestamp":1760000000.0,"cpu_p":93.0,"user_p":90.1,"system_p":2.9}',
    "json": b'{"ts":1760000000000,"name":"cpu_usage","labels":{"host":"web-1"},"value":0.93}',
    "otlp_json": b'{"resourceMetrics":[{"resource":{"attributes":[{"key":"host.name","value":'
    b'{"stringValue":"web-1"}}]},"scopeMetrics":[{"scope":{"name":"otelcol"},"metrics":[{"name":'
    b'"system.cpu.utilization","unit":"1","gauge":{"dataPoints":[{"timeUnixNano":'
    b'"1760000000000000000","asDouble":0.93}]}}]}]}]}',
}


def test_each_format_has_a_place_and_messages():
    assert set(FORMATS_BY_SPECIFICITY) == set(READERS) == set(MESSAGES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_messages_of_a_format_are_recognised(name):
    assert recognise(MESSAGES[name], READERS) == name


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_samples_of_the_contract_are_recognised(name):
    assert recognise([SAMPLES[name]], READERS) == name


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_no_other_format_but_the_loosest_takes_them(name):
    others = {other: read for other, read in READERS.items() if other != name}
    assert recognise(MESSAGES[name], others) in (None, "fluent_bit")


def test_remote_write_2_is_recognised():
    assert recognise([remote_write_2(row) for row in made_rows()], READERS) == "remote_write"


def test_spaced_json_is_recognised():
    for name, payload in SAMPLES.items():
        if name != "influx":
            spaced = json.dumps(json.loads(payload), indent=2).encode()
            assert recognise([spaced], READERS) == name


def test_most_messages_decide():
    good, other = SAMPLES["vector"], b"not a metric"
    assert recognise([good, good, other], READERS) == "vector"
    assert recognise([good, other], READERS) is None
    assert recognise([good] * 3 + [SAMPLES["telegraf_json"]] * 2, READERS) == "vector"
    assert recognise([good, SAMPLES["telegraf_json"]], READERS) is None


def test_rejected_rows_and_messages_without_rows_are_no_evidence():
    line = b'{"date":1760000000,"log":"GET /"}'
    assert recognise([line], READERS) is None
    assert recognise([b"[%s,1]" % SAMPLES["json"]], READERS) is None


def test_tombstones_do_not_count():
    assert recognise([b"", b"", SAMPLES["json"]], READERS) == "json"
    assert recognise([b""], READERS) is None
    assert recognise([], READERS) is None


def test_only_the_first_messages_are_read():
    read = []

    def count(payload, index):
        read.append(payload)
        return READERS["json"](payload, index)

    assert recognise([SAMPLES["json"]] * (3 * MESSAGES_MAX), {"json": count}) == "json"
    assert len(read) == MESSAGES_MAX


def test_formats_without_a_reader_are_not_considered():
    assert recognise([SAMPLES["json"]], {}) is None
    assert recognise([SAMPLES["json"]], {"other": READERS["json"]}) is None
