"""csp: a push adapter that reads with confluent-kafka, and one node that holds all series.

csp's own Kafka adapter is not measured. A graph is fixed when it starts, so series that turn up
later share a node; a batch of messages is one tick, which costs less than an engine cycle for each.
"""

from datetime import UTC, datetime, timedelta
from threading import Thread

import csp
from confluent_kafka import Producer
from csp import ts
from csp.impl.pushadapter import PushInputAdapter
from csp.impl.wiring import py_push_adapter_def
from job import State, alert_text, decode, step
from kafka_throughput import batches
from meter import OUTPUT, Meter, Options, options

LONGEST = timedelta(minutes=10)


class Job:
    """All series' states."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.done = False
        self.states: dict[tuple[str, bytes], State] = {}

    def burst(self, payloads: list[bytes]) -> list[bytes]:
        """Take a burst in; give its alerts."""
        self.meter.start()
        alerts = []
        for payload in payloads:
            sample = decode(payload)
            key = (sample.name, bytes(sample.labels))
            self.states[key], z = step(self.states.get(key), sample.value)
            if z is not None:
                alerts.append(alert_text(sample.ts, *key, z))
        self.meter.alerts += len(alerts)
        self.done = self.meter.add(len(payloads))
        return alerts


@csp.node
def detect(job: object, payloads: ts[list[bytes]]) -> csp.Outputs(
    alerts=ts[list[bytes]], done=ts[bool]
):
    if csp.ticked(payloads):
        alerts = job.burst(payloads)
        if alerts:
            csp.output(alerts=alerts)
        if job.done:
            csp.output(done=True)


class Reader(PushInputAdapter):
    """A thread that reads the topic and pushes the payloads of each batch into the engine."""

    def __init__(self, given: Options) -> None:
        self.given = given
        self.thread = Thread(target=self.read, daemon=True)

    def start(self, starttime: datetime, endtime: datetime) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Leave the thread: it ends with the topic's rows."""

    def read(self) -> None:
        for messages in batches(self.given.brokers, self.given.topic, self.given.rows):
            if messages:
                self.push_tick([message.value() for message in messages])


pushed = py_push_adapter_def("pushed", Reader, ts[list[bytes]], given=object)


@csp.node
def publish(brokers: str, alerts: ts[list[bytes]]) -> None:
    with csp.state():
        s_producer = None
    with csp.start():
        s_producer = Producer({"bootstrap.servers": brokers})
    with csp.stop():
        s_producer.flush()
    if csp.ticked(alerts):
        for alert in alerts:
            s_producer.produce(f"{OUTPUT}.csp", alert)


@csp.graph
def peer(given: object) -> None:
    payloads = pushed(given, push_mode=csp.PushMode.NON_COLLAPSING)
    found = detect(Job(Meter(given.rows)), payloads)
    publish(given.brokers, found.alerts)
    csp.stop_engine(found.done)


def main() -> None:
    given: Options = options()
    csp.run(peer, given, starttime=datetime.now(UTC), endtime=LONGEST, realtime=True)


if __name__ == "__main__":
    main()
