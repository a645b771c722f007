"""Names of OTLP metrics and attributes."""

import pytest

from engine.codecs.otlp_names import label_name, metric_name


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("system.cpu.utilization", "1", "gauge", "system_cpu_utilization_ratio"),
        ("system.network.io", "By", "counter", "system_network_io_bytes_total"),
        ("http.server.duration", "ms", "", "http_server_duration_milliseconds"),
        ("http.server.duration", "s", "", "http_server_duration_seconds"),
        ("disk.rate", "By/s", "gauge", "disk_rate_bytes_per_second"),
        ("requests", "{request}", "counter", "requests_total"),
        ("requests", "{request}/s", "gauge", "requests_per_second"),
        ("queue", "1", "counter", "queue_total"),
        ("queue", "1", "", "queue"),
        ("usage", "%", "gauge", "usage_percent"),
        ("usage.percent", "%", "gauge", "usage_percent"),
        ("cpu.ratio", "1", "gauge", "cpu_ratio"),
        ("io.bytes.total", "By", "counter", "io_bytes_total"),
        ("io.total.bytes", "By", "counter", "io_bytes_total"),
        ("time_seconds", "s", "gauge", "time_seconds"),
        ("speed", "m/s", "gauge", "speed_meters_per_second"),
        ("speed.per.second", "m/s", "gauge", "speed_per_second_meters"),
        ("custom", "widgets / h", "gauge", "custom_widgets_per_hour"),
        ("custom", "a.b", "gauge", "custom_a_b"),
        ("custom", "/", "gauge", "custom"),
        ("5xx.responses", "", "counter", "_5xx_responses_total"),
        ("a..b__c-d", "", "", "a_b_c_d"),
        ("_private_", "", "", "private"),
        ("job:rate", "", "", "job:rate"),
        ("größe", "", "", "gr_e"),
        ("...", "s", "gauge", ""),
        ("", "s", "gauge", ""),
    ],
)
def test_prometheus_appends_unit_and_kind(name, unit, kind, expected):
    translated = metric_name(
        name,
        unit,
        monotonic_sum=kind == "counter",
        ratio_gauge=kind == "gauge",
        names="prometheus",
    )
    assert translated == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("system.cpu..time", "system_cpu__time"), ("5xx", "_5xx"), ("a:b", "a:b"), ("", "")],
)
def test_underscore_replaces_only_what_is_invalid(name, expected):
    assert expected == metric_name(
        name, "By", monotonic_sum=True, ratio_gauge=False, names="underscore"
    )


def test_as_is_leaves_names():
    assert metric_name("5.x y", "1", monotonic_sum=True, ratio_gauge=True, names="as_is") == "5.x y"
    assert label_name("host.name", "as_is") == "host.name"


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("host.name", "prometheus", "host_name"),
        ("a:b", "prometheus", "a_b"),
        ("a..b", "prometheus", "a__b"),
        ("1st", "prometheus", "key_1st"),
        ("1st", "underscore", "_1st"),
        ("host.name", "underscore", "host_name"),
        ("", "prometheus", ""),
    ],
)
def test_labels(name, names, expected):
    assert label_name(name, names) == expected
