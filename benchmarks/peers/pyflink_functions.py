"""What PyFlink runs inside the JVM: a module of its own, since classes are found by name there."""

from collections.abc import Iterator

from job import Sample, alert_text, decode, step
from meter import Meter
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, MapFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor


class Decode(MapFunction):
    """Take a message apart: series, timestamp, name, labels, value."""

    def map(self, value: str) -> tuple[str, int, str, str, float]:
        sample: Sample = decode(value)
        labels = bytes(sample.labels).decode()
        return f"{sample.name}{labels}", sample.ts, sample.name, labels, sample.value


class Detect(KeyedProcessFunction):
    """Take a series' samples in."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def open(self, runtime_context: RuntimeContext) -> None:
        self.meter = Meter(self.rows)
        pair = Types.TUPLE([Types.DOUBLE(), Types.DOUBLE()])
        self.held = runtime_context.get_state(ValueStateDescriptor("ewma", pair))

    def process_element(
        self, value: tuple[str, int, str, str, float], ctx: KeyedProcessFunction.Context
    ) -> Iterator[str]:
        del ctx
        self.meter.start()
        _, ts, name, labels, seen = value
        state, z = step(self.held.value(), seen)
        self.held.update(state)
        if z is not None:
            self.meter.alerts += 1
            yield alert_text(ts, name, labels.encode(), z).decode()
        self.meter.add()
