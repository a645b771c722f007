"""streamgauge with the peers' job, on a real Kafka: its alerts are those of the job."""

import pytest
from benchmark_modules import benchmark_module

alerts = benchmark_module("alerts")
load = benchmark_module("load")
own = benchmark_module("own")
topic = benchmark_module("topic")

ROWS, SERIES = 20_180, 40

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def filled(kafka_brokers):
    name = topic.fill(kafka_brokers, ROWS, SERIES)
    yield name
    load.delete_topics(kafka_brokers, name)


def test_alerts_of_the_job_are_equal(kafka_brokers, filled):
    begin_ms = alerts.begin_of(kafka_brokers, filled)
    expected = alerts.alerts_expected(topic.values(ROWS, SERIES), SERIES, begin_ms=begin_ms)
    first, last, found = own.run_own(kafka_brokers, filled, ROWS, SERIES, own.JOB)
    reached = own.reachable_rows(ROWS, SERIES)
    reached_ms = begin_ms + reached * load.INTERVAL_MS // SERIES
    assert alerts.difference(found, expected, before_ms=reached_ms) == ""
    assert found
    assert last.handled >= reached
    assert last.cpu_s >= first.cpu_s > 0
    assert last.resident_mb > 0
