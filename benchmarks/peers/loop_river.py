"""The loop by hand with River's statistics: ``EWMean`` and ``EWVar`` for each series."""

from confluent_kafka import Producer
from job import BOUND_SQUARED, FIRST_VARIANCE, WEIGHT, alert_text, decode
from kafka_throughput import batches
from meter import OUTPUT, Meter, options
from river import stats


class Series:
    """A series' statistics.

    ``EWVar`` begins with no variance; the job's first variance fades at the same rate and adds to
    it, since the recurrence is linear in the variance.
    """

    __slots__ = ("first", "mean", "variance")

    def __init__(self, value: float) -> None:
        self.mean = stats.EWMean(WEIGHT)
        self.variance = stats.EWVar(WEIGHT)
        self.first = FIRST_VARIANCE
        self.mean.update(value)
        self.variance.update(value)

    def step(self, value: float) -> float | None:
        """Take a value in; give its z-score if it is an alert."""
        off = value - self.mean.get()
        variance = self.variance.get() + self.first
        self.mean.update(value)
        self.variance.update(value)
        self.first *= 1.0 - WEIGHT
        return off / variance**0.5 if off * off > BOUND_SQUARED * variance else None


def main() -> None:
    given = options()
    meter = Meter(given.rows)
    producer = Producer({"bootstrap.servers": given.brokers})
    states: dict[tuple[str, bytes], Series] = {}
    for messages in batches(given.brokers, given.topic, given.rows):
        if messages:
            meter.start()
        for message in messages:
            sample = decode(message.value())
            key = (sample.name, bytes(sample.labels))
            series = states.get(key)
            if series is None:
                states[key] = Series(sample.value)
                continue
            z = series.step(sample.value)
            if z is not None:
                meter.alerts += 1
                producer.produce(f"{OUTPUT}.river", alert_text(sample.ts, *key, z))
        meter.add(len(messages))
    producer.flush()


if __name__ == "__main__":
    main()
