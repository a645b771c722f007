"""Pathway: its Kafka connectors, a group per series and a stateful reducer over each.

A reducer gets the rows of a group that came in one commit; it puts them in time order and keeps
their alerts in the state, from where they flow on.
"""

import json
import os
from threading import Timer

import pathway as pw
from job import alert_text, step
from meter import OUTPUT, Meter, options

COMMIT_MS = 100


class Row(pw.Schema):
    """A message's fields."""

    ts: int
    name: str
    labels: pw.Json
    value: float


def main() -> None:
    given = options()
    meter = Meter(given.rows)

    @pw.reducers.stateful_many
    def detect(state: tuple | None, rows: list) -> tuple:
        meter.start()
        statistics = state[0] if state else None
        alerts = []
        for (at, value), _ in sorted(rows, key=lambda row: row[0][0]):
            statistics, z = step(statistics, value)
            if z is not None:
                alerts.append((at, z))
        meter.alerts += len(alerts)
        if meter.add(len(rows)):
            # A streaming run never ends; the last alerts get a moment to be written.
            Timer(2.0, os._exit, [0]).start()
        return statistics, tuple(alerts)

    settings = {
        "bootstrap.servers": given.brokers,
        "group.id": f"streamgauge-peers-{os.getpid()}",
        "auto.offset.reset": "earliest",
    }
    rows = pw.io.kafka.read(
        settings, topic=given.topic, schema=Row, format="json", autocommit_duration_ms=COMMIT_MS
    )
    series = rows.groupby(rows.name, rows.labels).reduce(
        rows.name, rows.labels, state=detect(rows.ts, rows.value)
    )
    found = series.filter(pw.apply_with_type(lambda state: bool(state[1]), bool, series.state))
    texts = found.select(
        text=pw.apply_with_type(written, str, found.name, found.labels, found.state)
    )
    pw.io.kafka.write(texts, settings, topic_name=f"{OUTPUT}.pathway", format="plaintext")
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


def written(name: str, labels: pw.Json, state: tuple) -> str:
    """Write a series' new alerts, a line each."""
    text = json.dumps(labels.value).encode()
    return "\n".join(alert_text(at, name, text, z).decode() for at, z in state[1])


if __name__ == "__main__":
    main()
