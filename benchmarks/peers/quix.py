"""Quix Streams: an application with bytes in and out, states in a dictionary.

Its own state lies in RocksDB under the message's key, which these messages do not have; the
dictionary spares it both that and the topic in between that a new key would take.
"""

import tempfile
import uuid

from job import State, alert_text, decode, step
from meter import OUTPUT, Meter, options
from quixstreams import Application


def main() -> None:
    given = options()
    meter = Meter(given.rows)
    states: dict[tuple[str, bytes], State] = {}
    app = Application(
        broker_address=given.brokers,
        consumer_group=f"streamgauge-peers-{uuid.uuid4()}",
        auto_offset_reset="earliest",
        consumer_extra_config={"queued.min.messages": 100_000},
        loglevel="ERROR",
        state_dir=tempfile.mkdtemp(),
    )

    def handle(payload: bytes) -> bytes | None:
        meter.start()
        sample = decode(payload)
        key = (sample.name, bytes(sample.labels))
        states[key], z = step(states.get(key), sample.value)
        alert = None
        if z is not None:
            meter.alerts += 1
            alert = alert_text(sample.ts, *key, z)
        if meter.add():
            app.stop()
        return alert

    rows = app.dataframe(app.topic(given.topic, value_deserializer="bytes"))
    alerts = rows.apply(handle).filter(lambda alert: alert is not None)
    alerts.to_topic(app.topic(f"{OUTPUT}.quix", value_serializer="bytes"))
    app.run()


if __name__ == "__main__":
    main()
