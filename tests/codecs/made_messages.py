"""One small set of data, written in every format."""

import json
import struct
from datetime import UTC, datetime

import cramjam
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from engine.series.identity import Series

BASE_S = 1_760_000_000


def made_rows(series=4, steps=3):
    """Rows that every format can carry: whole seconds, one numeric value, plain labels."""
    return [
        (
            Series.of(
                "cpu_usage", {"host": f"web-{number}", "zone": "eu 1" if number % 2 else "us"}
            ),
            BASE_S + 10 * step,
            0.25 * number - step,
        )
        for step in range(steps)
        for number in range(series)
    ]


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def rfc3339(ts_s):
    return datetime.fromtimestamp(ts_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def native(row):
    series, ts_s, value = row
    text = {"ts": ts_s * 1000, "name": series.name, "labels": dict(series.labels), "value": value}
    return json.dumps(text).encode()


def otlp(rows):
    data = MetricsData()
    for series, ts_s, value in rows:
        metric = data.resource_metrics.add().scope_metrics.add().metrics.add(name=series.name)
        point = metric.gauge.data_points.add(time_unix_nano=ts_s * 10**9, as_double=value)
        for name, text in series.labels:
            point.attributes.add(key=name).value.string_value = text
    return data


def otlp_proto(row):
    return otlp([row]).SerializeToString()


def otlp_json(row):
    series, ts_s, value = row
    attributes = [{"key": name, "value": {"stringValue": text}} for name, text in series.labels]
    point = {"timeUnixNano": str(ts_s * 10**9), "asDouble": value, "attributes": attributes}
    metric = {"name": series.name, "gauge": {"dataPoints": [point]}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()


def influx(row):
    series, ts_s, value = row
    tags = "".join(f",{name}=" + text.replace(" ", "\\ ") for name, text in series.labels)
    return f"{series.name}{tags} value={value} {ts_s * 10**9}".encode()


def telegraf_json(row):
    series, ts_s, value = row
    text = {"fields": {"value": value}, "name": series.name, "tags": dict(series.labels)}
    return json.dumps(text | {"timestamp": ts_s}).encode()


def prometheus_adapter(row):
    series, ts_s, value = row
    labels = {"__name__": series.name, **dict(series.labels)}
    text = {"timestamp": rfc3339(ts_s), "value": str(value), "name": series.name, "labels": labels}
    return json.dumps(text).encode()


def all_labels(series):
    return sorted({"__name__": series.name, **dict(series.labels)}.items())


def sample(ts_s, value):
    return b"\x09" + struct.pack("<d", value) + b"\x10" + varint(ts_s * 1000)


def remote_write(row):
    series, ts_s, value = row
    labels = b"".join(
        field(1, field(1, name.encode()) + field(2, text.encode()))
        for name, text in all_labels(series)
    )
    return bytes(cramjam.snappy.compress_raw(field(1, labels + field(2, sample(ts_s, value)))))


def remote_write_2(row):
    series, ts_s, value = row
    symbols = ["", *(text for pair in all_labels(series) for text in pair)]
    references = b"".join(varint(number) for number in range(1, len(symbols)))
    body = b"".join(field(4, symbol.encode()) for symbol in symbols)
    body += field(5, field(1, references) + field(2, sample(ts_s, value)))
    return bytes(cramjam.snappy.compress_raw(body))


def vector(row):
    series, ts_s, value = row
    text = {"name": series.name, "tags": dict(series.labels), "timestamp": rfc3339(ts_s)}
    return json.dumps(text | {"kind": "absolute", "gauge": {"value": value}}).encode()


WRITERS = {
    "json": native,
    "otlp_proto": otlp_proto,
    "otlp_json": otlp_json,
    "influx": influx,
    "telegraf_json": telegraf_json,
    "prometheus_adapter": prometheus_adapter,
    "remote_write": remote_write,
    "vector": vector,
}
"""How to write a row in each format that can carry it as it is."""

SHAPED = {
    "fluent_bit": b'{"@timestamp":1760000000.0,"host":"web-1","cpu_p":93.0,"mem":{"used":2.9}}',
    "metricbeat": b'{"@timestamp":"2025-10-09T08:53:20.000Z","event":{"module":"system","dataset":'
    b'"system.cpu"},"metricset":{"name":"cpu","period":10000},"host":{"name":"web-1"},'
    b'"system":{"cpu":{"total":{"norm":{"pct":0.93}}}}}',
}
"""A message of each format that has its own idea of names."""
