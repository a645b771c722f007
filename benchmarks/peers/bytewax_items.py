"""Bytewax as its documentation has it: its own Kafka source, an item at a time.

Its own Kafka sink flushes after each batch; the sink below does so at the end, as the loops do.
"""

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from confluent_kafka import Producer
from job import Sample, State, alert_text, decode, step
from meter import OUTPUT, Meter, options

BATCH = 10_000


class Job:
    """The callbacks of the flow."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def keyed(self, message: KafkaSourceMessage) -> tuple[str, Sample]:
        self.meter.start()
        sample = decode(message.value)
        return f"{sample.name}{bytes(sample.labels).decode()}", sample

    def step(self, state: State | None, sample: Sample) -> tuple[State, bytes | None]:
        state, z = step(state, sample.value)
        alert = None
        if z is not None:
            self.meter.alerts += 1
            alert = alert_text(sample.ts, sample.name, bytes(sample.labels), z)
        self.meter.add()
        return state, alert


class AlertPartition(StatelessSinkPartition[bytes]):
    """A worker's producer."""

    def __init__(self, brokers: str) -> None:
        self.producer = Producer({"bootstrap.servers": brokers})

    def write_batch(self, items: list[bytes]) -> None:
        for alert in items:
            self.producer.produce(f"{OUTPUT}.bytewax", alert)

    def close(self) -> None:
        self.producer.flush()


class AlertSink(DynamicSink[bytes]):
    """Alerts to Kafka."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers

    def build(self, step_id: str, worker_index: int, worker_count: int) -> AlertPartition:
        return AlertPartition(self.brokers)


def main() -> None:
    given = options()
    job = Job(Meter(given.rows))
    flow = Dataflow("peers")
    source = KafkaSource([given.brokers], [given.topic], tail=False, batch_size=BATCH)
    messages = op.input("read", flow, source)
    samples = op.map("decode", messages, job.keyed)
    found = op.stateful_map("step", samples, job.step)
    alerts = op.filter_map("alerts", op.key_rm("unkeyed", found), lambda alert: alert)
    sink = AlertSink(given.brokers)
    op.output("out", alerts, sink)
    run_main(flow)


if __name__ == "__main__":
    main()
